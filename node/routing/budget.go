package routing

import (
	"slices"
	"time"
)

// A repetition is earned by ten requests, or by a tenth of a second: a node with
// little to do may repeat.
const (
	perRequest = 0.1
	perSecond  = 10.0
	maxTokens  = 100.0
)

// budget bounds repetitions, so that those of a cluster that is slow do not make it
// slower.
type budget struct {
	tokens float64
	at     time.Time
}

func (b *budget) refill(now time.Time) {
	b.tokens = min(b.tokens+perSecond*max(now.Sub(b.at).Seconds(), 0), maxTokens)
	b.at = now
}

// earn notes a request.
func (b *budget) earn(now time.Time) {
	b.refill(now)
	b.tokens = min(b.tokens+perRequest, maxTokens)
}

// spend takes the price of a repetition, if there is as much.
func (b *budget) spend(now time.Time) bool {
	b.refill(now)
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

const (
	window = 128 // calls that a percentile is taken of
	step   = 16  // calls after which it is taken anew

	unknownP95 = 50 * time.Millisecond // before there are enough
	leastP95   = time.Millisecond
	mostP95    = 500 * time.Millisecond
)

// quantile knows the 95th percentile of the last calls.
type quantile struct {
	last [window]time.Duration
	n    int // calls noted
	high time.Duration
}

func (q *quantile) add(took time.Duration) {
	q.last[q.n%window] = took
	q.n++
	if q.n%step == 0 {
		sorted := slices.Clone(q.last[:min(q.n, window)])
		slices.Sort(sorted)
		q.high = sorted[len(sorted)*95/100]
	}
}

func (q *quantile) p95() time.Duration {
	if q.n < step {
		return unknownP95
	}
	return min(max(q.high, leastP95), mostP95)
}
