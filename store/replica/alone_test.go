package replica_test

import (
	"context"
	"testing"

	"grapevine/p2p/simnet"
)

// TestAFounderPutBackToWhenItWasAloneUsesNoDotTwice: its ring has nobody to ask, and
// the rows that the others have of it must not pass for removed.
func TestAFounderPutBackToWhenItWasAloneUsesNoDotTwice(t *testing.T) {
	t.Parallel()
	simulate(t, 1, simnet.Options{}, func(c *cluster) {
		ctx := context.Background()
		alone := c.nodes[id(0)].db.Version()
		c.start(id(1))
		c.start(id(2))
		c.settle()
		c.write(ctx, id(0), put(key(1, "kept"), "v"))
		c.settle()

		c.crash(id(0))
		c.nodes[id(0)].db = c.nodes[id(0)].db.ReopenAt(alone)
		c.start(id(0))
		c.write(ctx, id(0), put(key(1, "new"), "v"))
		c.settle()
		for _, n := range c.running() {
			for _, sort := range []string{"kept", "new"} {
				if got := c.value(ctx, n.id, key(1, sort)); got != "v" {
					t.Errorf("%s reads %q as %q", n.id, sort, got)
				}
			}
		}
	})
}
