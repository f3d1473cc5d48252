package replica

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/p2p/simnet"
	"grapevine/store"
	"grapevine/store/memdb"
	"grapevine/store/ring"
)

type anyOrder struct{}

func (anyOrder) Order(_ Op, candidates []Candidate) (order []p2p.NodeID) {
	for _, c := range candidates {
		order = append(order, c.Node)
	}
	return order
}
func (anyOrder) Begin(Op, p2p.NodeID) func(Outcome) { return func(Outcome) {} }
func (anyOrder) HedgeAfter(Op) time.Duration        { return time.Second }
func (anyOrder) Heard(p2p.NodeID) bool              { return true }
func (anyOrder) Again() bool                        { return true }

// TestSmallEditsOfLargeRowsAreApplied is about batches that are small in a
// message and larger in an engine than it takes at once.
func TestSmallEditsOfLargeRowsAreApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Options{})
		defer net.Close()
		node := net.Join("node-a", p2p.Addrs{})
		s, err := Open(Config{
			Self: "node-a", Engine: memdb.New(), Found: &ring.Cluster{ID: "test"}, Weight: 100,
			Transport: node.Transport(), Broadcaster: node.Broadcaster(), Members: node.Members(), Router: anyOrder{},
			Indexed: func(store.Family) bool { return false }, Invalidate: func([]store.Key) {},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		edits := batch{coordinator: "node-b", number: 1, ring: s.Ring().Digest()}
		for i := range 60 {
			k := store.Key{Sort: fmt.Sprint(i)}
			large := store.Mutation{Key: k, Op: store.Put, Value: []byte(strings.Repeat("x", 20<<10))}
			receipt, err := s.Write(t.Context(), store.Write{Mutations: []store.Mutation{large}})
			if err != nil {
				t.Fatal(err)
			}
			dot := causal.Dot{Replica: 1, Seq: uint64(i + 1)}
			edits.deltas = append(edits.deltas, delta{dot: dot, time: 1, rows: []store.Entry{
				{Key: k, Row: crdt.Row{Fields: []crdt.Field{{ID: 1, Birth: receipt.Dot, Dot: dot, Time: 1, Value: []byte("e")}}}},
			}})
		}
		if _, err := s.handlePush(t.Context(), "node-b", edits.encode()); err != nil {
			t.Fatal(err)
		}
		for i := range 60 {
			row, err := s.Get(context.Background(), store.Key{Sort: fmt.Sprint(i)})
			if f, ok := row.Field(1); err != nil || !ok || string(f.Value) != "e" {
				t.Errorf("row %d is not edited: %v", i, err)
			}
		}
	})
}
