package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"grapevine/node/client"
	"grapevine/node/verdict"
	"grapevine/p2p"
	"grapevine/store"
)

const (
	// protoReport asks a node what it says of itself: a byte of wishes ->
	// a report in JSON.
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
	members := slices.DeleteFunc(c.Members(ctx), func(m client.Member) bool { return m.RingState == verdict.Gone })
	var wish byte
	wait := reportTimeout
	if partitions {
		wish |= wantPartitions
	}
	if digest {
		wish, wait = wish|wantPartitions|wantDigests, digestTimeout
	}
	reports := i.reports(ctx, members, wish, wait)
	out := client.Overview{
		Node: string(i.ID()), At: i.deps.Now().UTC(), Ring: c.Ring(ctx), Owners: i.places(members),
		Nodes: make([]client.NodeReport, 0, len(reports)),
	}
	sight := verdict.Sight{Ring: out.Ring, Owners: i.owners()}
	for _, r := range reports {
		out.Nodes = append(out.Nodes, r.NodeReport)
		sight.Nodes = append(sight.Nodes, r.view())
	}
	out.Verdict = verdict.Of(sight)
	return out, nil
}

// reports asks members for their reports, in their order.
func (i *inspector) reports(ctx context.Context, members []client.Member, wish byte, wait time.Duration) []report {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	out := make([]report, len(members))
	var all errgroup.Group
	all.SetLimit(reportsAtOnce)
	for n, m := range members {
		all.Go(func() error {
			out[n] = i.reportOf(ctx, m, wish)
			return nil
		})
	}
	_ = all.Wait() // what did not answer says so in its report
	return out
}

// report is what a node tells of itself to one that gathers an overview: what the
// console shows, and what only the verdict is made of.
type report struct {
	client.NodeReport
	Cluster string            `json:"cluster,omitempty"`
	Digest  string            `json:"ring_digest,omitempty"`
	Sees    []verdict.Contact `json:"sees,omitempty"`
	Whole   []byte            `json:"whole,omitempty"` // a standing; nil from nodes of earlier versions
}

// view is what the verdict is made of.
func (r report) view() verdict.View {
	v := verdict.View{Member: r.Member, Cluster: r.Cluster, Digest: r.Digest, Sees: r.Sees}
	if r.Health == nil {
		v.Err = errors.New(r.Error)
		return v
	}
	v.Health = *r.Health
	for p := range store.Partition(8 * len(r.Whole)) {
		v.Whole = append(v.Whole, standing(r.Whole).has(p))
	}
	return v
}

// reportOf asks a member for its report.
func (i *inspector) reportOf(ctx context.Context, m client.Member, wish byte) report {
	var r report
	var err error
	if m.Self {
		r, err = i.report(ctx, wish)
	} else if !m.Alive {
		err = errors.New("it does not answer the failure detector")
	} else {
		var reply []byte
		if reply, err = i.deps.Transport.Call(ctx, p2p.NodeID(m.ID), protoReport, []byte{wish}); err == nil {
			err = json.Unmarshal(reply, &r)
		}
		if err != nil {
			err = fmt.Errorf("it does not answer over the streams that data goes over: %w", err)
		}
	}
	if err != nil {
		return report{NodeReport: client.NodeReport{Member: m, Error: err.Error()}}
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

func (i *inspector) report(ctx context.Context, wish byte) (report, error) {
	c := (*cluster)(i.Node)
	load, err := i.Load(ctx)
	if err != nil {
		return report{}, err
	}
	health, links, ring := c.Health(ctx), i.Links(ctx), c.Ring(ctx)
	r := report{
		NodeReport: client.NodeReport{Health: &health, Load: &load, Links: &links},
		Cluster:    ring.Cluster, Digest: ring.Digest, Sees: verdict.Contacts(c.Members(ctx)), Whole: i.whole(),
	}
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

// owners gives the owners of each partition, the first owner first.
func (i *inspector) owners() [][]string {
	var out [][]string
	for _, p := range i.store.Status() {
		out = append(out, texts(p.Owners))
	}
	return out
}

// places gives the owners of each partition as places among members.
func (i *inspector) places(members []client.Member) [][]int {
	at := map[string]int{}
	for n, m := range members {
		at[m.ID] = n
	}
	out := [][]int{}
	for _, ids := range i.owners() {
		owners := make([]int, 0, len(ids))
		for _, id := range ids {
			if n, ok := at[id]; ok {
				owners = append(owners, n)
			}
		}
		out = append(out, owners)
	}
	return out
}
