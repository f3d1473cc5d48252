package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"grapevine/node/client"
)

// peer is an API that has a member in some state, or is down while state is nil.
func peer(t *testing.T, self string, state *atomic.Pointer[string]) *client.Client {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := state.Load()
		if now == nil {
			panic(http.ErrAbortHandler)
		}
		var answer any = client.Health{Node: self, RingState: *now, Partitions: client.PartitionCounts{Owned: 3}}
		if r.URL.Path == "/v1/cluster/ring" {
			answer = client.Ring{Members: []client.RingMember{{ID: "node-a", State: *now}}}
		}
		// A broken answer shows in the test.
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(s.Close)
	c := client.New(s.URL)
	t.Cleanup(c.Close)
	return c
}

func state(s string) *atomic.Pointer[string] {
	p := new(atomic.Pointer[string])
	if s != "" {
		p.Store(&s)
	}
	return p
}

func TestALeavingNodeIsWatchedThroughTheOthersOnceItHasEnded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		own, others string
		gone        bool
		want        string // of the error and what is said
	}{
		"it copies":                      {own: "leaving", others: "leaving", want: "leaving: the others copy 3 partitions\n"},
		"it is out, and waits for proof": {own: "gone", others: "gone", want: "out of the ring: 0 partitions to be proved by the others\n"},
		"it has left":                    {others: "gone", gone: true},
		"it ended before it had left":    {others: "leaving", want: "has ended, but is still leaving in the ring"},
		"nobody answers":                 {want: "has ended, and no other node answers here"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said bytes.Buffer
			d := departing{
				c: &console{err: &said}, node: "node-a",
				clients: []*client.Client{peer(t, "node-a", state(c.own)), peer(t, "node-b", state("")), peer(t, "node-c", state(c.others))},
			}
			gone, err := d.look(t.Context())
			text := said.String()
			var h *hinted
			if errors.As(err, &h) {
				text += h.Error()
			}
			if gone != c.gone || !strings.Contains(text, c.want) || (err != nil) != (c.own == "" && !c.gone) {
				t.Errorf("gone %v, %q, %v", gone, text, err)
			}
		})
	}
}

func TestWaitingForANodeToLeaveIsBounded(t *testing.T) {
	t.Parallel()
	d := departing{c: &console{err: new(bytes.Buffer)}, node: "node-a", clients: []*client.Client{peer(t, "node-a", state("leaving"))}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var h *hinted
	if err := d.wait(ctx); !errors.As(err, &h) || !strings.Contains(err.Error(), "has not left yet") {
		t.Errorf("got %v", err)
	}
}
