package node

import (
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"

	"grapevine/node/client"
	"grapevine/node/verdict"
	"grapevine/p2p"
	"grapevine/services/fanout"
	"grapevine/store/replica"
	"grapevine/store/ring"
)

// Health implements httpapi.Cluster.
func (c *cluster) Health(ctx context.Context) client.Health {
	h := client.Health{
		Status: client.HealthOK, Node: string(c.deps.Transport.Self()), Version: version(), Formats: Formats(),
		StartedAt: c.started.UTC(), UptimeSeconds: c.deps.Now().Sub(c.started).Seconds(),
		RingState: c.ringState(), Readiness: c.Readiness(ctx), Problems: []client.HealthProblem{},
		Transfers: []client.Transfer{}, Engine: c.deps.Engine.Stats(), Load: c.load.Load(),
	}
	status := c.store.Status()
	waits := map[p2p.NodeID]int{}
	unserved := 0
	for _, p := range status {
		c.count(&h, p)
		for _, id := range p.HeldBack {
			waits[id]++
		}
		if p.Hint && p.Leader == "" {
			unserved++
		}
	}
	totals := c.store.Totals()
	h.Kept.HintBytes, h.Kept.MovedBytes = totals.HintBytes, totals.MovedBytes
	h.Stability = client.Stability{LogEntries: totals.LogEntries, Marks: totals.Marks, WaitsFor: c.waitsFor(waits)}
	c.judge(&h, c.down(status, waits), unserved)
	return h
}

// ringState is this node's own state in the ring.
func (c *cluster) ringState() string {
	if view := c.store.View(); view != nil {
		if m, ok := view.Member(c.deps.Transport.Self()); ok {
			return m.State.String()
		}
	}
	return ""
}

// count adds what the node has of one partition.
func (c *cluster) count(h *client.Health, p replica.PartitionStatus) {
	if p.Hint {
		h.Kept.Hints++
	}
	if p.Moved {
		h.Kept.Moved++
	}
	if p.Transfer != nil {
		h.Transfers = append(h.Transfers, transfer(p))
	}
	self := c.deps.Transport.Self()
	if slices.Contains(p.Coming, self) {
		h.Partitions.Coming++
		if p.CaughtUp {
			h.Partitions.ComingCaughtUp++
		}
	}
	if !slices.Contains(p.Owners, self) {
		return
	}
	h.Partitions.Owned++
	if p.CaughtUp {
		h.Partitions.CaughtUp++
	}
	if slices.ContainsFunc(p.Owners, c.isDown) {
		h.Partitions.UnderReplicated++
	}
}

func (c *cluster) isDown(id p2p.NodeID) bool { return !c.deps.Members.Alive(id) }

func (c *cluster) waitsFor(waits map[p2p.NodeID]int) []client.WaitsFor {
	out := make([]client.WaitsFor, 0, len(waits))
	for _, id := range slices.Sorted(maps.Keys(waits)) {
		out = append(out, client.WaitsFor{Node: string(id), Alive: !c.isDown(id), Partitions: waits[id]})
	}
	return out
}

// absence is what is missed of a node that is down.
type absence struct {
	node    p2p.NodeID
	owner   bool // of partitions of this node
	awaited bool // its confirmation is
}

// down gives the nodes that are down and missed here.
func (c *cluster) down(status []replica.PartitionStatus, waits map[p2p.NodeID]int) []absence {
	missed := map[p2p.NodeID]*absence{}
	note := func(id p2p.NodeID) *absence {
		if missed[id] == nil {
			missed[id] = &absence{node: id}
		}
		return missed[id]
	}
	for _, p := range status {
		if !slices.Contains(p.Owners, c.deps.Transport.Self()) {
			continue
		}
		for _, o := range p.Owners {
			if c.isDown(o) {
				note(o).owner = true
			}
		}
	}
	for id := range waits {
		if c.isDown(id) {
			note(id).awaited = true
		}
	}
	out := make([]absence, 0, len(missed))
	for _, id := range slices.Sorted(maps.Keys(missed)) {
		out = append(out, *missed[id])
	}
	return out
}

// problem words an absence without numbers, so that all nodes that feel it say the
// same.
func (a absence) problem() client.HealthProblem {
	var why []string
	if a.owner {
		why = append(why, "its copies are missing")
	}
	if a.awaited {
		why = append(why, "the log of writes and the delete markers wait for it")
	}
	short := a.node.Short()
	return client.HealthProblem{
		What: verdict.Down(short, why...),
		Do:   fmt.Sprintf("start it or mend the links to it; if it will never return, `grapevine forget %s` has the others take over its share", short),
	}
}

// judge says what is not well, and how badly.
func (c *cluster) judge(h *client.Health, down []absence, unserved int) {
	worse := func(status string, p client.HealthProblem) {
		p.Severity = status
		h.Problems = append(h.Problems, p)
		if h.Status != client.HealthFailing {
			h.Status = status
		}
	}
	if r := h.Readiness; !r.Ready && r.Reason != leaving && r.Reason != left && r.Reason != draining {
		worse(client.HealthDegraded, client.HealthProblem{What: h.Readiness.Reason, Do: "wait; if it lasts, see that the nodes of --join run and can be reached"})
	}
	if behind := h.Partitions.Owned - h.Partitions.CaughtUp; behind > 0 {
		worse(client.HealthDegraded, client.HealthProblem{
			What: fmt.Sprintf("%d of %d partitions are catching up", behind, h.Partitions.Owned),
			Do:   "wait until they are equal",
		})
	}
	for _, a := range down {
		worse(client.HealthDegraded, a.problem())
	}
	if unserved > 0 {
		worse(client.HealthDegraded, client.HealthProblem{
			What: fmt.Sprintf("no owner of %d partitions can be reached: this node keeps new writes for them", unserved),
			Do:   "start the owners or mend the links to them; the writes are then handed over by themselves",
		})
	}
	if c.unjoined() {
		worse(client.HealthDegraded, client.HealthProblem{
			What: "this node is alone in its cluster, though it was to join others",
			Do:   "see that a node of --join runs and has the same secret; a node that has begun a cluster of its own joins another only with an empty --data directory; one that is to be alone is started without --join",
		})
	}
	if h.Engine.ReadOnly {
		worse(client.HealthFailing, client.HealthProblem{What: "the disk is nearly full: this node takes no writes", Do: "free space in the file system of --data"})
	}
}

// unjoined says whether the node was told to join others and is the only member of
// its ring: it has begun a cluster of its own before, or all others have left.
func (c *cluster) unjoined() bool {
	view := c.store.View()
	if len(c.cfg.Join) == 0 || view == nil {
		return false
	}
	return !slices.ContainsFunc(view.Members(), func(m ring.Member) bool {
		return m.Node != c.deps.Transport.Self() && m.State != ring.Gone
	})
}

// Formats are the numbers of what this build stores, speaks and derives.
func Formats() client.Formats {
	return client.Formats{Data: DataFormat, Wire: replica.Wire, Rules: fanout.Rules}
}

// Version names this build, as nodes do in their health.
func Version() string { return version() }

// version names the build: the module's version, and the commit it was made of
// where that is known.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			v += " " + s.Value[:12]
		}
	}
	return v
}
