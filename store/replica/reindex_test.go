package replica_test

import (
	"context"
	"fmt"
	"testing"

	"grapevine/p2p/simnet"
	"grapevine/store"
)

func TestRowsOfAFamilyThatOnlyTheNextBuildIndexesAreFoundByIt(t *testing.T) {
	t.Parallel()
	simulate(t, 1, simnet.Options{}, func(c *cluster) {
		ctx := context.Background()
		of := func(n int) store.Key {
			return store.Key{Slot: store.Slot(n), Family: recent, Sort: fmt.Sprintf("%04d", n)}
		}
		const rows = 2000 // more than a batch takes
		for n := range rows {
			c.write(ctx, id(0), put(of(n), fmt.Sprintf("%0600d", n)))
		}
		c.write(ctx, id(0), remove(of(7)))
		c.indexes = func(f store.Family) bool { return f == indexed || f == recent }
		for range 2 { // the second start has nothing to do
			c.crash(id(0))
			c.start(id(0))
			c.settle()
			found, coverage, err := c.on(id(0)).ScanIndex(ctx, store.IndexRange{Family: recent, Limit: rows})
			if err != nil || coverage.Answered != coverage.Asked || len(found) != rows-1 || found[7].Key != of(8) {
				t.Fatalf("found %d of %d rows, %+v, %v", len(found), rows-1, coverage, err)
			}
		}
	})
}
