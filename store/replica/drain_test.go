package replica_test

import (
	"fmt"
	"testing"
	"time"

	"grapevine/p2p/simnet"
)

func TestPeersGiveNothingToANodeThatDrainsWhileOthersCanDoIt(t *testing.T) {
	simulate(t, 4, simnet.Options{Seed: 1}, func(c *cluster) {
		ctx := c.t.Context()
		draining := c.on(id(3))
		coordinated := func(round string) (n int) {
			for i := range 100 {
				k := key(i*600, round+fmt.Sprint(i))
				if c.write(ctx, id(i%3), put(k, "v")).Dot.Replica == draining.Replica() {
					n++
				}
			}
			return n
		}
		if coordinated("before") == 0 {
			c.t.Fatal("no write of this test would be the node's to coordinate")
		}
		draining.Drain()
		if n := coordinated("while"); n > 0 {
			c.t.Errorf("it coordinated %d writes of its peers", n)
		}
		if c.write(ctx, id(3), put(key(7, "own"), "v")).Copies < 2 {
			c.t.Error("what it is asked itself is not done as always")
		}
		c.crash(id(2)) // it is needed again
		c.eventually("it takes what may be nobody else's", func() error {
			k := key(time.Now().Nanosecond()%65536, fmt.Sprint("after", time.Now()))
			if c.write(ctx, id(0), put(k, "v")).Dot.Replica != draining.Replica() {
				return fmt.Errorf("another coordinated")
			}
			return nil
		})
	})
}
