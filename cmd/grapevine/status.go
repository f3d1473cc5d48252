package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"grapevine/node/client"
	"grapevine/node/verdict"
)

type statusVerb struct {
	watching `embed:""`
	Timeout  time.Duration `default:"5s" help:"How long to wait for each node. (${default})"`
}

// Help implements kong.HelpProvider.
func (statusVerb) Help() string {
	return `Exit code 0 means that all is well. TAKING counts partitions that a node is to own and still copies;
LOG and MARKS count the writes and the delete markers that it keeps until all owners have them. REQ/S,
MS (the mean time of a request), QUEUE MS (what a write waits for its turn) and HEAD-ROOM are of the
last five seconds: head-room is the share of what the node can do that is left, and of what there is
least: its processors, the requests that it admits at once, or the space for data.

  grapevine status --node http://10.0.0.7:7400
  grapevine status --watch
  grapevine status -o json | jq .safe_to_restart_next`
}

// Run asks every node that the asked node knows of, since no single one can see
// all that is amiss, and fails when something is.
func (v *statusVerb) Run(c *console) error { return v.run(c, v.once) }

func (v *statusVerb) once(c *console) error {
	s, err := look(c.ctx, c.client, v.Timeout)
	if err != nil {
		return c.asked(err)
	}
	r := s.status()
	if c.json {
		err = c.encode(r)
	} else {
		r.print(c)
	}
	if err == nil && !r.Well {
		return errQuiet
	}
	return err
}

// statusReport is what status answers.
type statusReport struct {
	client.Verdict
	Cluster    string       `json:"cluster"`
	Partitions int          `json:"partitions"`
	Copies     int          `json:"copies"`
	Nodes      []nodeStatus `json:"nodes"`
}

// status sums up what the nodes said, and judges it. It is pure.
func (s sight) status() statusReport {
	judged := s.judged()
	r := statusReport{
		Verdict: verdict.Of(judged), Cluster: s.ring.Cluster, Partitions: s.ring.Partitions, Copies: s.ring.Copies,
		Nodes: []nodeStatus{},
	}
	for _, v := range s.nodes {
		r.Nodes = append(r.Nodes, statusOf(v, judged.Alive(v.member.ID)))
	}
	if mix := s.mixed(); len(mix) > 0 {
		r.Notes = append(r.Notes, "version mix: "+strings.Join(mix, "; ")+
			". What only the later build knows may be refused until all nodes run it: go on with the upgrade, a node at a time.")
	}
	return r
}

func statusOf(v view, alive bool) nodeStatus {
	n := nodeStatus{
		ID: v.member.ID, HTTP: v.member.HTTP, Answers: v.err == nil, Alive: alive,
		State: v.member.RingState, Zone: v.member.Zone,
		Health: v.health.Status, Uptime: v.health.UptimeSeconds, Version: v.health.Version, Formats: v.health.Formats,
		Owned: v.health.Partitions.Owned, CaughtUp: v.health.Partitions.CaughtUp,
		Taking: v.health.Partitions.Coming - v.health.Partitions.ComingCaughtUp, Moved: v.health.Kept.Moved, Hints: v.health.Kept.Hints,
		Log: v.health.Stability.LogEntries, Marks: v.health.Stability.Marks,
		Load: v.health.Load,
	}
	for _, p := range v.partitions {
		if p.Local {
			n.Rows += p.Rows
		}
	}
	return n
}

// nodeStatus is one line of the table.
type nodeStatus struct {
	ID       string  `json:"id"`
	HTTP     string  `json:"http"`
	Answers  bool    `json:"answers"` // its API answers here
	Alive    bool    `json:"alive"`   // at least one node has it for alive
	State    string  `json:"ring_state"`
	Zone     string  `json:"zone,omitempty"`
	Health   string  `json:"health,omitempty"`
	Owned    int     `json:"owned"`
	CaughtUp int     `json:"caught_up"`
	Rows     int     `json:"rows"`
	Taking   int     `json:"taking"` // partitions that it is to own and still copies
	Moved    int     `json:"moved"`  // partitions kept until their new owners have proved theirs
	Hints    int     `json:"hints"`  // partitions with writes kept for owners out of reach
	Log      int64   `json:"log_entries"`
	Marks    int64   `json:"marks"`
	Uptime   float64 `json:"uptime_s"`
	Version  string  `json:"version,omitempty"`

	Formats client.Formats `json:"formats"` // all 0 of a build that numbered none

	Load *client.LoadEstimate `json:"load,omitempty"` // absent in its first seconds
}

// load words what a node does, and the share of what it can do that is left.
func (n nodeStatus) load() (requests, response, queue, headRoom string) {
	l := n.Load
	if l == nil {
		return "-", "-", "-", "-"
	}
	return rounded(l.Requests), rounded(l.ResponseMillis), rounded(l.QueueMillis), fmt.Sprintf("%.0f%% %s", 100*l.HeadRoom.Least, l.HeadRoom.Limit)
}

// condition words the health of a node. One that has left the ring, or was
// forgotten, is not expected to answer.
func (n nodeStatus) condition() string {
	if n.State == verdict.Gone {
		return orDash(n.Health)
	}
	return cmp.Or(n.Health, "no answer")
}

// present counts the nodes but for those that are gone from the ring.
func (r statusReport) present() (n int) {
	for _, node := range r.Nodes {
		if node.State != verdict.Gone {
			n++
		}
	}
	return n
}

func (r statusReport) print(c *console) {
	fmt.Fprintf(c.out, "cluster %s: %s, %s, %s of each row\n", orDash(r.Cluster),
		count(r.present(), "node"), count(r.Partitions, "partition"), count(r.Copies, "copy"))
	verdict := c.paint(green, "All is well.")
	if !r.Well {
		verdict = c.paint(red, "Not well: "+count(len(r.Problems), "problem")+".")
	}
	fmt.Fprintf(c.out, "%s\n\n", verdict)
	t := head("node", "health", "alive", "ring", "zone", "owned", "caught up", "taking", "rows", "log", "marks", "req/s", "ms", "queue ms", "head-room", "up", "http")
	for _, n := range r.Nodes {
		requests, response, queue, headRoom := n.load()
		t.add(short(n.ID), n.condition(), yes(n.Alive), orDash(n.State), orDash(n.Zone),
			n.Owned, n.CaughtUp, n.Taking, n.Rows, n.Log, n.Marks, requests, response, queue, headRoom, uptime(n.Uptime), orDash(n.HTTP))
	}
	c.table(t)
	for _, p := range r.Problems {
		fmt.Fprintf(c.out, "\n- %s\n", p.What)
		for _, text := range p.Follows {
			fmt.Fprintf(c.out, "    so that %s\n", text)
		}
		fmt.Fprintf(c.out, "  To do: %s\n", p.Do)
	}
	if len(r.UnderWay) > 0 {
		fmt.Fprintf(c.out, "\nUnder way:\n")
	}
	for _, text := range r.UnderWay {
		fmt.Fprintf(c.out, "- %s\n", text)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(c.out, "\nNote: %s\n", n)
	}
	if r.SafeToRestartNext {
		fmt.Fprintf(c.out, "\nSafe to restart the next node: yes\n")
	} else {
		fmt.Fprintf(c.out, "\nSafe to restart the next node: no, because %s\n", strings.Join(r.WhyNot, "; "))
	}
}

func uptime(seconds float64) string {
	if seconds == 0 {
		return "-"
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

func count(n int, noun string) string { return verdict.Count(n, noun) }
