package main

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"grapevine/node/client"
)

func TestAQuantileLiesWithinItsBucket(t *testing.T) {
	t.Parallel()
	buckets := []client.Bucket{{Seconds: 1, Count: 50}, {Seconds: 2, Count: 90}, {Seconds: 4, Count: 100}}
	for q, want := range map[float64]float64{0.25: 0.5, 0.5: 1, 0.7: 1.5, 0.95: 3, 1: 4} {
		if got := quantile(q, buckets, 100); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v: %v, want %v", q, got, want)
		}
	}
	if got := quantile(0.99, buckets, 200); got != 4 {
		t.Errorf("beyond the last bucket: %v", got)
	}
	if quantile(0.5, nil, 0) != 0 || quantile(0.5, buckets, 0) != 0 {
		t.Error("of nothing the quantile is not 0")
	}
}

// loadAt is what a node says of itself after so many seconds, requests and writes.
func loadAt(id string, uptime, requests, writes float64) answer[client.Load] {
	l := client.Load{Node: id, UptimeSeconds: uptime, Writes: writes}
	l.Requests = client.Requests{Served: requests, Buckets: []client.Bucket{{Seconds: 0.01, Count: requests}}}
	l.Hot = client.Hot{Partitions: []client.HotPartition{{Partition: 7, Writes: 3}}, Keys: []client.HotKey{{Kind: "post", Owner: "x", Partition: 7, Writes: 2, Over: 1}}}
	return answer[client.Load]{member: client.Member{ID: id}, said: l}
}

func TestTopMakesRatesOfTwoLooksAndSumsWhatIsHot(t *testing.T) {
	t.Parallel()
	before := []answer[client.Load]{loadAt("node-a", 10, 100, 50), loadAt("node-b", 10, 0, 0), loadAt("node-c", 900, 5000, 0)}
	now := []answer[client.Load]{loadAt("node-a", 12, 120, 56), loadAt("node-b", 12, 40, 0), loadAt("node-c", 1, 3, 0), {member: client.Member{ID: "node-d"}, err: errors.New("refused")}}
	r := compare(before, now)
	if len(r.Nodes) != 4 || r.Requests != 30 || r.Seconds != 2 {
		t.Fatalf("%+v", r)
	}
	if n := r.Nodes[0]; n.Requests != 10 || n.Writes != 3 || n.P99 <= 0 || n.P99 > 10 {
		t.Errorf("%+v", n)
	}
	if r.Nodes[2].Error != "it has just started" || r.Nodes[3].Error != "refused" {
		t.Errorf("%+v", r.Nodes)
	}
	if len(r.Partitions) != 1 || r.Partitions[0].Writes != 6 || len(r.Keys) != 1 || r.Keys[0].Writes != 4 || r.Keys[0].Over != 2 {
		t.Errorf("%+v %+v", r.Partitions, r.Keys)
	}
}

func TestTopKeepsItsColumnsNarrowWhenANodeDoesNotAnswer(t *testing.T) {
	t.Parallel()
	why := "dial tcp 127.0.0.1:7400: connect: connection refused"
	var out bytes.Buffer
	topReport{Nodes: []topNode{{ID: "node-a"}, {ID: "node-d", Error: why}}}.print(&console{out: &out}, 10)
	if header, _, _ := strings.Cut(out.String(), "MEMORY"); strings.Contains(header, strings.Repeat(" ", len(why)/2)) {
		t.Errorf("the header is as wide as the error:\n%s", out.String())
	}
	if !strings.Contains(out.String(), "\n- node node-d: "+why+"\n") {
		t.Errorf("it does not say why:\n%s", out.String())
	}
}

// meshed is what three nodes measure whose links and clocks are in order.
func meshed() []answer[client.Links] {
	ids := []string{"node-a", "node-b", "node-c"}
	var out []answer[client.Links]
	for _, from := range ids {
		l := client.Links{Node: from}
		for _, to := range ids {
			if to != from {
				l.Links = append(l.Links, client.Link{To: to, Alive: true, Answers: true, RTTMillis: 1})
			}
		}
		out = append(out, answer[client.Links]{member: client.Member{ID: from}, said: l})
	}
	return out
}

