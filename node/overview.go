package node

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"grapevine/node/client"
	"grapevine/p2p"
	"grapevine/store/ring"
)

const (
	// protoReport asks a node what it says of itself: a byte of wishes -> a
	// client.NodeReport in JSON.
	protoReport = "node/report"
	// reportTimeout bounds the wait for a node's report, and digestTimeout that for one
	// with sums of all rows.
	reportTimeout = 2 * time.Second
	digestTimeout = 8 * time.Second
	// reportsAtOnce bounds the nodes that are asked at once.
	reportsAtOnce = 16
)

// The wishes of a report, as bits.
const (
	wantPartitions byte = 1 << iota
	wantDigests
)

// Overview implements httpapi.Inspector.
func (i *inspector) Overview(ctx context.Context, partitions, digest bool) (client.Overview, error) {
	c := (*cluster)(i.Node)
	out := client.Overview{Node: string(i.ID()), At: i.deps.Now().UTC(), Ring: c.Ring(ctx), Nodes: []client.NodeReport{}}
	for _, m := range c.Members(ctx) {
		if m.RingState != ring.Gone.String() {
			out.Nodes = append(out.Nodes, client.NodeReport{Member: m})
		}
	}
	var wish byte
	wait := reportTimeout
	if partitions {
		wish |= wantPartitions
	}
	if digest {
		wish, wait = wish|wantPartitions|wantDigests, digestTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var all errgroup.Group
	all.SetLimit(reportsAtOnce)
	for n := range out.Nodes {
		all.Go(func() error {
			out.Nodes[n] = i.reportOf(ctx, out.Nodes[n].Member, wish)
			return nil
		})
	}
	_ = all.Wait() // what did not answer says so in its report
	out.Owners = i.places(out.Nodes)
	out.Problems = problems(out.Nodes)
	return out, nil
}

// reportOf asks a member for its report.
func (i *inspector) reportOf(ctx context.Context, m client.Member, wish byte) client.NodeReport {
	var r client.NodeReport
	var err error
	if m.Self {
		r, err = i.report(ctx, wish)
	} else if !m.Alive {
		err = fmt.Errorf("it does not answer the failure detector")
	} else {
		var reply []byte
		if reply, err = i.deps.Transport.Call(ctx, p2p.NodeID(m.ID), protoReport, []byte{wish}); err == nil {
			err = json.Unmarshal(reply, &r)
		}
	}
	if err != nil {
		return client.NodeReport{Member: m, Error: err.Error()}
	}
	r.Member = m
	return r
}

// answerReport is the handler of protoReport.
func (i *inspector) answerReport(ctx context.Context, _ p2p.NodeID, request []byte) ([]byte, error) {
	if len(request) != 1 {
		return nil, &p2p.RemoteError{Code: "malformed", Message: "the question cannot be read: it is of another version"}
	}
	r, err := i.report(ctx, request[0])
	if err != nil {
		return nil, &p2p.RemoteError{Code: "unavailable", Message: err.Error()}
	}
	return json.Marshal(r)
}

func (i *inspector) report(ctx context.Context, wish byte) (client.NodeReport, error) {
	c := (*cluster)(i.Node)
	load, err := i.Load(ctx)
	if err != nil {
		return client.NodeReport{}, err
	}
	health, links := c.Health(ctx), i.Links(ctx)
	r := client.NodeReport{Health: &health, Load: &load, Links: &links}
	if wish&wantPartitions == 0 {
		return r, nil
	}
	all, err := c.Partitions(ctx, wish&wantDigests != 0)
	if err != nil {
		return r, err
	}
	for _, p := range all {
		if p.Local {
			r.Held = append(r.Held, client.HeldPartition{
				ID: p.ID, CaughtUp: p.CaughtUp, Rows: p.Rows, Bytes: p.Bytes, Log: p.Log, Vector: p.Vector, Digest: p.Digest,
			})
		}
	}
	return r, nil
}

// places gives the owners of each partition as places in nodes.
func (i *inspector) places(nodes []client.NodeReport) [][]int {
	at := map[string]int{}
	for n, r := range nodes {
		at[r.Member.ID] = n
	}
	out := [][]int{}
	for _, p := range i.store.Status() {
		owners := make([]int, 0, len(p.Owners))
		for _, o := range p.Owners {
			if n, ok := at[string(o)]; ok {
				owners = append(owners, n)
			}
		}
		out = append(out, owners)
	}
	return out
}

// problems gathers what the nodes find, each once. What they say of a node that is
// down is one problem, whatever comes of it.
func problems(nodes []client.NodeReport) []client.Problems {
	out := []client.Problems{}
	note := func(what, follows, do, by string) {
		n := slices.IndexFunc(out, func(p client.Problems) bool { return p.What == what && p.Do == do })
		if n < 0 {
			out, n = append(out, client.Problems{What: what, Follows: []string{}, Do: do, SeenBy: []string{}}), len(out)
		}
		p := &out[n]
		if follows != "" && !slices.Contains(p.Follows, follows) {
			p.Follows = append(p.Follows, follows)
		}
		if !slices.Contains(p.SeenBy, by) {
			p.SeenBy = append(p.SeenBy, by)
		}
	}
	for _, r := range nodes {
		if r.Health == nil {
			continue
		}
		for _, p := range r.Health.Problems {
			what, follows, isDown := strings.Cut(p.What, " is down: ")
			if !isDown {
				note(p.What, "", p.Do, r.Member.ID)
				continue
			}
			note(what+" is down", follows, p.Do, r.Member.ID)
		}
	}
	return append(out, unanswered(nodes, out)...)
}

// unanswered finds the nodes that do not answer and that no node has for down.
func unanswered(nodes []client.NodeReport, found []client.Problems) (out []client.Problems) {
	for _, r := range nodes {
		what := "node " + r.Member.Short + " is down"
		if r.Error == "" || slices.ContainsFunc(found, func(p client.Problems) bool { return p.What == what }) {
			continue
		}
		out = append(out, client.Problems{
			What: "node " + r.Member.Short + " does not answer: " + r.Error, Follows: []string{}, SeenBy: []string{},
			Do: "look at its log, and at the network between this node and it",
		})
	}
	return out
}
