package replica

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/store"
)

func eighth(s store.Slot) store.Partition { return store.Partition(s >> 13) }

// someDelta ends one birth and makes another.
func someDelta() delta {
	old := crdt.Row{}.Put(causal.Dot{Replica: 1, Seq: 1}, 1, nil)
	dot := causal.Dot{Replica: 2, Seq: 5}
	return delta{dot: dot, time: 9, rows: []store.Entry{
		{Key: store.Key{Slot: 3, Family: 4, Sort: "sort"}, Row: old.Put(dot, 9, []byte("value"))},
	}}
}

func FuzzDecodeBatch(f *testing.F) {
	b := batch{coordinator: "node-a", number: 7, ring: 8, deltas: []delta{someDelta(), someDelta()}}
	f.Add(b.encode())
	f.Fuzz(func(t *testing.T, message []byte) {
		b, err := decodeBatch(message, eighth)
		if err != nil {
			return
		}
		again, err := decodeBatch(b.encode(), eighth)
		if err != nil || !reflect.DeepEqual(again, b) {
			t.Errorf("%+v came back as %+v, %v", b, again, err)
		}
	})
}

func FuzzConsumeTouched(f *testing.F) {
	d := someDelta()
	f.Add(appendTouched(nil, d.touched()))
	f.Fuzz(func(t *testing.T, logged []byte) {
		rows, err := consumeTouched(logged)
		if err != nil {
			return
		}
		again, err := consumeTouched(appendTouched(nil, rows))
		if err != nil || !reflect.DeepEqual(again, rows) {
			t.Errorf("%+v came back as %+v, %v", rows, again, err)
		}
	})
}

func FuzzConsumeChanges(f *testing.F) {
	f.Add(appendChanges(nil, []store.Change{
		{Seq: 3, Partition: 1, Dot: causal.Dot{Replica: 1, Seq: 2}, Keys: []store.Key{{Slot: 1, Sort: "a"}}},
		{Seq: 4, Partition: 2, Dot: causal.Dot{Replica: 1, Seq: 3}},
	}))
	f.Fuzz(func(t *testing.T, entry []byte) {
		changes, err := consumeChanges(entry)
		if err != nil || len(changes) == 0 {
			return
		}
		again, err := consumeChanges(appendChanges(nil, changes))
		if err != nil || !reflect.DeepEqual(again, changes) {
			t.Errorf("%+v came back as %+v, %v", changes, again, err)
		}
	})
}

func FuzzConsumeKey(f *testing.F) {
	f.Add(appendKey(nil, store.Key{Slot: 1, Family: 2, Sort: "sort"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, rest, err := consumeKey(b)
		if err != nil {
			return
		}
		if stored, err := parseDataKey(dataKey(k)); err != nil || stored != k {
			t.Errorf("%v is stored as %v, %v", k, stored, err)
		}
		if again, more, err := consumeKey(append(appendKey(nil, k), rest...)); err != nil || again != k || !bytes.Equal(more, rest) {
			t.Errorf("%v came back as %v, %v", k, again, err)
		}
	})
}

// FuzzReadPage asks that whatever page is taken names only rows of its partition
// and only dots of its context.
func FuzzReadPage(f *testing.F) {
	d := someDelta()
	theirs := causal.NewVector()
	theirs.Add(d.dot)
	page, err := cbor.Marshal(fetchReply{
		Context: theirs.Append(nil),
		Rows:    [][]byte{d.rows[0].Row.Append(appendKey(nil, d.rows[0].Key))},
		Dots:    [][]byte{appendTouched(causal.AppendDot(nil, d.dot), d.touched())},
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(page)
	f.Fuzz(func(t *testing.T, message []byte) {
		var reply fetchReply
		if decoding.Unmarshal(message, &reply) != nil {
			return
		}
		pg, err := readPage(0, reply, eighth)
		if err != nil {
			return
		}
		for _, e := range pg.rows {
			if eighth(e.Key.Slot) != 0 {
				t.Errorf("%v lies in another partition", e.Key)
			}
		}
		for _, d := range pg.dots {
			if !pg.theirs.Contains(d.dot) || d.dot.IsZero() {
				t.Errorf("dot %v is not of the page's context", d.dot)
			}
		}
	})
}
