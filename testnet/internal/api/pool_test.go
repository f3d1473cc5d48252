package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// node is a server that answers as fn says, and counts.
func node(t *testing.T, fn http.HandlerFunc) (url string, asked *atomic.Int32) {
	t.Helper()
	asked = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		fn(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func TestARequestThatANodeCannotServeGoesToAnother(t *testing.T) {
	t.Parallel()
	for _, code := range []int{429, 502, 503, 504, 507} {
		busy, _ := node(t, status(code))
		fine, asked := node(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Idempotency-Key") != "k" || r.Header.Get("Grapevine-Session") != "s" || r.Header.Get("Authorization") != "Bearer t" {
				t.Error("the retry lost its headers")
			}
		})
		p := NewPool([]string{busy, "http://127.0.0.1:1", fine}, 1)
		_, err := p.Retry(t.Context(), 0, Request{Method: "POST", Path: "/", Token: "t", Session: "s", Key: "k"})
		if err != nil || asked.Load() != 1 {
			t.Errorf("%d: %v after %d requests", code, err, asked.Load())
		}
		p.Close()
	}
}

func TestAFinalAnswerIsNotAskedForAgain(t *testing.T) {
	t.Parallel()
	for _, code := range []int{400, 401, 403, 404, 409, 422, 500} {
		url, asked := node(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			w.Write([]byte(`{"title":"Title","detail":"what is wrong"}`))
		})
		p := NewPool([]string{url}, 1)
		_, err := p.Retry(t.Context(), 0, Request{Method: "GET", Path: "/x"})
		var e *StatusError
		if !errors.As(err, &e) || e.Status != code || e.Detail != "what is wrong" || asked.Load() != 1 {
			t.Errorf("%d: %v after %d requests", code, err, asked.Load())
		}
		p.Close()
	}
}

func TestPausesGrowWithinTheirBoundAndRespectRetryAfter(t *testing.T) {
	t.Parallel()
	for attempt := range 100 {
		if d := backoff(attempt, nil); d < 10*time.Millisecond || d > maxBackoff {
			t.Errorf("attempt %d: %s", attempt, d)
		}
	}
	if d := backoff(0, &StatusError{After: time.Second}); d < 500*time.Millisecond {
		t.Errorf("asked for a second: %s", d)
	}
	if d := backoff(0, &StatusError{After: time.Hour}); d > maxBackoff {
		t.Errorf("asked for an hour: %s", d)
	}
}

func TestAnEndedContextEndsRetrying(t *testing.T) {
	t.Parallel()
	url, _ := node(t, status(503))
	p := NewPool([]string{url}, 1)
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.Retry(ctx, 0, Request{Method: "GET", Path: "/"}); err == nil {
		t.Fatal("no error")
	}
}

func TestAListWhoseCursorRepeatsIsAnError(t *testing.T) {
	t.Parallel()
	url, _ := node(t, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"items":[1],"next":"same"}`)) })
	p := NewPool([]string{url}, 1)
	defer p.Close()
	if got, err := List[int](t.Context(), p, 0, "/", "", 0); !errors.Is(err, errEndless) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := List[int](t.Context(), p, 0, "/", "", 1); err != nil || len(got) != 1 {
		t.Errorf("bounded: got %v, %v", got, err)
	}
}

func TestANameWhoseSignUpWasCutShortIsTakenOnceTheServiceGivesItFree(t *testing.T) {
	t.Parallel()
	var signUps atomic.Int32
	url, asked := node(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v1/sessions":
			w.WriteHeader(http.StatusUnauthorized) // there is no account
		case signUps.Add(1) < 3:
			w.WriteHeader(http.StatusConflict) // there is a claim to the name
		default:
			w.WriteHeader(http.StatusCreated)
			w.Write([]byte(`{"id":"u","session":{"token":"t"}}`))
		}
	})
	p := NewPool([]string{url}, 1)
	defer p.Close()
	account, err := p.SignUp(t.Context(), 0, SignUp{Username: "ada", Password: "a password"})
	if err != nil || account != (Account{ID: "u", Token: "t"}) || asked.Load() != 5 {
		t.Errorf("%+v, %v after %d requests, want an account after 5", account, err, asked.Load())
	}
}
