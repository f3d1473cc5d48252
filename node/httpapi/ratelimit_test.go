package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/services/social"
)

// knock tries a log-in from an address.
func knock(a http.Handler, from, name, password string, header ...string) *httptest.ResponseRecorder {
	return knockAt(a, from, "POST", "/v1/sessions", fmt.Sprintf(`{"username":%q,"password":%q}`, name, password), header...)
}

func knockAt(a http.Handler, from, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.RemoteAddr = from
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	a.ServeHTTP(rec, r)
	return rec
}

// guarded is an API in which one password is right.
func guarded(t *testing.T, signUps int) *api {
	a, w := newAPI(t, func(c *Config) { c.SignUpsPerMinute = signUps })
	a.Users = lock{fakeUsers{w}}
	return a
}

type lock struct{ fakeUsers }

func (l lock) LogIn(ctx context.Context, name, password string) (social.Session, error) {
	if password != "right" {
		return social.Session{}, social.Errorf(social.Unauthenticated, "wrong")
	}
	return l.fakeUsers.LogIn(ctx, name, password)
}

func (l lock) SetPassword(ctx context.Context, who social.Identity, ref, current, next string) error {
	if current != "right" {
		return &social.Error{Kind: social.Forbidden, Field: "current_password", Detail: "wrong"}
	}
	return nil
}

// refusedAfter gives how many attempts are answered before one is refused, at most
// most, and the refusal.
func refusedAfter(most int, attempt func(i int) *httptest.ResponseRecorder) (int, *httptest.ResponseRecorder) {
	for i := range most {
		if rec := attempt(i); rec.Code == http.StatusTooManyRequests {
			return i, rec
		}
	}
	return most, nil
}

func TestGuessingAPasswordIsSlowedDownAndSaysForHowLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := guarded(t, 0)
		n, rec := refusedAfter(20, func(int) *httptest.ResponseRecorder { return knock(a, "192.0.2.1:1", "ann", "wrong") })
		if n != 10 {
			t.Fatalf("refused after %d attempts, want 10", n)
		}
		wait, err := strconv.Atoi(rec.Header().Get("Retry-After"))
		if p := problemOf(t, rec); err != nil || wait != 30 || !strings.HasSuffix(p.Type, "rate-limited") {
			t.Errorf("Retry-After %d, %v, problem %+v", wait, err, p)
		}
		if rec := knock(a, "192.0.2.1:2", "Ann", "right"); rec.Code != http.StatusTooManyRequests {
			t.Errorf("the right one, from another port and in another spelling: %d", rec.Code)
		}
		if rec := knock(a, "192.0.2.1:1", "bob", "right"); rec.Code != http.StatusCreated {
			t.Errorf("another name: %d", rec.Code)
		}
		if rec := knock(a, "192.0.2.2:1", "ann", "right"); rec.Code != http.StatusCreated {
			t.Errorf("another address: %d", rec.Code)
		}
		time.Sleep(time.Duration(wait) * time.Second)
		if rec := knock(a, "192.0.2.1:1", "ann", "wrong"); rec.Code != http.StatusUnauthorized {
			t.Errorf("after the wait: %d", rec.Code)
		}
		if rec := knock(a, "192.0.2.1:1", "ann", "wrong"); rec.Code != http.StatusTooManyRequests {
			t.Errorf("once more at once: %d", rec.Code)
		}
		time.Sleep(time.Hour)
		if n, _ := refusedAfter(20, func(int) *httptest.ResponseRecorder { return knock(a, "192.0.2.1:1", "ann", "wrong") }); n != 10 {
			t.Errorf("after an hour refused after %d", n)
		}
	})
}

func TestLogInsThatSucceedAreNotBounded(t *testing.T) {
	t.Parallel()
	a := guarded(t, 0)
	if n, _ := refusedAfter(5000, func(int) *httptest.ResponseRecorder { return knock(a, "192.0.2.1:1", "ann", "right") }); n != 5000 {
		t.Errorf("refused after %d", n)
	}
}

func TestTryingManyNamesFromOneAddressIsBounded(t *testing.T) {
	t.Parallel()
	a := guarded(t, 0)
	n, _ := refusedAfter(1000, func(i int) *httptest.ResponseRecorder { return knock(a, "192.0.2.1:1", fmt.Sprint("u", i), "wrong") })
	if n < 300 || n > 310 {
		t.Errorf("refused after %d, want 300", n)
	}
	n, _ = refusedAfter(1000, func(i int) *httptest.ResponseRecorder {
		return knock(a, fmt.Sprintf("[2001:db8:1:2::%x]:1", i), fmt.Sprint("v", i), "wrong")
	})
	if n < 300 || n > 310 {
		t.Errorf("one network of IPv6 is refused after %d, want 300", n)
	}
}

func TestTryingOneNameFromManyAddressesIsBounded(t *testing.T) {
	t.Parallel()
	a := guarded(t, 0)
	n, _ := refusedAfter(1000, func(i int) *httptest.ResponseRecorder {
		return knock(a, fmt.Sprintf("10.0.%d.%d:1", i/200, i%200), "ann", "wrong")
	})
	if n < 100 || n > 105 {
		t.Errorf("refused after %d, want 100", n)
	}
}

func TestTheOldPasswordCannotBeGuessedInChangingIt(t *testing.T) {
	t.Parallel()
	a := guarded(t, 0)
	n, _ := refusedAfter(100, func(int) *httptest.ResponseRecorder {
		return knockAt(a, "192.0.2.1:1", "PUT", "/v1/users/@alice/password", `{"current_password":"wrong","new_password":"a new password"}`, asAlice...)
	})
	if n != 10 {
		t.Errorf("refused after %d, want 10", n)
	}
}

func TestSignUpsAreBoundedWhereTheConfigurationSaysSo(t *testing.T) {
	signUp := func(a *api, from string) *httptest.ResponseRecorder {
		return knockAt(a, from, "POST", "/v1/users", `{"username":"ann","password":"correct horse"}`)
	}
	synctest.Test(t, func(t *testing.T) {
		a, free := guarded(t, 5), guarded(t, 0)
		n, rec := refusedAfter(100, func(int) *httptest.ResponseRecorder { return signUp(a, "192.0.2.1:1") })
		if n != 5 || rec.Header().Get("Retry-After") != "12" {
			t.Errorf("refused after %d", n)
		}
		if rec := signUp(a, "192.0.2.2:1"); rec.Code != http.StatusCreated {
			t.Errorf("another address: %d", rec.Code)
		}
		time.Sleep(12 * time.Second)
		if n, _ := refusedAfter(100, func(int) *httptest.ResponseRecorder { return signUp(a, "192.0.2.1:1") }); n != 1 {
			t.Errorf("after the wait refused after %d", n)
		}
		if n, _ := refusedAfter(5000, func(int) *httptest.ResponseRecorder { return signUp(free, "127.0.0.1:1") }); n != 5000 {
			t.Errorf("without a bound refused after %d", n)
		}
	})
}

func TestNamesOfMembersAreTakenAsTheyAreSpelled(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	for _, body := range []string{`{"TEXT":"x"}`, `{"text":"x","Visibility":"public"}`, `{"text":"x","Text":"y"}`} {
		if rec := send(a, "POST", "/v1/posts", body, asAlice...); rec.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s: status %d", body, rec.Code)
		}
	}
}
