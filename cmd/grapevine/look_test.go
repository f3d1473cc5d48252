package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"grapevine/node/client"
)

// impostor is an API at which only node-a ever answers.
func impostor(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var answer any = map[string]any{"items": []string{}}
		switch r.URL.Path {
		case "/v1/cluster/health":
			answer = client.Health{Status: client.HealthOK, Node: "node-a"}
		case "/v1/cluster/ring":
			answer = client.Ring{}
		}
		// A broken answer shows in the test.
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestANodeIsNotTakenForAnother(t *testing.T) {
	t.Parallel()
	server := impostor(t)
	c := client.New(server.URL)
	defer c.Close()
	at := strings.TrimPrefix(server.URL, "http://")
	for id, want := range map[string]error{"node-a": nil, "node-b": errHidden} {
		v := ask(t.Context(), c, client.Member{ID: id, HTTP: at}, time.Minute)
		if !errors.Is(v.err, want) || (want != nil && v.health.Node != "") {
			t.Errorf("%s: %+v", id, v)
		}
	}
}

func TestTheLoopbackOfAnotherMachineIsNotAsked(t *testing.T) {
	t.Parallel()
	c := client.New("http://10.0.0.1:7400")
	defer c.Close()
	v := ask(t.Context(), c, client.Member{ID: "node-b", HTTP: "127.0.0.1:7400"}, time.Minute)
	if !errors.Is(v.err, errHidden) {
		t.Errorf("got %+v", v)
	}
}
