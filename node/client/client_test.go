package client

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"grapevine/crdt/causal"
	"grapevine/store"
)

func tokenOf(p store.Partition, seq uint64) string {
	var r store.Request
	r.Record(store.Receipt{Partition: p, Dot: causal.Dot{Replica: 1, Seq: seq}, Copies: 1})
	return r.Token()
}

func TestASessionJoinsTheWritesOfConcurrentReplies(t *testing.T) {
	t.Parallel()
	var s session
	s.merge(tokenOf(1, 10))
	s.merge(tokenOf(2, 20))
	var both store.Request
	if err := both.Resume(s.token); err != nil {
		t.Fatal(err)
	}
	if len(both.Needs(1)) != 1 || len(both.Needs(2)) != 1 {
		t.Errorf("the session names %v and %v", both.Needs(1), both.Needs(2))
	}
	s.merge("a future version")
	if s.token != "a future version" {
		t.Errorf("an unknown token became %q", s.token)
	}
}

func TestAReplyThatIsNoProblemIsAnErrorStill(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		w.Write([]byte("<html>bad\ngateway"))
	}))
	defer s.Close()
	_, err := New(s.URL+"/").User(t.Context(), "@alice")
	if StatusOf(err) != 502 || !strings.HasSuffix(err.Error(), "Bad Gateway: <html>bad") {
		t.Errorf("got %v", err)
	}
}

func TestAMalformedURLAndAnAbsentNodeAreErrors(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"::", "http://127.0.0.1:1"} {
		if _, err := New(base).Members(t.Context()); err == nil || StatusOf(err) != 0 {
			t.Errorf("%s: %v", base, err)
		}
	}
}

func TestRefsAreEscapedInPaths(t *testing.T) {
	t.Parallel()
	paths := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { paths <- r.URL.EscapedPath() }))
	defer s.Close()
	if err := New(s.URL).Follow(t.Context(), "@a/b", "../c?d"); err != nil {
		t.Fatal(err)
	}
	if got := <-paths; got != "/v1/users/@a%2Fb/following/..%2Fc%3Fd" {
		t.Errorf("path %s", got)
	}
}
