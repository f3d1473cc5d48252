package hlc_test

import (
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"grapevine/crdt/hlc"
)

// wall is a physical clock that a test sets at will.
type wall struct{ now time.Time }

func newWall() *wall { return &wall{time.UnixMilli(1_700_000_000_000)} }

func (w *wall) read() time.Time { return w.now }

// Whatever the physical clock does, and whatever is observed, timestamps grow, lie
// beyond all that was adopted, and never more than MaxAhead beyond the latest
// physical time but for the ticks issued since.
func TestClockIsMonotoneAndBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWall()
		c := hlc.NewClock(w.read, 0)
		var last, bound hlc.Timestamp
		jump := rapid.Int64Range(-100_000, 100_000)
		t.Repeat(map[string]func(*rapid.T){
			"wall moves": func(t *rapid.T) {
				w.now = w.now.Add(time.Duration(jump.Draw(t, "ms")) * time.Millisecond)
			},
			"observe": func(t *rapid.T) {
				remote := hlc.At(w.now.Add(time.Duration(jump.Draw(t, "ms")) * time.Millisecond))
				ahead := remote > hlc.At(w.now.Add(hlc.MaxAhead))
				if c.Observe(remote) == ahead {
					t.Fatalf("a timestamp %v ahead: adopted is %v", remote.Time().Sub(w.now), ahead)
				}
				if !ahead {
					last = max(last, remote)
				}
			},
			"now": func(t *rapid.T) {
				bound = max(bound+1, hlc.At(w.now.Add(hlc.MaxAhead))+1)
				now := c.Now()
				if now <= last || now < hlc.At(w.now) || now > max(bound, last+1) {
					t.Fatalf("%d after %d, at %d", now, last, hlc.At(w.now))
				}
				last = now
			},
		})
	})
}

func TestClockBeginsBeyondItsFloor(t *testing.T) {
	t.Parallel()
	w := newWall()
	floor := hlc.At(w.now.Add(time.Hour))
	if now := hlc.NewClock(w.read, floor).Now(); now <= floor {
		t.Errorf("%d does not exceed the floor %d", now, floor)
	}
}

func TestClockAdoptsUpToMaxAhead(t *testing.T) {
	t.Parallel()
	w := newWall()
	c := hlc.NewClock(w.read, 0)
	limit := hlc.At(w.now.Add(hlc.MaxAhead))
	if c.Observe(limit + 1) {
		t.Error("adopted a timestamp beyond the bound")
	}
	if now := c.Now(); now != hlc.At(w.now) {
		t.Errorf("a refused timestamp moved the clock to %v", now.Time())
	}
	if !c.Observe(limit) {
		t.Error("refused a timestamp at the bound")
	}
	if now := c.Now(); now != limit+1 {
		t.Errorf("got %d, want %d", now, limit+1)
	}
}

func TestClockIssuesNoTimestampTwice(t *testing.T) {
	t.Parallel()
	c := hlc.NewClock(newWall().read, 0)
	const writers, each = 8, 1000
	issued := make([][]hlc.Timestamp, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for range each {
				issued[i] = append(issued[i], c.Now())
			}
		})
	}
	wg.Wait()
	seen := map[hlc.Timestamp]bool{}
	for _, ts := range issued {
		for _, t := range ts {
			seen[t] = true
		}
	}
	if len(seen) != writers*each {
		t.Errorf("%d different timestamps of %d", len(seen), writers*each)
	}
}

func TestTimestampKeepsMilliseconds(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 13, 36, 5, 678_900_000, time.UTC)
	if got := hlc.At(at).Time(); !got.Equal(at.Truncate(time.Millisecond)) {
		t.Errorf("got %v", got)
	}
}
