package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test program stand in for a node: it takes a node's flags,
// keeps the cuts it is told in its data directory, and serves until SIGTERM.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "node" {
		if err := standIn(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func standIn(args []string) error {
	flags := flag.NewFlagSet("node", flag.ContinueOnError)
	data := flags.String("data", "", "")
	addr := flags.String("http", "", "")
	for _, name := range []string{"p2p", "gossip", "join", "secret-file"} {
		flags.String(name, "", "")
	}
	flags.Bool("unsafe-faults", false, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := os.MkdirAll(*data, 0o700); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(*data, "broken")); err == nil {
		return errors.New("the vineyard is closed")
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		return err
	}
	http.HandleFunc("POST /v1/unsafe/faults", func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Block []string }
		if json.NewDecoder(r.Body).Decode(&in) != nil || r.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		slices.Sort(in.Block)
		if os.WriteFile(filepath.Join(*data, "cut"), []byte(strings.Join(in.Block, " ")), 0o600) != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	go http.Serve(listener, nil)
	fmt.Printf(`{"event":"ready","http":%q,"p2p":"127.0.0.1:1","gossip":"127.0.0.1:2","id":"id-of-%s"}`+"\n",
		listener.Addr(), filepath.Base(*data))
	<-terminated
	return nil
}

// run gives a testnet of stand-ins that ends with the test.
func run(t *testing.T, n int) *Cluster {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c, err := Create(t.TempDir(), self, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Start(t.Context(), n, func(Node) {}); err != nil {
		t.Fatal(err)
	}
	return c
}

func state(t *testing.T, c *Cluster) State {
	t.Helper()
	s, err := c.State()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAKilledNodeComesBackAtItsAddressWithItsData(t *testing.T) {
	t.Parallel()
	c := run(t, 2)
	before := state(t, c).Nodes[1]
	if err := c.Kill(before); err != nil {
		t.Fatal(err)
	}
	if living := state(t, c).Living(); len(living) != 1 || living[0].Index != 1 {
		t.Fatalf("living: %+v", living)
	}
	if err := c.Kill(before); err == nil {
		t.Error("a dead node was killed")
	}
	after, err := c.Restart(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	if after.HTTP != before.HTTP || after.ID != before.ID || after.Process == before.Process {
		t.Errorf("was %+v, is %+v", before, after)
	}
	if _, err := c.Restart(t.Context(), 2); err == nil {
		t.Error("a running node was started")
	}
}

func TestStopLeavesNoProcessAndAnotherStartFindsTheNodes(t *testing.T) {
	t.Parallel()
	c := run(t, 2)
	before := state(t, c)
	if _, err := Create(c.Dir(), before.Binary, nil); !errors.Is(err, ErrLiving) {
		t.Errorf("a second testnet in the directory: %v, want ErrLiving", err)
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, n := range before.Nodes {
		if n.Process.Alive() {
			t.Errorf("node %d still runs", n.Index)
		}
	}
	if _, err := Open(c.Dir()); !errors.Is(err, ErrNotRunning) {
		t.Errorf("open: %v, want ErrNotRunning", err)
	}
	again, err := Create(c.Dir(), before.Binary, nil)
	if err != nil {
		t.Fatal(err)
	}
	var addrs []string
	err = again.Start(t.Context(), 1, func(n Node) { addrs = append(addrs, n.HTTP) })
	if stopErr := again.Stop(); err != nil || stopErr != nil {
		t.Fatal(err, stopErr)
	}
	if !slices.Equal(addrs, []string{before.Nodes[0].HTTP, before.Nodes[1].HTTP}) {
		t.Errorf("serves on %v", addrs)
	}
}

func TestANodeThatFailsToStartShowsItsLog(t *testing.T) {
	t.Parallel()
	c := run(t, 1)
	data := filepath.Join(c.Dir(), "node2")
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(data, "broken"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := c.Restart(t.Context(), 2)
	if err == nil || !strings.Contains(err.Error(), "the vineyard is closed") {
		t.Fatalf("got %v", err)
	}
	if n := len(state(t, c).Nodes); n != 1 {
		t.Errorf("%d nodes are recorded, want 1", n)
	}
}

// cuts gives what each node was told to be cut off from.
func cuts(t *testing.T, c *Cluster) []string {
	t.Helper()
	var out []string
	for _, n := range state(t, c).Nodes {
		b, err := os.ReadFile(filepath.Join(c.Dir(), fmt.Sprintf("node%d", n.Index), "cut"))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(b))
	}
	return out
}

func TestAPartitionCutsBothWaysOutlivesARestartAndHeals(t *testing.T) {
	t.Parallel()
	c := run(t, 3)
	groups, err := state(t, c).ParseGroups("1, node2|3")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Partition(t.Context(), groups); err != nil {
		t.Fatal(err)
	}
	want := []string{"id-of-node3", "id-of-node3", "id-of-node1 id-of-node2"}
	if got := cuts(t, c); !slices.Equal(got, want) {
		t.Fatalf("cut off from %q, want %q", got, want)
	}
	if err := c.Kill(state(t, c).Nodes[2]); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(c.Dir(), "node3", "cut")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Restart(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if got := cuts(t, c); !slices.Equal(got, want) {
		t.Errorf("after the restart cut off from %q, want %q", got, want)
	}
	if err := c.Partition(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := cuts(t, c); !slices.Equal(got, []string{"", "", ""}) {
		t.Errorf("after healing cut off from %q", got)
	}
}

func TestGroupsMustPutEachNodeInOnePlace(t *testing.T) {
	t.Parallel()
	s := State{Nodes: []Node{{Index: 1, ID: "xa"}, {Index: 2, ID: "xb"}, {Index: 3, ID: "yb"}}}
	for _, bad := range []string{"", "1,2,3", "1|2", "1,2|2,3", "1|2|4", "1|b,3", "1||2,3"} {
		if groups, err := s.ParseGroups(bad); err == nil {
			t.Errorf("%q was read as %v", bad, groups)
		}
	}
	groups, err := s.ParseGroups("xa|xb|3")
	if err != nil || fmt.Sprint(groups) != "[[1] [2] [3]]" {
		t.Errorf("got %v, %v", groups, err)
	}
}

func TestAnotherProcessOfTheSameNumberIsNotTakenForTheNode(t *testing.T) {
	t.Parallel()
	p := identify(os.Getpid())
	if p.Begun == 0 {
		t.Skip("there is no /proc")
	}
	if !p.Alive() {
		t.Fatal("this process is not alive")
	}
	p.Begun--
	if p.Alive() {
		t.Error("an earlier process of this number is alive")
	}
	if err := p.terminate(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("it was sent a signal: %v", err)
	}
}

func TestACancelledStartEndsTheNode(t *testing.T) {
	t.Parallel()
	c := run(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Restart(ctx, 2); err == nil {
		t.Fatal("started")
	}
	done := make(chan struct{})
	go func() { c.wait.Wait(); close(done) }()
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(stopTimeout):
		t.Fatal("a node of a cancelled start still runs")
	}
}
