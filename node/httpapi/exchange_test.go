package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"grapevine/crdt/causal"
	"grapevine/node/client"
	"grapevine/services/social"
	"grapevine/store"
)

func TestAWriteTellsItsCopiesAndTheSessionShowsIt(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, nil)
	rec := send(a, "POST", "/v1/posts", `{"text":"hello"}`, asAlice...)
	if rec.Code != 201 || rec.Header().Get("Grapevine-Copies") != "2" {
		t.Fatalf("status %d, headers %v", rec.Code, rec.Header())
	}
	session := rec.Header().Get("Grapevine-Session")
	rec = send(a, "GET", "/v1/posts/"+postID, "", "Grapevine-Session", session)
	if got := w.req.Needs(7); len(got) != 1 || got[0] != (store.Need{Replica: 9, Range: causal.Range{First: 1, Last: 1}}) {
		t.Errorf("the next read needs %v", got)
	}
	if rec.Header().Get("Grapevine-Session") != session {
		t.Error("a read changed the session")
	}
	if got, ok := rec.Header()["Grapevine-Copies"]; ok {
		t.Errorf("a read tells of copies: %v", got)
	}
}

func TestARequestCarriesItsWishesToTheStore(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, nil)
	for query, want := range map[string]int{"": store.Default, "?durability=1": 1, "?durability=2": 2, "?durability=3": 3, "?durability=all": store.All} {
		if rec := send(a, "DELETE", "/v1/users/@alice"+query, "", asAlice...); rec.Code != 204 || w.req.Durability != want {
			t.Errorf("%q: status %d, durability %d, want %d", query, rec.Code, w.req.Durability, want)
		}
	}
	send(a, "GET", "/v1/users/@alice?consistency=quorum", "")
	if w.req.Consistency != store.Quorum {
		t.Error("consistency=quorum does not reach the store")
	}
}

func TestAPostCarriesItsIdempotencyKey(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, nil)
	header := append([]string{"Idempotency-Key", "k-1"}, asAlice...)
	send(a, "POST", "/v1/posts", `{"text":"hi","reply_to":"`+postID+`","visibility":"followers"}`, header...)
	if want := (social.NewPost{Text: "hi", ReplyTo: postID, Visibility: social.Followers, Key: "k-1"}); w.new != want {
		t.Errorf("the service got %+v, want %+v", w.new, want)
	}
}

func TestAMalformedSessionTokenIsRefused(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	rec := send(a, "GET", "/v1/users", "", "Grapevine-Session", "nonsense")
	if p := problemOf(t, rec); rec.Code != 400 || p.Field != "Grapevine-Session" {
		t.Errorf("status %d, problem %+v", rec.Code, p)
	}
}

func TestRequestIDsAreEchoedOrMade(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	if got := send(a, "GET", "/healthz", "", "X-Request-Id", "abc-1").Header().Get("X-Request-Id"); got != "abc-1" {
		t.Errorf("a good id became %q", got)
	}
	for _, bad := range []string{"", "a b", strings.Repeat("x", 65), "\x01"} {
		if got := send(a, "GET", "/healthz", "", "X-Request-Id", bad).Header().Get("X-Request-Id"); got == bad || got == "" {
			t.Errorf("the id %q was kept", bad)
		}
	}
}

func TestRepliesAreNotCached(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	for _, target := range []string{"/v1/users", "/v1/nothing", "/healthz"} {
		if got := send(a, "GET", target, "").Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control %q", target, got)
		}
	}
}

func TestABodyHasABound(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	large := `{"text":"` + strings.Repeat("x", MaxBody) + `"}`
	declared := send(a, "POST", "/v1/posts", large, asAlice...)
	r := httptest.NewRequest("POST", "/v1/posts", io.MultiReader(strings.NewReader(large)))
	r.Header.Set("Authorization", asAlice[1])
	undeclared := httptest.NewRecorder()
	a.ServeHTTP(undeclared, r)
	for _, rec := range []*httptest.ResponseRecorder{declared, undeclared} {
		if rec.Code != 413 || problemOf(t, rec).Kind() != "too-large" {
			t.Errorf("status %d", rec.Code)
		}
	}
}

func TestABusyNodeRefusesAllButProbes(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, func(c *Config) { c.MaxInFlight = 1 })
	entered, leave := make(chan struct{}), make(chan struct{})
	w.act = func(context.Context) error {
		close(entered)
		<-leave
		return nil
	}
	var first sync.WaitGroup
	first.Go(func() { send(a, "GET", "/v1/users/@alice", "") })
	<-entered
	rec := send(a, "GET", "/v1/cluster/ring", "")
	if p := problemOf(t, rec); rec.Code != 503 || p.Kind() != "overloaded" || rec.Header().Get("Retry-After") == "" {
		t.Errorf("status %d, problem %+v", rec.Code, p)
	}
	for _, probe := range []string{"/healthz", "/readyz", "/metrics"} {
		if rec := send(a, "GET", probe, ""); rec.Code != 200 {
			t.Errorf("%s: status %d on a busy node", probe, rec.Code)
		}
	}
	close(leave)
	first.Wait()
	if rec := send(a, "GET", "/v1/cluster/ring", ""); rec.Code != 200 {
		t.Errorf("status %d when it is over", rec.Code)
	}
}

