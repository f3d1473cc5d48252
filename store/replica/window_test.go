package replica_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"grapevine/p2p/simnet"
)

// TestASilentOwnerDoesNotThrottleTheOthers writes far more than the window of
// unacknowledged bytes while one of three owners is paused and not yet found out.
func TestASilentOwnerDoesNotThrottleTheOthers(t *testing.T) {
	simulate(t, 3, simnet.Options{MinDelay: time.Millisecond, MaxDelay: 2 * time.Millisecond, DetectAfter: 5 * time.Second}, func(c *cluster) {
		c.net.Pause(id(2))
		var writers sync.WaitGroup
		began := time.Now()
		for writer := range 16 {
			writers.Go(func() {
				for i := range 16 {
					k := key(writer<<12, fmt.Sprint(i)) // of any partition
					if r := c.write(context.Background(), id(0), put(k, strings.Repeat("x", 60<<10))); r.Copies != 2 {
						t.Errorf("%d copies", r.Copies)
					}
				}
			})
		}
		writers.Wait()
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("15 MiB took %s", took)
		}
		c.net.Resume(id(2))
		c.settle()
	})
}
