package main

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"grapevine/node"
	"grapevine/node/client"
	"grapevine/node/config"
	"grapevine/p2p"
	"grapevine/p2p/simnet"
	"grapevine/services/users"
	"grapevine/store"
	"grapevine/store/memdb"
)

// ward is a cluster of three whole nodes, each with its API on a port of this
// machine, whose network, clocks and disks can be made ill.
type ward struct {
	t     *testing.T
	net   *simnet.Network
	nodes []*patient
}

type patient struct {
	*node.Node
	id     p2p.NodeID
	server *httptest.Server
}

// illness is what a node is born with.
type illness struct {
	ahead time.Duration // of its clock
	free  uint64        // bytes that its disk has left; plenty when 0
	zone  string
}

// smallDisk is an engine with little space left.
type smallDisk struct {
	*memdb.DB
	free uint64
}

// Stats implements store.Engine.
func (d smallDisk) Stats() store.EngineStats {
	s := d.DB.Stats()
	s.FreeBytes = d.free
	return s
}

func newWard(t *testing.T, ill [3]illness) *ward {
	t.Helper()
	w := &ward{t: t, net: simnet.New(simnet.Options{Seed: 1, MaxDelay: time.Millisecond})}
	t.Cleanup(w.close)
	for i := range ill {
		w.admit(i, ill[i])
	}
	for _, p := range w.nodes {
		w.eventually("a node is active", p.Active)
	}
	return w
}

func (w *ward) admit(i int, ill illness) {
	w.t.Helper()
	p := &patient{id: p2p.NodeID(fmt.Sprintf("node-%c", 'a'+i)), server: httptest.NewUnstartedServer(nil)}
	cfg := config.Default("unused")
	cfg.PartitionBits, cfg.Zone = 3, ill.zone
	if i > 0 {
		cfg.Join = []string{"node-a:7402"}
	}
	net := w.net.Join(p.id, p2p.Addrs{HTTP: p.server.Listener.Addr().String()})
	var engine store.Engine = memdb.New()
	if ill.free > 0 {
		engine = smallDisk{memdb.New(), ill.free}
	}
	var err error
	p.Node, err = node.Assemble(cfg, node.Deps{
		Engine: engine, Transport: net.Transport(), Broadcaster: net.Broadcaster(), Members: net.Members(),
		Secret: config.Secret{1}, HashCost: users.Cost{Memory: 8, Time: 1, Threads: 1},
		Now: func() time.Time { return time.Now().Add(ill.ahead) },
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		w.t.Fatal(err)
	}
	p.server.Config.Handler = p.Handler()
	p.server.Start()
	w.nodes = append(w.nodes, p)
}

// crash ends a node at once.
func (w *ward) crash(i int) {
	w.net.Crash(w.nodes[i].id)
	w.nodes[i].server.Close()
	_ = w.nodes[i].Close() // its network is gone already
}

func (w *ward) close() {
	for _, p := range w.nodes {
		p.server.CloseClientConnections()
		p.server.Close()
		_ = p.Close() // one that crashed has lost its network
	}
	w.net.Close()
}

func (w *ward) eventually(what string, holds func() bool) {
	w.t.Helper()
	for begun := time.Now(); !holds(); time.Sleep(20 * time.Millisecond) { // between two looks
		if time.Since(begun) > patience {
			w.t.Fatalf("never came about: %s", what)
		}
	}
}

// run has the command ask the first node as its operator.
func (w *ward) run(args ...string) string {
	var out bytes.Buffer
	run(append(args, "--node", w.nodes[0].server.URL, "--token", config.Secret{1}.OperatorToken()), &out, &out)
	return out.String()
}

// doctor gives what the doctor finds, as CHECK: WHAT.
func (w *ward) doctor() (found []string) {
	w.t.Helper()
	var d diagnosis
	if out := w.run("doctor", "-o", "json"); json.Unmarshal([]byte(out), &d) != nil {
		w.t.Fatalf("doctor said %s", out)
	}
	for _, f := range d.Findings {
		if f.Do == "" || f.Severity == "" {
			w.t.Errorf("what to do, or how bad it is, is not said: %+v", f)
		}
		found = append(found, f.Check+": "+f.What)
	}
	return found
}

func TestTheDoctorNamesWhatIsWrongWithARunningCluster(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		born [3]illness
		harm func(*ward)
		want []string // one finding each, in their order
	}{
		"nothing": {},
		"a node has stopped": {
			harm: func(w *ward) { w.crash(2) },
			want: []string{"status: node node-c is down or cut off"},
		},
		"a clock is ahead": {
			born: [3]illness{1: {ahead: 3 * time.Second}},
			want: []string{"clocks: the clock of node node-b is 3"},
		},
		"a clock is behind, beyond what nodes follow": {
			born: [3]illness{2: {ahead: -90 * time.Second}},
			want: []string{"clocks: the clock of node node-c is 1m"},
		},
		"a disk is nearly full": {
			born: [3]illness{1: {free: 1 << 30}},
			want: []string{"disks: space: node node-b has 1.0 GiB of disk left"},
		},
		"a link is cut": {
			harm: func(w *ward) { w.net.Cut("node-a", "node-b") },
			want: []string{"status: nodes node-a and node-b do not reach one another"},
		},
		"nothing comes through one way": {
			harm: func(w *ward) { w.net.CutOneWay("node-b", "node-c") },
			want: []string{"status: nodes node-b and node-c do not reach one another"}, // no answer comes back either
		},
		"a node is cut off from the others": {
			harm: func(w *ward) { w.net.Partition([]p2p.NodeID{"node-a", "node-b"}, []p2p.NodeID{"node-c"}) },
			want: []string{"status: the nodes fall apart into sides that do not reach one another: node-a node-b | node-c"},
		},
		"a zone is missing": {
			born: [3]illness{{zone: "r1"}, {zone: "r2"}, {}},
			want: []string{"configuration: node node-c has no zone"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t, c.born)
			w.eventually("it is well but for what it was born with", func() bool { return len(w.doctor()) <= len(c.want) })
			if c.harm != nil {
				c.harm(w)
			}
			var found []string
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("found %q", found)
				}
			})
			w.eventually(fmt.Sprintf("%q is found", c.want), func() bool {
				found = w.doctor()
				return slices.EqualFunc(found, c.want, strings.HasPrefix)
			})
		})
	}
}