func TestALinkThatWorksOneWayIsTold(t *testing.T) {
	t.Parallel()
	all := meshed()
	if r := matrix(all); len(r.Links) != 6 || len(r.Missing)+len(r.OneWay)+len(r.Silent) != 0 {
		t.Fatalf("%+v", r)
	}
	all[0].said.Links[0] = client.Link{To: "node-b", Error: "timed out"}
	r := matrix(all)
	if len(r.OneWay) != 1 || r.OneWay[0].From != "node-a" || r.OneWay[0].To != "node-b" {
		t.Errorf("%+v", r)
	}
	var out bytes.Buffer
	r.print(&console{out: &out})
	if !strings.Contains(out.String(), "NO") || !strings.Contains(out.String(), "the other way works") {
		t.Errorf("%s", out.String())
	}
	all[1].said.Links[0] = client.Link{To: "node-a", Error: "timed out"}
	if r := matrix(all); len(r.Missing) != 2 || len(r.OneWay) != 0 {
		t.Errorf("cut both ways: %+v", r)
	}
}

// skew sets the clock of node-c ahead.
func skew(all []answer[client.Links], millis float64) {
	all[0].said.Links[1].OffsetMillis, all[1].said.Links[1].OffsetMillis = millis, millis
	all[2].said.Links[0].OffsetMillis, all[2].said.Links[1].OffsetMillis = -millis, -millis
}

func TestOneOddClockIsToldFromTheOthers(t *testing.T) {
	t.Parallel()
	all := meshed()
	skew(all, 3000)
	if got := clocks(all); got["node-a"] != 0 || got["node-b"] != 0 || got["node-c"] != 3000 {
		t.Errorf("%v", got)
	}
}

// cluster makes the sight of a cluster of n nodes in which all is well: n
// partitions that everybody owns.
func cluster(n int) sight {
	ids := []string{"node-a", "node-b", "node-c"}[:n]
	s := sight{ring: client.Ring{Cluster: "c", Partitions: n, Copies: 3, Digest: "d"}}
	for _, id := range ids {
		s.ring.Members = append(s.ring.Members, client.RingMember{ID: id, State: "active", Weight: 100})
	}
	for _, id := range ids {
		v := view{member: client.Member{ID: id, RingState: "active", Alive: true, Reachable: true}, ring: s.ring}
		v.health = client.Health{Status: client.HealthOK, Readiness: client.Readiness{Ready: true, SafeToRestartNext: true}}
		v.health.Partitions = client.PartitionCounts{Owned: n, CaughtUp: n}
		for p, other := range ids {
			v.members = append(v.members, client.Member{ID: other, RingState: "active", Alive: true, Reachable: true, Self: other == id})
			v.partitions = append(v.partitions, client.Partition{ID: p, Owners: ids, Local: true, CaughtUp: true, Rows: 2})
		}
		s.nodes = append(s.nodes, v)
	}
	return s
}

func TestStatusShowsEveryNodeWithItsShareAndWhetherItIsPresent(t *testing.T) {
	t.Parallel()
	s := cluster(3)
	s.nodes = append(s.nodes, view{member: client.Member{ID: "node-d", RingState: "gone"}, err: errors.New("refused")})
	r := s.status()
	if !r.Well || r.present() != 3 || r.Nodes[3].condition() != "-" {
		t.Errorf("%d nodes are counted, and one that is gone is said to be %q: %+v", r.present(), r.Nodes[3].condition(), r.Problems)
	}
	if n := r.Nodes[0]; !n.Alive || !n.Answers || n.Owned != 3 || n.CaughtUp != 3 || n.Rows != 6 {
		t.Errorf("node %+v", n)
	}
}

