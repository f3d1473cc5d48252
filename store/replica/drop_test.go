package replica

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/p2p/simnet"
	"grapevine/store"
	"grapevine/store/memdb"
	"grapevine/store/ring"
)

// slowReader is an engine whose readers can be made to wait.
type slowReader struct {
	store.Engine
	before atomic.Pointer[func()] // called once
}

func (e *slowReader) View(fn func(store.Snapshot) error) error {
	if before := e.before.Swap(nil); before != nil {
		(*before)()
	}
	return e.Engine.View(fn)
}

// alone runs a test on a store that owns nothing and keeps what it is given for
// others.
func alone(t *testing.T, test func(*Store, *slowReader)) {
	synctest.Test(t, func(t *testing.T) {
		net := simnet.New(simnet.Options{})
		defer net.Close()
		node := net.Join("node-a", p2p.Addrs{})
		engine := &slowReader{Engine: memdb.New()}
		s, err := Open(Config{
			Self: "node-a", Engine: engine, Found: &ring.Cluster{ID: "test"}, Weight: 0,
			Transport: node.Transport(), Broadcaster: node.Broadcaster(), Members: node.Members(), Router: anyOrder{},
			Indexed: func(store.Family) bool { return true }, Invalidate: func([]store.Key) {},
		})
		if err != nil {
			t.Fatal(err)
		}
		test(s, engine)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

var hinted = store.Key{Slot: 1, Family: 9, Sort: "k"}

func putOf(k store.Key) store.Write {
	return store.Write{Mutations: []store.Mutation{{Key: k, Op: store.Put, Value: []byte("v")}}}
}

// forgo makes the copy of hinted's partition one that no longer exists.
func (s *Store) forgo(t *testing.T) {
	w := &dropping{partition: 0, proved: s.partitions[0].snapshot(), done: make(chan error, 1)}
	if err := s.do(context.Background(), w); err != nil || !s.partitions[0].record().dropping {
		t.Fatalf("not dropped: %v", err)
	}
}

func TestACopyThatIsDroppedWhileItIsReadIsNotTakenForEmpty(t *testing.T) {
	alone(t, func(s *Store, engine *slowReader) {
		ctx := context.Background()
		if _, err := s.Write(ctx, putOf(hinted)); err != nil {
			t.Fatal(err)
		}
		dot := s.partitions[0].snapshot()
		drop := func() {
			s.forgo(t)
			if err := s.finishDrop(ctx, 0); err != nil {
				t.Error(err)
			}
		}
		time.Sleep(100 * time.Millisecond) // the applier rests
		engine.before.Store(&drop)
		if reply, err := s.handleFetch(ctx, "node-b", fetchRequest{Missing: dot.Append(nil)}); !errors.Is(err, errNotServing) {
			t.Errorf("a page: %+v, %v", reply, err)
		}
		if _, err := s.Write(ctx, putOf(hinted)); err != nil {
			t.Fatal(err)
		}
		engine.before.Store(&drop)
		if reply, err := s.handleSnapshot(ctx, "node-b", snapshotRequest{}); !errors.Is(err, errNotServing) {
			t.Errorf("a page of a snapshot: %+v, %v", reply, err)
		}
	})
}

// TestAHintThatComesWithTheLastOfADropIsKeptWhole when both are of one commit.
func TestAHintThatComesWithTheLastOfADropIsKeptWhole(t *testing.T) {
	alone(t, func(s *Store, _ *slowReader) {
		ctx := context.Background()
		if _, err := s.Write(ctx, putOf(hinted)); err != nil {
			t.Fatal(err)
		}
		used := s.partitions[0].used(s.Replica())
		s.forgo(t)
		sweep := &sweeping{partition: 0, done: make(chan error, 1)}
		hint := newLocalWrite(0, putOf(hinted), 1)
		hint.standIn = true
		both := together{sweep, hint}
		if err := s.do(ctx, both); err != nil || hint.err != nil {
			t.Fatal(err, hint.err)
		}
		if hint.delta.dot != (causal.Dot{Replica: s.Replica(), Seq: used + 1}) || len(hint.delta.rows[0].Row.Removed) > 0 {
			t.Errorf("the write saw what was dropped: %+v", hint.delta)
		}
		err := s.engine.View(func(snapshot store.Snapshot) error {
			if _, listed, err := snapshot.Get(indexKey(hinted.Family, hinted.Sort)); err != nil || !listed {
				t.Errorf("the row is not listed: %v", err)
			}
			return nil
		})
		if rows := s.Status()[0].Rows; err != nil || rows != 1 {
			t.Errorf("%d rows are counted, %v", rows, err)
		}
	})
}

// together is work that comes in one transaction.
type together struct {
	sweep *sweeping
	hint  *localWrite
}

func (w together) size() int64 { return 0 }
func (w together) add(t *txn) error {
	if err := w.sweep.add(t); err != nil {
		return err
	}
	return w.hint.add(t)
}
func (w together) finish(err error) { w.sweep.finish(err) }
func (w together) wait() error      { return w.sweep.wait() }
