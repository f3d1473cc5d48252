package replica

import (
	"context"
	"slices"

	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/store"
)

// News gives those of the first rows of a range, within its limit, that came to be
// by a write that is not in seen, and seen with all that the answering owner has
// applied: what the next call passes on, here or on any other node. Nothing is given
// twice or left out by the order in which writes reach the owners; only what lies
// behind the limit is.
func (s *Store) News(ctx context.Context, r store.Range, seen *causal.Vector) (news []store.Entry, now *causal.Vector, err error) {
	p := s.partitionOf(r.Slot)
	d := demandOf(ctx, p)
	type unseen struct {
		rows []store.Entry
		now  *causal.Vector
	}
	out, err := job[unseen]{
		s: s, op: OpScan, partition: p, order: s.orderFor(OpScan, p),
		local: func(ctx context.Context) (u unseen, err error) {
			err = s.readHere(ctx, p, d, func() (err error) {
				u.rows, u.now, err = s.newsLocal(p, r, seen)
				return err
			})
			return u, err
		},
		remote: func(ctx context.Context, node p2p.NodeID) (u unseen, err error) {
			u.rows, u.now, err = s.newsRemote(ctx, node, p, d, r, seen)
			return u, err
		},
	}.run(ctx)
	if err != nil {
		return nil, nil, err
	}
	out.now.Merge(seen)
	return out.rows, out.now, nil
}

// newsLocal reads the vector before the rows: what comes between is news again.
func (s *Store) newsLocal(p store.Partition, r store.Range, seen *causal.Vector) ([]store.Entry, *causal.Vector, error) {
	now := s.partitions[p].snapshot()
	rows, err := s.scanLocal(r)
	news := slices.DeleteFunc(rows, func(e store.Entry) bool {
		for _, b := range e.Row.Births {
			if !seen.Contains(b.Dot) {
				return false
			}
		}
		return true
	})
	return news, now, err
}

func (s *Store) newsRemote(ctx context.Context, node p2p.NodeID, p store.Partition, d demand, r store.Range, seen *causal.Vector) ([]store.Entry, *causal.Vector, error) {
	var reply readReply
	request := readRequest{Partition: p, Demand: d, Range: &r, Seen: seen.Append(nil)}
	if err := s.ask(ctx, node, request, &reply); err != nil {
		return nil, nil, err
	}
	now, _, err := causal.ConsumeVector(reply.Now)
	if err != nil {
		return nil, nil, err
	}
	news, err := reply.entries()
	return news, now, err
}

// handleNews answers the part of a range that is news to another node.
func (s *Store) handleNews(r store.Range, request readRequest) (readReply, error) {
	seen, _, err := causal.ConsumeVector(request.Seen)
	if err != nil {
		return readReply{}, errMalformed
	}
	news, now, err := s.newsLocal(request.Partition, r, seen)
	if err != nil {
		return readReply{}, err
	}
	reply, err := entriesReply(news, nil)
	reply.Now = now.Append(nil)
	return reply, err
}
