package fanout

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"grapevine/store"
)

// ledger takes writes one by one, each when it is let.
type ledger struct {
	store.Rows
	let    chan struct{}
	refuse string // the Sort that no write may name

	mu     sync.Mutex
	writes []store.Write
}

func (l *ledger) Write(_ context.Context, w store.Write) (store.Receipt, error) {
	<-l.let
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.ContainsFunc(w.Mutations, func(m store.Mutation) bool { return m.Key.Sort == l.refuse }) {
		return store.Receipt{}, store.ErrTooLarge
	}
	l.writes = append(l.writes, w)
	return store.Receipt{}, nil
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.writes)
}

func newTestOutbox(l *ledger) *outbox {
	return newOutbox(Config{Rows: l, InFlight: 1, PartitionOf: func(s store.Slot) store.Partition { return store.Partition(s) }}, newMetrics(nil))
}

func mutation(slot store.Slot, sort string, op store.Op) store.Mutation {
	return store.Mutation{Key: store.Key{Slot: slot, Sort: sort}, Op: op}
}

// sendAll sends each mutation by itself while the first write is under way, and
// gives the errors.
func sendAll(t *testing.T, o *outbox, l *ledger, ms ...store.Mutation) []error {
	t.Helper()
	errs := make([]error, len(ms))
	var group sync.WaitGroup
	for i, m := range ms {
		group.Go(func() { errs[i] = o.send(t.Context(), []store.Mutation{m}) })
		for queued := 0; queued < i; { // until it is in line behind the first
			o.mu.Lock()
			queued = len(o.targets[store.Partition(m.Key.Slot)])
			o.mu.Unlock()
		}
		if i == 0 {
			for taken := false; !taken; { // until the first is being written
				o.mu.Lock()
				queue, active := o.targets[store.Partition(m.Key.Slot)]
				taken = active && len(queue) == 0
				o.mu.Unlock()
			}
		}
	}
	close(l.let)
	group.Wait()
	o.wait()
	return errs
}

func TestWhatGathersForAPartitionIsOneWriteInWhichTheLastWins(t *testing.T) {
	l := &ledger{let: make(chan struct{})}
	errs := sendAll(t, newTestOutbox(l), l,
		mutation(1, "first", store.Put), mutation(1, "a", store.Put), mutation(1, "b", store.Put), mutation(1, "a", store.Remove))
	if err := errors.Join(errs...); err != nil || l.count() != 2 {
		t.Fatalf("%d writes, %v, want 2", l.count(), err)
	}
	want := []store.Mutation{mutation(1, "a", store.Remove), mutation(1, "b", store.Put)}
	got := l.writes[1].Mutations
	if len(got) != 2 || got[0].Op != want[0].Op || got[0].Key != want[0].Key || got[1].Key != want[1].Key {
		t.Errorf("second write %v, want %v", got, want)
	}
}

func TestAMutationThatCannotBeWrittenFailsAlone(t *testing.T) {
	l := &ledger{let: make(chan struct{}), refuse: "bad"}
	errs := sendAll(t, newTestOutbox(l), l,
		mutation(1, "first", store.Put), mutation(1, "good", store.Put), mutation(1, "bad", store.Put))
	if errs[0] != nil || errs[1] != nil || !errors.Is(errs[2], store.ErrTooLarge) {
		t.Errorf("%v", errs)
	}
}

func TestAWriteIsBoundedAndOfOnePartition(t *testing.T) {
	l := &ledger{let: make(chan struct{})}
	close(l.let)
	var ms []store.Mutation
	for i := range 5 * writeMutations {
		ms = append(ms, mutation(store.Slot(i%2), string(rune(i+0x100)), store.Put))
	}
	big := mutation(0, "big", store.Put)
	big.Value = make([]byte, writeBytes)
	o := newTestOutbox(l)
	if err := o.send(t.Context(), append(ms, big, big)); err != nil {
		t.Fatal(err)
	}
	o.wait()
	total := 0
	for _, w := range l.writes {
		total += len(w.Mutations)
		if len(w.Mutations) > writeMutations {
			t.Errorf("a write of %d mutations", len(w.Mutations))
		}
		for _, m := range w.Mutations {
			if m.Key.Slot != w.Mutations[0].Key.Slot {
				t.Error("a write spans partitions")
			}
		}
	}
	if total < len(ms)+1 {
		t.Errorf("%d mutations written, want %d", total, len(ms)+1)
	}
}

func TestRecentForgetsTheOldest(t *testing.T) {
	r := newRecent(2)
	for p := range store.Partition(3) {
		r.add(store.Seen{Partition: p})
		r.add(store.Seen{Partition: p})
	}
	for p, want := range []bool{false, true, true} {
		if got := r.has(store.Seen{Partition: store.Partition(p)}); got != want {
			t.Errorf("has %d = %v, want %v", p, got, want)
		}
	}
}

func TestAChangeThatTheLogHoldsTwiceIsDoneOnce(t *testing.T) {
	b := newBacklog()
	keys := []store.Key{{Family: 4, Sort: "a/b"}} // a follow
	change := store.Change{Partition: 1, Keys: keys}
	change.Dot.Seq = 1
	for seq := range uint64(3) {
		change.Seq = seq + 1
		if b.add(change, time.Time{}) == nil {
			t.Fatal("the change has no consequences")
		}
	}
	b.hear(store.Seen{Partition: 1, Dot: change.Dot})
	if b.len() != 0 || b.cursor() != 3 {
		t.Errorf("%d left, cursor %d", b.len(), b.cursor())
	}
}
