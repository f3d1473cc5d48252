package simulation

import "slices"

// Shrink gives a schedule that still fails, of which no act can be left out, as
// far as the number of tries allows: delta debugging (Zeller, Hildebrandt 2002).
// fails says whether a schedule fails in the same way.
func Shrink(s Schedule, tries int, fails func(Schedule) bool) Schedule {
	r := &reduction{best: s, tries: tries, fails: fails}
	for parts := 2; len(r.best.Acts) > 1 && r.tries > 0; {
		switch {
		case r.leaveOut(parts):
			parts = max(parts-1, 2)
		case parts < len(r.best.Acts):
			parts = min(2*parts, len(r.best.Acts))
		default:
			parts = len(r.best.Acts) + 1
		}
		if parts > len(r.best.Acts) {
			break
		}
	}
	r.soften()
	return r.best
}

// reduction is a search for a smaller schedule.
type reduction struct {
	best  Schedule
	tries int // that are left
	fails func(Schedule) bool
}

func (r *reduction) try(s Schedule) bool {
	if r.tries <= 0 {
		return false
	}
	r.tries--
	if !r.fails(s) {
		return false
	}
	r.best = s
	return true
}

// leaveOut tries to leave out one of so many equal parts, the last first: what
// comes after a failure has no part in it.
func (r *reduction) leaveOut(parts int) bool {
	n := len(r.best.Acts)
	for i := parts - 1; i >= 0; i-- {
		from, to := n*i/parts, n*(i+1)/parts
		smaller := r.best
		smaller.Acts = slices.Concat(r.best.Acts[:from], r.best.Acts[to:])
		if from < to && r.try(smaller) {
			return true
		}
	}
	return false
}

// soften tries to do with fewer nodes and a better network.
func (r *reduction) soften() {
	for r.best.Nodes > 1 {
		s := r.best
		if s.Nodes--; !r.try(s) {
			break
		}
	}
	for _, soften := range []func(*Schedule){
		func(s *Schedule) { s.Loss = 0 },
		func(s *Schedule) { s.Duplicate = 0 },
	} {
		s := r.best
		soften(&s)
		r.try(s)
	}
}