func TestBodiesThatAreSlowToComeDoNotKeepOutReaders(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, func(c *Config) { c.MaxInFlight = 1 })
	body, slow := io.Pipe()
	var writer sync.WaitGroup
	writer.Go(func() {
		r := httptest.NewRequest("POST", "/v1/posts", body)
		a.ServeHTTP(httptest.NewRecorder(), r)
	})
	if _, err := slow.Write([]byte("{")); err != nil { // returns when it is being read
		t.Fatal(err)
	}
	if rec := send(a, "GET", "/v1/users/@alice", ""); rec.Code != 200 {
		t.Errorf("a reader: status %d", rec.Code)
	}
	if rec := send(a, "POST", "/v1/posts", `{"text":"x"}`, asAlice...); rec.Code != 503 || problemOf(t, rec).Kind() != "overloaded" {
		t.Errorf("a second writer: status %d", rec.Code)
	}
	_ = slow.Close() // never fails
	writer.Wait()
	if rec := send(a, "POST", "/v1/posts", `{"text":"x"}`, asAlice...); rec.Code != 201 {
		t.Errorf("when it is over: status %d", rec.Code)
	}
}

func TestARequestEndsInItsTime(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, func(c *Config) { c.Timeout = time.Millisecond })
	w.act = func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	rec := send(a, "GET", "/v1/users/@alice", "")
	if p := problemOf(t, rec); rec.Code != 503 || p.Kind() != "unavailable" {
		t.Errorf("status %d, problem %+v", rec.Code, p)
	}
}

func TestAPanicIsAnInternalErrorWithoutDetail(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	a, w := newAPI(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	w.act = func(context.Context) error { panic("secret detail") }
	rec := send(a, "GET", "/v1/users/@alice", "", "X-Request-Id", "r-7")
	p := problemOf(t, rec)
	if rec.Code != 500 || strings.Contains(rec.Body.String(), "secret") || !strings.HasSuffix(p.Instance, "r-7") {
		t.Errorf("status %d, body %s", rec.Code, rec.Body)
	}
	if !strings.Contains(log.String(), "secret detail") || !strings.Contains(log.String(), "r-7") {
		t.Errorf("the log does not tell what happened: %s", log.String())
	}
	if a.admission.inside != 0 {
		t.Error("the request still counts as being served")
	}
}

func TestAPanicAfterTheHeaderCutsTheConnection(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	a.mux.HandleFunc("GET /v1/half", func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte("half"))
		panic("late")
	})
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("recovered %v, want http.ErrAbortHandler", p)
		}
	}()
	send(a, "GET", "/v1/half", "")
}

func TestMetricsAreByRouteNotByPath(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	send(a, "GET", "/v1/users/@alice", "")
	send(a, "GET", "/v1/nothing/at/all", "")
	send(a, "BREW", "/v1/users", "")
	text := send(a, "GET", "/metrics", "").Body.String()
	for _, want := range []string{
		`grapevine_http_request_duration_seconds_count{class="2xx",method="GET",route="/v1/users/{user}"} 1`,
		`grapevine_http_request_duration_seconds_count{class="4xx",method="GET",route="none"} 1`,
		`grapevine_http_request_duration_seconds_count{class="4xx",method="other",route="none"} 1`,
		`grapevine_http_requests_in_flight 0`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(text, "alice") {
		t.Error("a path became a label")
	}
}

func TestMetricsRegisteredTwiceAreAnError(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	var already prometheus.AlreadyRegisteredError
	if _, err := New(a.Config); !errors.As(err, &already) {
		t.Errorf("got %v", err)
	}
}

func TestANodeThatIsNotReadySaysWhy(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, nil)
	w.ready = false
	rec := send(a, "GET", "/readyz", "")
	if p := problemOf(t, rec); rec.Code != 503 || p.Detail != "still joining" {
		t.Errorf("status %d, problem %+v", rec.Code, p)
	}
	if got := readinessOf(t, rec); got.Ready || got.Reason != "still joining" || got.SafeToRestartNext {
		t.Errorf("%+v", got)
	}
}

func TestARollingRestartIsToldWhenToWait(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, nil)
	spare := map[bool]int{true: 200, false: 503}
	for _, lacking := range [][]string{nil, {"node x is down", "node y is catching up"}} {
		w.lacking = lacking
		for target, want := range map[string]int{"/readyz": 200, "/readyz?for=restart": spare[lacking == nil]} {
			rec := send(a, "GET", target, "")
			if got := readinessOf(t, rec); rec.Code != want || !got.Ready || got.SafeToRestartNext != (lacking == nil) || len(got.WhyNot) != len(lacking) {
				t.Errorf("%s: status %d, %+v", target, rec.Code, got)
			}
			if rec.Code == 503 && !strings.Contains(problemOf(t, rec).Detail, "node x is down; node y is catching up") {
				t.Errorf("%s: %s", target, rec.Body)
			}
		}
	}
	if rec := send(a, "GET", "/readyz?for=fun", ""); rec.Code != 422 {
		t.Errorf("status %d", rec.Code)
	}
}

func readinessOf(t *testing.T, rec *httptest.ResponseRecorder) client.Readiness {
	t.Helper()
	var r client.Readiness
	if err := json.Unmarshal(rec.Body.Bytes(), &r); err != nil {
		t.Fatalf("%v in %s", err, rec.Body)
	}
	return r
}

func TestAServerBoundsHeaders(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	s := httptest.NewUnstartedServer(nil)
	s.Config = Server(a, a.Log)
	s.Start()
	defer s.Close()
	r, err := http.NewRequest("GET", s.URL+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Large", strings.Repeat("x", 2*MaxHeader))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestABodyThatDoesNotComeIsNamedAsSuch(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]int{os.ErrDeadlineExceeded: 408, io.ErrUnexpectedEOF: 400} {
		if f := bodyFault(fmt.Errorf("read: %w", err)); f.Status != want {
			t.Errorf("%v: status %d, want %d", err, f.Status, want)
		}
	}
}
