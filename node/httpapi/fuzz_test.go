package httpapi

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"grapevine/node/client"
	"grapevine/store"
)

// No request makes a handler panic or is answered with a fault of the node's. A
// refusal is a problem, and whatever is answered, its session can be taken up.
func FuzzRequest(f *testing.F) {
	session := new(store.Request).Token()
	f.Add("GET", "/v1/timelines/home?limit=40&cursor="+postID, session, "", "", "")
	f.Add("POST", "/v1/posts?durability=all", session, "key", "application/json", `{"text":"hello","visibility":"public"}`)
	f.Add("POST", "/v1/posts?durability=2", "", "", "application/json", `{"text":"hello"}`)
	f.Add("PATCH", "/v1/posts/"+postID, "", "", "application/json", `{"text":"bye"}`)
	f.Add("DELETE", "/v1/users/me?consistency=quorum", "AQ", "", "", "")
	f.Add("POST", "/v1/users/@alice/friends", session, "key", "application/json", `{"friend":"@bob"}`)
	f.Add("PUT", "/v1/users/@alice/blocks/@bob?durability=all", session, "", "", "")
	f.Add("GET", "/v1/users/@alice/friend-requests?direction=out&limit=1", session, "", "", "")
	f.Add("GET", "/v1/users/@alice/suggestions?cursor=2-"+postID, "", "", "", "")
	f.Add("GET", "/v1/users/%zz/followers", "", "", "", "")
	a, _ := newAPI(f, nil)
	f.Fuzz(func(t *testing.T, method, target, session, key, contentType, body string) {
		r, err := http.NewRequest(method, target, strings.NewReader(body))
		if err != nil || r.URL.Path == "" || r.URL.Path[0] != '/' {
			return // net/http lets none such reach the API
		}
		for name, value := range map[string]string{
			"Authorization": "Bearer " + aliceToken, "Content-Type": contentType,
			client.HeaderSession: session, "Idempotency-Key": key,
		} {
			r.Header.Set(name, value)
		}
		rec := httptest.NewRecorder()
		a.ServeHTTP(rec, r)
		if rec.Code == http.StatusInternalServerError {
			t.Errorf("%s %q: %s", method, target, rec.Body)
		}
		if err := new(store.Request).Resume(rec.Header().Get(client.HeaderSession)); err != nil {
			t.Errorf("%s %q: %v", method, target, err)
		}
		if rec.Code >= 400 && strings.HasPrefix(r.URL.Path, "/v1/") && !json.Valid(rec.Body.Bytes()) {
			t.Errorf("%s %q: status %d, %s", method, target, rec.Code, rec.Body)
		}
	})
}
