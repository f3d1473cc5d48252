package routing_test

import (
	"slices"
	"testing"
	"time"

	"grapevine/node/routing"
	"grapevine/p2p"
)

func TestRouterAsksTheHealthiestFirst(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	dead := map[p2p.NodeID]bool{}
	r := routing.New(func(id p2p.NodeID) bool { return !dead[id] }, func() time.Time { return now })
	peers := []p2p.NodeID{"a", "b", "c"}
	expect := func(what string, want ...p2p.NodeID) {
		t.Helper()
		if got := r.Order(peers); !slices.Equal(got, want) {
			t.Errorf("%s: order %v, want %v", what, got, want)
		}
	}

	expect("nothing known", "a", "b", "c")
	r.Observe("a", 9*time.Millisecond, nil)
	r.Observe("b", 3*time.Millisecond, nil)
	r.Observe("c", 5*time.Millisecond, nil)
	expect("by latency", "b", "c", "a")
	r.Observe("b", 50*time.Millisecond, nil)
	expect("one slow answer counts at once", "c", "a", "b")
	r.Observe("c", 0, p2p.ErrUnreachable)
	expect("after a failure", "a", "b", "c")
	now = now.Add(2 * time.Second)
	expect("the failure is forgiven", "c", "a", "b")
	dead["c"] = true
	expect("dead ones come last", "a", "b", "c")
}

func TestAPeerThatWasSlowOnceIsAskedAgain(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	r := routing.New(func(p2p.NodeID) bool { return true }, func() time.Time { return now })
	peers := []p2p.NodeID{"a", "b"}
	r.Observe("a", 80*time.Millisecond, nil)
	for range 10 {
		r.Observe("b", 3*time.Millisecond, nil)
		now = now.Add(time.Second)
	}
	if got := r.Order(peers); got[0] != "a" {
		t.Errorf("after ten seconds: order %v", got)
	}
}
