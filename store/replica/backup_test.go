package replica_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/p2p/simnet"
	"grapevine/store"
)

// export gives the rows of a partition from the first node that gives them.
func (c *cluster) export(ctx context.Context, p store.Partition) (rows []store.Entry) {
	c.t.Helper()
	err := errors.New("no node runs")
	for _, n := range c.running() {
		rows = nil
		err = n.store.Export(ctx, p, false, func(*causal.Vector) error { return nil }, func(e store.Entry) error {
			rows = append(rows, e)
			return nil
		})
		if err == nil {
			return rows
		}
	}
	c.t.Fatalf("partition %d: %v", p, err)
	return nil
}

// backup gives all rows.
func (c *cluster) backup(ctx context.Context) (rows []store.Entry) {
	for p := range store.Partition(1 << c.bits) {
		rows = append(rows, c.export(ctx, p)...)
	}
	return rows
}

// content is what of a row does not depend on where it came to be: its births in
// their order, each with its fields and sums.
func content(r crdt.Row) string {
	births := slices.Clone(r.Births)
	slices.SortFunc(births, func(a, b crdt.Birth) int { return int(int64(a.Time) - int64(b.Time)) })
	var out string
	for _, b := range births {
		alone := crdt.Row{Births: []crdt.Birth{b}, Fields: r.Fields, Cells: r.Cells}
		f, _ := alone.Field(1)
		out += fmt.Sprintf("%d %q, field %d %q, sum %d; ", b.Time, b.Value, f.Time, f.Value, alone.Counter(2))
	}
	return out
}

// contested makes a cluster of every kind of row, one of them with two births.
func contested(c *cluster) {
	for i := range 40 {
		ctx := store.WithRequest(context.Background(), new(store.Request)) // of one session, which sees its own writes
		k := key(i*1600, fmt.Sprint("row ", i))
		c.write(ctx, id(i%3), put(k, fmt.Sprint("value ", i)))
		c.write(ctx, id((i+1)%3), store.Write{Mutations: []store.Mutation{{Key: k, Op: store.Update, Fields: []store.FieldValue{{ID: 1, Value: []byte(fmt.Sprint("field ", i))}}}}})
		c.write(ctx, id(i%3), add(k, store.CountDelta{ID: 2, N: int64(i)}))
		c.write(ctx, id((i+2)%3), add(k, store.CountDelta{ID: 2, N: 1}))
		if i%5 == 0 {
			c.write(ctx, id(i%3), remove(k))
		}
	}
	c.settle()
	c.net.Partition([]p2p.NodeID{id(0)}, []p2p.NodeID{id(1), id(2)})
	time.Sleep(10 * time.Second) // of virtual time, for the failure detectors
	for i := range 2 {
		ctx := store.WithRequest(context.Background(), new(store.Request))
		c.write(ctx, id(i), put(key(7, "claimed twice"), fmt.Sprint("by ", i)))
		c.write(ctx, id(i), add(key(7, "claimed twice"), store.CountDelta{ID: 2, N: 10}))
		time.Sleep(time.Second) // so that one is the earlier
	}
	c.net.Heal()
	c.settle()
}

func TestABackupRestoresIntoAClusterOfAnotherShape(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var rows []store.Entry
	want := map[store.Key]string{}
	simulate(t, 3, simnet.Options{}, func(c *cluster) {
		contested(c)
		rows = c.backup(ctx)
	})
	for _, e := range rows {
		want[e.Key] = content(e.Row)
	}
	if len(want) != 33 || len(rows) != 33 {
		t.Fatalf("%d rows in the backup, want 32 that were not removed and the one that was claimed twice", len(rows))
	}
	for _, shape := range []struct {
		nodes int
		bits  uint8
	}{{1, 0}, {5, 5}} {
		t.Run(fmt.Sprintf("%d nodes", shape.nodes), func(t *testing.T) {
			simulateBits(t, shape.bits, shape.nodes, simnet.Options{Seed: 1, MaxDelay: 20 * time.Millisecond, Loss: 0.1}, func(c *cluster) {
				// It breaks off in the middle, and is repeated elsewhere.
				if _, _, err := c.on(id(0)).Restore(ctx, rows[:20]); err != nil {
					t.Fatal(err)
				}
				restored, copies, err := c.on(id(shape.nodes-1)).Restore(ctx, rows)
				if err != nil || restored == 0 || restored > len(rows) || copies < min(2, shape.nodes) {
					t.Errorf("%d rows restored on %d copies, %v", restored, copies, err)
				}
				c.settle()
				c.holds(ctx, want)
				if restored, _, err := c.on(id(0)).Restore(ctx, rows); restored != 0 || err != nil {
					t.Errorf("once more: %d rows restored, %v", restored, err)
				}
				// The rows are like any others.
				c.write(ctx, id(0), add(key(7, "claimed twice"), store.CountDelta{ID: 2, N: 5}))
				c.write(ctx, id(0), remove(key(1600, "row 1")))
				c.settle()
				if row, err := c.on(id(0)).Get(ctx, key(7, "claimed twice")); err != nil || row.Counter(2) != 25 {
					t.Errorf("a counter of 20 that got 5 more is %d, %v", row.Counter(2), err)
				}
				if row, err := c.on(id(0)).Get(ctx, key(1600, "row 1")); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("a removed row is %v, %v", row, err)
				}
			})
		})
	}
}

// holds compares all that every node shows.
func (c *cluster) holds(ctx context.Context, want map[store.Key]string) {
	c.t.Helper()
	for i := range 40 {
		k := key(i*1600, fmt.Sprint("row ", i))
		if _, backedUp := want[k]; backedUp {
			continue
		}
		if row, err := c.on(id(0)).Get(ctx, k); !errors.Is(err, store.ErrNotFound) {
			c.t.Errorf("%v was removed before the backup and is %v, %v", k, row, err)
		}
	}
	for k, content_ := range want {
		for _, n := range c.running() {
			row, err := n.store.Get(ctx, k)
			if err != nil || content(row) != content_ {
				c.t.Errorf("%v on %s is %q, want %q, %v", k, n.id, content(row), content_, err)
			}
		}
	}
}

func TestANodeThatIsNoOwnerGivesNoBackupUnlessAskedForWhatItHas(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	simulate(t, 5, simnet.Options{}, func(c *cluster) {
		refused := 0
		for p := range store.Partition(1 << c.bits) {
			owners := c.on(id(0)).Ring().Owners(p)
			for _, n := range c.running() {
				begun := false
				export := func(asIs bool) error {
					return n.store.Export(ctx, p, asIs, func(*causal.Vector) error { begun = true; return nil }, func(store.Entry) error { return nil })
				}
				if slices.Contains(owners, n.id) {
					if err := export(false); err != nil {
						t.Errorf("%s owns partition %d: %v", n.id, p, err)
					}
					continue
				}
				if err := export(false); !errors.Is(err, store.ErrUnavailable) || begun {
					t.Errorf("%s does not own partition %d: %v", n.id, p, err)
				}
				if err := export(true); err != nil || !begun {
					t.Errorf("%s is asked for what it has of partition %d: %v", n.id, p, err)
				}
				refused++
			}
		}
		if refused == 0 {
			t.Error("every node owns everything")
		}
	})
}
