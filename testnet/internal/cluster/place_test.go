package cluster

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestAPausedNodeLivesAndDoesNothing(t *testing.T) {
	t.Parallel()
	c := run(t, 1)
	n := state(t, c).Nodes[0]
	if err := c.Pause(n); err != nil {
		t.Fatal(err)
	}
	await(t, "it stops", func() bool { s, _ := procStat(n.Process.PID); return s == 'T' || s == 0 })
	if !n.Process.Alive() {
		t.Error("a paused node passes for dead")
	}
	if err := c.Resume(n); err != nil {
		t.Fatal(err)
	}
	await(t, "it goes on", func() bool { s, _ := procStat(n.Process.PID); return s != 'T' })
	if err := c.Kill(n); err != nil {
		t.Fatal(err)
	}
	if err := c.Pause(n); err == nil {
		t.Error("a dead node was paused")
	}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(poll) {
		if time.Now().After(deadline) {
			t.Fatalf("waiting in vain until %s", what)
		}
	}
}

func TestADiskIsSavedEmptiedAndSetBackOnlyWhileItsNodeIsDown(t *testing.T) {
	t.Parallel()
	c := run(t, 1)
	saved := filepath.Join(c.Dir(), "saved")
	file := filepath.Join(c.DataDir(1), "deep", "file")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("old")
	if c.Wipe(1) == nil || c.Save(1, saved) == nil || c.Restore(1, saved) == nil {
		t.Error("the disk of a running node was touched")
	}
	if err := c.Kill(state(t, c).Nodes[0]); err != nil {
		t.Fatal(err)
	}
	if err := c.Save(1, saved); err != nil {
		t.Fatal(err)
	}
	write("new")
	if err := c.Restore(1, saved); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(file); string(b) != "old" {
		t.Errorf("restored %q, %v", b, err)
	}
	if err := c.Wipe(1); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(c.DataDir(1)); len(left) != 0 || err != nil {
		t.Errorf("a wiped disk holds %v, %v", left, err)
	}
}

func TestANodeThatHasLeftStaysAwayAndNobodyJoinsIt(t *testing.T) {
	t.Parallel()
	c := run(t, 2)
	n := state(t, c).Nodes[1]
	if err := c.AwaitExit(n, 0); err == nil {
		t.Error("a running node passes for ended")
	}
	if err := c.Kill(n); err != nil {
		t.Fatal(err)
	}
	if err := c.Retire(2); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Restart(t.Context(), 2); err == nil {
		t.Error("a node that has left was started")
	}
	s := state(t, c)
	s.Nodes[0].Gossip, s.Nodes[1].Gossip = "here:1", "gone:2" // stand-ins all give the same
	if args := c.arguments(s, Node{Index: 3}); args[len(args)-1] != "here:1" {
		t.Errorf("a newcomer asks it: %v", args)
	}
	if err := c.Retire(9); err == nil {
		t.Error("a node that there is not has left")
	}
}

// elsewhere places all nodes on another address of loopback, and counts.
type elsewhere struct {
	mu      sync.Mutex
	entered []int
}

func (*elsewhere) Host(int) string { return "127.0.0.9" }

func (e *elsewhere) Enter(index int, start func() error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.entered = append(e.entered, index)
	return start()
}

func TestAPlacementSaysWhereNodesRun(t *testing.T) {
	t.Parallel()
	c := run(t, 1)
	place := &elsewhere{}
	c.Place(place)
	n, err := c.Restart(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(place.entered, []int{2}) || n.HTTP[:len("127.0.0.9:")] != "127.0.0.9:" {
		t.Errorf("node 2 is at %s, entered %v", n.HTTP, place.entered)
	}
}
