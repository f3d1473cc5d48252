package httpapi

import (
	"net/http/httptest"
	"strings"
	"testing"

	"grapevine/services/social"
)

func TestWhatChangesAnAccountNeedsItsToken(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, nil)
	public := map[string]bool{"sign-up": true, "log-in": true}
	for _, op := range operationsOf(a) {
		if op.Method == "GET" && op.OperationID != "home-timeline" || public[op.OperationID] {
			continue
		}
		for _, header := range []string{"", "Bearer", "Bearer wrong", "Basic " + aliceToken, aliceToken} {
			w.who = social.Identity{User: "nobody asked"}
			r := httptest.NewRequest(op.Method, target(op.path, aliceID), strings.NewReader(`{"text":"x"}`))
			r.Header.Set("Authorization", header)
			rec := httptest.NewRecorder()
			a.ServeHTTP(rec, r)
			if rec.Code != 401 || rec.Header().Get("WWW-Authenticate") == "" || w.who.User != "nobody asked" {
				t.Errorf("%s with %q: status %d, headers %v", op, header, rec.Code, rec.Header())
			}
			problemOf(t, rec)
		}
	}
}

func TestAVisitorReadsWithoutATokenButNotWithAWrongOne(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, nil)
	const target = "/v1/posts/" + postID
	if rec := send(a, "GET", target, ""); rec.Code != 200 || !w.who.Anonymous() {
		t.Errorf("without a token: status %d, as %+v", rec.Code, w.who)
	}
	if rec := send(a, "GET", target, "", asAlice...); rec.Code != 200 || w.who.User != aliceID {
		t.Errorf("with a token: status %d, as %+v", rec.Code, w.who)
	}
	if rec := send(a, "GET", target, "", "Authorization", "Bearer stale"); rec.Code != 401 {
		t.Errorf("with a wrong token: status %d", rec.Code)
	}
}

func TestAStaleTokenDoesNotHinderLoggingIn(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	rec := send(a, "POST", "/v1/sessions", `{"username":"alice","password":"correct horse"}`, "Authorization", "Bearer stale")
	if rec.Code != 201 {
		t.Errorf("status %d: %s", rec.Code, rec.Body)
	}
}

func TestTheSchemeOfATokenIsCaseInsensitive(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	if rec := send(a, "GET", "/v1/timelines/home", "", "Authorization", "bearer "+aliceToken); rec.Code != 200 {
		t.Errorf("status %d", rec.Code)
	}
}

func TestFaultsNeedTheOperatorAndAreMountedOnlyWhenAskedFor(t *testing.T) {
	t.Parallel()
	const target, body = "/v1/unsafe/faults", `{"block":["a","b"]}`
	plain, _ := newAPI(t, nil)
	if rec := send(plain, "POST", target, body, "Authorization", "Bearer "+opToken); rec.Code != 404 {
		t.Errorf("an ordinary node answers %d", rec.Code)
	}
	w := &world{}
	a, _ := newAPI(t, func(c *Config) { c.Faults = fakeCluster{w} })
	for _, token := range []string{"", "wrong", aliceToken} {
		if rec := send(a, "POST", target, body, "Authorization", "Bearer "+token); rec.Code != 401 || w.blocked != nil {
			t.Errorf("token %q: status %d", token, rec.Code)
		}
	}
	if rec := send(a, "POST", target, body, "Authorization", "Bearer "+opToken); rec.Code != 204 || len(w.blocked) != 2 {
		t.Errorf("the operator: status %d, blocked %v", rec.Code, w.blocked)
	}
}

func TestActsOnTheClusterNeedTheOperator(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, nil)
	for path, want := range map[string]string{
		"/v1/cluster/leave": `"leaving"`, "/v1/cluster/forget/node-b": `"node-b"`, "/v1/cluster/repair": "",
	} {
		w.req = nil
		for _, token := range []string{"", "wrong", aliceToken} {
			if rec := send(a, "POST", path, "", "Authorization", "Bearer "+token); rec.Code != 401 || w.req != nil {
				t.Errorf("%s with token %q: status %d", path, token, rec.Code)
			}
		}
		rec := send(a, "POST", path, "", "Authorization", "Bearer "+opToken)
		if rec.Code != 202 || w.req == nil || !strings.Contains(rec.Body.String(), want) {
			t.Errorf("%s by the operator: status %d, %s", path, rec.Code, rec.Body)
		}
	}
}

func TestAnAPIWithoutAnOperatorTokenHasNoOperator(t *testing.T) {
	t.Parallel()
	w := &world{}
	a, _ := newAPI(t, func(c *Config) { c.Faults, c.OperatorToken = fakeCluster{w}, "" })
	if rec := send(a, "POST", "/v1/unsafe/faults", `{"block":[]}`, "Authorization", "Bearer "); rec.Code != 401 {
		t.Errorf("status %d", rec.Code)
	}
}
