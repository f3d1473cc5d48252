package live_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"grapevine/services/live"
	"grapevine/services/social"
)

// BenchmarkIdleStreams opens 10,000 streams of as many accounts. What their
// connections take comes on top; DESIGN.md has the figure of a whole node.
func BenchmarkIdleStreams(b *testing.B) {
	const streams = 10_000
	for b.Loop() {
		w := newWorld(b, 1, nil)
		before := heap()
		var all []*live.Stream
		for i := range streams {
			who := social.Identity{User: social.NewID(uint16(i), time.UnixMilli(int64(i)))}
			s, err := w.nodes[0].Open(context.Background(), who, []string{"home", "notifications"}, "")
			if err != nil {
				b.Fatal(err)
			}
			next(b, s)
			all = append(all, s)
		}
		b.ReportMetric(float64(heap()-before)/streams, "B/stream")
		for _, s := range all {
			s.Close()
		}
		w.close()
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
