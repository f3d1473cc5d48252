package replica_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"grapevine/store"
	"grapevine/store/memdb"
)

// TestASnapshotBringsItsLastRowToo, wherever a page meets the bound of what one
// commit takes: rows of long keys are larger in the engine than in a page.
func TestASnapshotBringsItsLastRowToo(t *testing.T) {
	for rows := 148; rows < 158; rows++ {
		simulate(t, 3, lan, func(c *cluster) {
			written := map[store.Key]string{}
			for i := range rows {
				k := key(1, strings.Repeat("x", store.MaxSort-4)+fmt.Sprintf("%04d", i))
				c.write(context.Background(), id(0), put(k, "v"))
				written[k] = "v"
			}
			c.quiet()
			c.crash(id(2))
			c.nodes[id(2)].db = memdb.New()
			c.start(id(2))
			c.settle()
			c.serves(written)
		})
	}
}

// TestWhatEndedBeforeASnapshotBeganDoesNotComeBackWhileItIsTaken has a snapshot
// break off behind a row that its sender knew to have ended, and one who does not
// know it offer the row's birth before the snapshot goes on.
func TestWhatEndedBeforeASnapshotBeganDoesNotComeBackWhileItIsTaken(t *testing.T) {
	simulate(t, 3, lan, func(c *cluster) {
		ctx := context.Background()
		first := key(0, "a")
		c.write(ctx, id(0), put(first, "old"))
		rest := map[store.Key]string{}
		for i := range 120 {
			k, v := key(0, fmt.Sprintf("b-%03d", i)), strings.Repeat("v", 20<<10)
			c.write(ctx, id(0), put(k, v))
			rest[k] = v
		}
		old := c.nodes[id(1)].db.Clone() // it has all of this in its log
		c.quiet()
		c.write(ctx, id(0), remove(first))
		c.quiet()
		c.crash(id(1))
		c.crash(id(2))
		c.nodes[id(2)].db = memdb.New()
		time.Sleep(2 * time.Second)
		c.start(id(2))
		for taken := int64(0); taken == 0; time.Sleep(200 * time.Microsecond) {
			for _, p := range c.on(id(2)).Status() {
				if p.Transfer != nil && p.Transfer.Snapshot {
					taken = p.Transfer.Rows
				}
			}
		}
		c.crash(id(0))
		c.nodes[id(1)].db = old
		c.start(id(1))
		c.eventually("the other offers what it has", func() error {
			if p := c.on(id(2)).Status()[0]; p.Writes < 121 {
				return errors.New("not yet")
			}
			return nil
		})
		c.start(id(0))
		c.settle()
		for n := range 3 {
			if got := c.value(ctx, id(n), first); got != "" {
				t.Errorf("node %d brings it back as %q", n, got)
			}
		}
		c.serves(rest)
	})
}

// TestASnapshotOfRowsThatAreReplacedMeanwhileEnds: each of them remembers a birth
// that the snapshot makes known, and all of them together fit no commit.
func TestASnapshotOfRowsThatAreReplacedMeanwhileEnds(t *testing.T) {
	simulate(t, 3, lan, func(c *cluster) {
		empty := c.nodes[id(2)].db.Clone() // but for the ring
		written := map[store.Key]string{}
		for i := range 400 {
			k := key(0, fmt.Sprintf("k-%03d", i))
			c.write(context.Background(), id(0), put(k, "old"))
			written[k] = strings.Repeat("v", 3<<10)
		}
		c.quiet()
		c.crash(id(2))
		c.nodes[id(2)].db = empty
		time.Sleep(2 * time.Second)
		c.start(id(2))
		c.net.CutOneWay(id(2), id(0)) // it hears of writes, and cannot ask for any
		c.net.CutOneWay(id(2), id(1))
		for k, v := range written {
			c.write(context.Background(), id(0), put(k, v))
		}
		c.net.Heal()
		c.settle()
		c.serves(written)
		c.quiet()
	})
}