func TestTheBundleHoldsNothingSecretAndNothingOfUsers(t *testing.T) {
	t.Parallel()
	w := newWard(t, [3]illness{})
	ada, err := client.New(w.nodes[0].server.URL).SignUp(t.Context(), client.SignUp{Username: "adalovelace", Password: "correct horse battery"})
	if err != nil {
		t.Fatal(err)
	}
	as := client.New(w.nodes[1].server.URL, client.WithToken(ada.Session.Token))
	if _, err := as.Post(t.Context(), client.NewPost{Text: "between us #engines"}); err != nil {
		t.Fatal(err)
	}
	w.eventually("she is among what is hot", func() bool { return strings.Contains(w.run("top", "--once", "--every", "200ms", "-o", "json"), ada.ID) })
	file := filepath.Join(t.TempDir(), "help.tar.gz")
	w.run("doctor", "--bundle", file)
	text := unpacked(t, file)
	for _, wanted := range []string{"findings.json", "rtt.json", "metrics.txt", "grapevine_replica_applied_writes_total"} {
		if !strings.Contains(text, wanted) {
			t.Errorf("the bundle lacks %s", wanted)
		}
	}
	secret := config.Secret{1}
	for what, hidden := range map[string]string{
		"the operator token": secret.OperatorToken(), "the cluster's secret": hex.EncodeToString(secret[:]),
		"a session's token": ada.Session.Token, "a password": "correct horse", "a text": "between us",
		"a tag": "engines", "a username": "adalovelace", "a user's id": ada.ID,
	} {
		if strings.Contains(text, hidden) {
			t.Errorf("the bundle holds %s", what)
		}
	}
}

// unpacked gives the names and the contents of all files of a bundle.
func unpacked(t *testing.T, file string) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	packed, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(packed)
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}
