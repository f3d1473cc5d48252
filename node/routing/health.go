package routing

import (
	"container/list"
	"slices"
	"time"

	"grapevine/p2p"
	"grapevine/store/replica"
)

const (
	// forgiveness is the weight of the past in the average: 1/8 of the distance to
	// a quicker answer is covered each time. A slower one counts whole.
	forgiveness = 8
	// halfLife is how long it takes for half of what a node was slow by to be
	// forgotten while it is not asked: else one slow answer would shut it out for as
	// long as the others are quick.
	halfLife = time.Second
	// leastDelay is what a call counts for at least, so that calls in flight to a
	// node that nothing is known of count. Below it all are alike.
	leastDelay = time.Millisecond
	// shunTime is how long a node that could not be reached, is stopping, has no disk
	// space or too much to do is asked last.
	shunTime = time.Second

	strikesOut = 3                     // slow or lost calls in a row that eject
	goodReturn = 3                     // good answers in a row that end a return
	slowFactor = 5                     // beyond this multiple of what others take an answer is slow
	slowFloor  = 25 * time.Millisecond // and never below this
	ejectFor   = 5 * time.Second       // doubled each time
	ejectMost  = time.Minute
	errorsKept = 16 // weight of the past in the error rate
)

// health is how a node does one kind of operation.
type health struct {
	latency time.Duration // as of seen
	seen    time.Time     // of the last answer
	calls   list.List     // when each call in flight began, oldest first
	errors  float64       // share of calls that failed or were refused, smoothed
	shunned time.Time     // until when it is asked last
	silent  time.Time     // until when it is thought to answer nothing at all

	strikes  int       // slow or lost calls in a row
	until    time.Time // of the ejection
	times    int       // ejections since it last was well
	trial    bool      // new, or ejected, and not proved well since
	good     int       // good answers in a row
	answered uint64
}

func (h *health) begin(now time.Time) *list.Element { return h.calls.PushBack(now) }

func (h *health) end(call *list.Element) { h.calls.Remove(call) }

// delay is what a call is expected to take: what calls took, less what time has made
// of it, or longer when one has been waiting for longer.
func (h *health) delay(now time.Time) time.Duration {
	d := max(h.latency>>min(max(now.Sub(h.seen)/halfLife, 0), 62), leastDelay)
	if oldest := h.calls.Front(); oldest != nil {
		d = max(d, now.Sub(oldest.Value.(time.Time)))
	}
	return d
}

// cost is the delay that a further call meets and makes.
func (h *health) cost(now time.Time) time.Duration {
	return h.delay(now) * time.Duration(h.calls.Len()+1)
}

// rank says how the node stands. One that is new, or was ejected, is given one call at
// a time until it has answered some well.
func (h *health) rank(now time.Time) int {
	switch {
	case now.Before(h.until):
		return ejected
	case now.Before(h.shunned), now.Before(h.silent), h.trial && h.calls.Len() > 0:
		return doubtful
	default:
		return fine
	}
}

// note takes up how a call ended, and says whether the node is to be ejected.
func (h *health) note(outcome replica.Outcome, took time.Duration, now time.Time, outlier bool) bool {
	switch outcome {
	case replica.Answered:
		h.answer(took, now)
		h.answered++
		h.fail(0)
	case replica.Abandoned:
		if took > h.delay(now) {
			h.answer(took, now)
		}
	case replica.Refused:
		h.shunned = now.Add(shunTime)
		h.fail(1)
		return false
	case replica.Unreachable:
		h.shunned, outlier = now.Add(shunTime), true
		h.fail(1)
	case replica.NoVerdict:
		return false
	}
	return h.judge(outcome == replica.Answered, outlier, now)
}

// answer moves the average towards what a call took: at once when it was slow.
func (h *health) answer(took time.Duration, now time.Time) {
	h.latency, h.seen = h.latency>>min(max(now.Sub(h.seen)/halfLife, 0), 62), now
	if took > h.latency {
		h.latency = took
		return
	}
	h.latency += (took - h.latency) / forgiveness
}

func (h *health) fail(one float64) { h.errors += (one - h.errors) / errorsKept }

// judge counts good and bad calls in a row. One that has just come back is out again
// at its first bad one.
func (h *health) judge(answered, outlier bool, now time.Time) (eject bool) {
	if outlier {
		h.strikes, h.good = h.strikes+1, 0
		return !now.Before(h.until) && (h.trial && h.times > 0 || h.strikes >= strikesOut)
	}
	h.strikes = 0
	if !answered {
		return false
	}
	if h.good++; h.good >= goodReturn && !now.Before(h.until) {
		h.trial = false
	}
	if h.good >= goodReturn*goodReturn {
		h.times = 0
	}
	return false
}

func (h *health) eject(now time.Time) {
	h.until = now.Add(min(ejectFor<<min(h.times, 10), ejectMost))
	h.times, h.trial, h.strikes = h.times+1, true, 0
}

// outlier says whether a call took far longer than the others' do. The mutex is held.
func (r *Router) outlier(op replica.Op, node p2p.NodeID, took time.Duration) bool {
	if took < slowFloor {
		return false
	}
	var others []time.Duration
	for k, h := range r.health {
		if k.op == op && k.node != node && h.answered > 0 {
			others = append(others, h.latency)
		}
	}
	if len(others) == 0 {
		return false
	}
	slices.Sort(others)
	return took > slowFactor*others[(len(others)-1)/2]
}

// mayEject keeps the ejected to a third of those who can be reached, or one of two:
// where most are slow, slow is what they are. The mutex is held.
func (r *Router) mayEject(op replica.Op, node p2p.NodeID, now time.Time) bool {
	alive, out := 0, 0
	for k, h := range r.health {
		if k.op != op || k.node != r.cfg.Self && !r.cfg.Alive(k.node) {
			continue
		}
		alive++
		if k.node != node && now.Before(h.until) {
			out++
		}
	}
	return alive >= 2 && out+1 <= max(1, alive/3)
}