func TestDoctorFindsWhatWearsOnACluster(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		harm        func(*examination)
		check, want string
	}{
		"a disk is nearly full": {func(x *examination) { x.loads[0].said.Disk.FreeBytes = 1 << 30 },
			"disks: space", "node node-a has 1.0 GiB of disk left"},
		"a disk is slow": {func(x *examination) {
			x.loads[1].said.Disk = client.Disk{Syncs: 100, FreeBytes: 1 << 40, Buckets: []client.Bucket{{Seconds: 0.1, Count: 50}, {Seconds: 0.4, Count: 100}}}
		}, "disks: speed", "node node-b syncs its disk slowly"},
		"a clock is ahead": {func(x *examination) { skew(x.links, 3000) },
			"clocks", "the clock of node node-c is 3s ahead of the others"},
		"a clock is far behind": {func(x *examination) { skew(x.links, -90_000) },
			"clocks", "1m30s behind the others, beyond the 60 s"},
		"a link works one way": {func(x *examination) { x.links[0].said.Links[0] = client.Link{To: "node-b", Error: "timed out"} },
			"links", "the link between node-a and node-b works one way only"},
		"a link is slow": {func(x *examination) { x.links[0].said.Links[0].RTTMillis = 400 },
			"links", "a round trip between nodes node-a and node-b takes 400 ms"},
		"builds differ": {func(x *examination) { x.sight.nodes[2].health.Version = "v2" },
			"versions", "v2 (formats: none numbered) on node-c"},
		"formats differ": {func(x *examination) { x.sight.nodes[2].health.Formats = client.Formats{Data: 1, Wire: 2, Rules: 1} },
			"versions", "(formats: data 1, wire 2, rules 1) on node-c"},
		"a zone is missing": {func(x *examination) {
			x.sight.nodes[0].member.Zone, x.sight.nodes[1].member.Zone = "r1", "r2"
		}, "configuration", "node node-c has no zone"},
		"a node tells others the loopback": {func(x *examination) {
			x.sight.nodes[0].member.P2P, x.sight.nodes[1].member.P2P = "127.0.0.1:7401", "10.0.0.2:7401"
		}, "configuration", "node node-a tells the others to reach it at 127.0.0.1:7401"},
		"consequences are late": {func(x *examination) {
			x.loads[0].said.UptimeSeconds, x.loads[0].said.Waiting.Fanout = 9999, 20_000
		}, "backlogs", "node node-a: 20000 changes wait"},
		"confirmations do not come": {func(x *examination) {
			x.sight.nodes[0].health.Stability = client.Stability{LogEntries: 2_000_000, WaitsFor: []client.WaitsFor{{Node: "node-b", Alive: true}}}
		}, "stability", "node node-a keeps 2000000 log entries"},
		"a node is down": {func(x *examination) {
			x.sight.nodes[2] = view{member: x.sight.nodes[2].member, err: errors.New("refused")}
			x.sight.nodes[0].health.Stability = client.Stability{LogEntries: 5, WaitsFor: []client.WaitsFor{{Node: "node-c"}}}
		}, "status", "node node-c"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := examination{sight: cluster(3), links: meshed(), loads: []answer[client.Load]{loadAt("node-a", 1, 0, 0), loadAt("node-b", 1, 0, 0), loadAt("node-c", 1, 0, 0)}}
			if d := x.diagnose(); !d.Well || len(d.Checks) != len(checks()) {
				t.Fatalf("a healthy cluster: %+v", d)
			}
			c.harm(&x)
			d := x.diagnose()
			if d.Well || len(d.Findings) != 1 || d.Findings[0].Check != c.check || !strings.Contains(d.Findings[0].What, c.want) || d.Findings[0].Do == "" {
				t.Errorf("%+v", d.Findings)
			}
		})
	}
}

func TestTheBundleDoesNotTellWhoseTheHotKeysAre(t *testing.T) {
	t.Parallel()
	l := loadAt("node-a", 1, 0, 0).said
	if got := redacted(l); got.Hot.Keys[0].Owner != "" || got.Hot.Keys[0].Writes != 2 || l.Hot.Keys[0].Owner != "x" {
		t.Errorf("%+v", got.Hot)
	}
}

func TestEveryVerbShowsAnExampleOfItself(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{
		"node", "status", "top", "doctor", "peers", "rtt", "ring show", "ring plan", "partitions", "locate", "explain",
		"leave", "forget", "repair", "token", "bench", "backup make", "backup verify", "restore", "context list",
		"context add", "context use", "context remove", "config print", "config example", "completion",
	} {
		var out bytes.Buffer
		code := run(append(strings.Fields(verb), "--help"), &out, &out)
		_, example, _ := strings.Cut(out.String(), "\n\n")
		if name, _, _ := strings.Cut(verb, " "); code != exitFine || !strings.Contains(example, "grapevine "+name) {
			t.Errorf("%s: %d\n%s", verb, code, out.String())
		}
	}
}
