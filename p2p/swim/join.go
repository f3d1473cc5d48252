package swim

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"grapevine/p2p"
)

const (
	// The wait between rounds of calling absent members doubles from joinMin, with
	// jitter. It stays short while a known member is absent, since the wait is how
	// long a healed cut goes unnoticed; addresses that nobody is known to have
	// matter less.
	joinMin        = 250 * time.Millisecond
	joinMaxMember  = 2 * time.Second
	joinMaxAddress = 10 * time.Second
	// joinWidth bounds the addresses called in one round, picked at random.
	joinWidth = 8
	// maxRemembered bounds the addresses handed to Config.Save.
	maxRemembered = 256
)

// rejoin calls absent members until the node leaves or closes.
func (s *Swim) rejoin() {
	var saved []string
	wait := joinMin
	timer := time.NewTimer(wait)
	defer timer.Stop()
	call := func() {
		var again bool
		if wait, again = s.joinRound(wait); again {
			timer.Reset(wait - rand.N(wait/4))
		}
	}
	call()
	close(s.called)
	for {
		select {
		case <-timer.C:
			call()
		case <-s.wake:
			wait = joinMin
			timer.Reset(wait)
		case <-s.joining.Done():
			return
		}
		saved = s.save(saved)
	}
}

// joinRound calls the absent and says how long to wait for the next round, if
// one is needed.
func (s *Swim) joinRound(wait time.Duration) (next time.Duration, again bool) {
	addrs, memberAbsent := s.absent()
	if len(addrs) == 0 {
		return joinMin, false
	}
	limit := joinMaxAddress
	if memberAbsent {
		limit = joinMaxMember
	}
	rand.Shuffle(len(addrs), func(i, j int) { addrs[i], addrs[j] = addrs[j], addrs[i] })
	var reached atomic.Bool
	var calls sync.WaitGroup
	for _, addr := range addrs[:min(len(addrs), joinWidth)] {
		calls.Go(func() {
			if n, err := s.list.Join([]string{addr}); err == nil && n > 0 {
				reached.Store(true)
				s.metOnce.Do(func() { close(s.met) })
			}
		})
	}
	calls.Wait()
	if reached.Load() && wait > joinMaxMember/2 {
		// Nodes that held each other for dead need a second exchange, in which the
		// accused refute.
		return joinMin, true
	}
	return min(2*wait, limit), true
}

// absent gives the addresses, configured, remembered and of members, at which
// no living member is known, and whether a dead member's is among them.
func (s *Swim) absent() (addrs []string, memberAbsent bool) {
	alive := map[string]bool{}
	candidates := map[string]bool{}
	s.mu.RLock()
	for _, m := range s.members {
		if m.Alive {
			alive[m.Addrs.Gossip] = true
		} else {
			candidates[m.Addrs.Gossip] = true
			memberAbsent = true
			if m.elsewhere != "" {
				candidates[m.elsewhere] = true
			}
		}
	}
	for a := range s.remembered {
		candidates[a] = true
	}
	s.mu.RUnlock()
	for _, a := range s.cfg.Join {
		// A host name may stand for the address of a living member.
		if at, err := resolve(s.joining, a); err == nil {
			a = at.String()
		}
		candidates[a] = true
	}
	maps.DeleteFunc(candidates, func(a string, _ bool) bool { return alive[a] })
	return slices.Collect(maps.Keys(candidates)), memberAbsent
}

// save hands the addresses known to Config.Save unless they equal those saved
// before, and gives what is now saved. Those of members come before those only
// remembered, when there are too many.
func (s *Swim) save(saved []string) []string {
	if s.cfg.Save == nil {
		return nil
	}
	var addrs []string
	s.mu.RLock()
	for id, m := range s.members {
		if id != s.cfg.Self {
			addrs = append(addrs, m.Addrs.Gossip)
		}
	}
	room := max(0, maxRemembered-len(addrs))
	for a := range s.remembered {
		if _, met := s.names[a]; !met && room > 0 {
			addrs = append(addrs, a)
			room--
		}
	}
	s.mu.RUnlock()
	addrs = addrs[:min(len(addrs), maxRemembered)]
	slices.Sort(addrs)
	if slices.Equal(addrs, saved) {
		return saved
	}
	s.cfg.Save(slices.Clone(addrs))
	return addrs
}

// rememberedSet gives the addresses to begin with.
func rememberedSet(addrs []string, self p2p.Addrs) map[string]bool {
	set := map[string]bool{}
	for _, a := range addrs[:min(len(addrs), maxRemembered)] {
		if a != "" && a != self.Gossip {
			set[a] = true
		}
	}
	return set
}
