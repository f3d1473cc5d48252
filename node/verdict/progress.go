package verdict

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// underWay says what the nodes are doing beside serving.
func (s Sight) underWay() []string {
	out := []string{}
	for _, v := range s.Nodes {
		if v.Err == nil {
			out = append(out, v.underWay()...)
		}
	}
	return append(out, s.unstable()...)
}

func (v View) underWay() (out []string) {
	name, h := short(v), v.Health
	say := func(format string, args ...any) { out = append(out, "node "+name+" "+fmt.Sprintf(format, args...)) }
	if h.RingState == "leaving" {
		say("is leaving: the others copy %s that it owns", Count(h.Partitions.Owned, "partition"))
	}
	if h.Partitions.Coming > 0 {
		say("takes over %s: it has %d", Count(h.Partitions.Coming, "partition"), h.Partitions.ComingCaughtUp)
	}
	if n := len(h.Transfers); n > 0 {
		var bytes int64
		from := map[string]bool{}
		for _, t := range h.Transfers {
			bytes += t.Bytes
			from[shortID(t.From)] = true
		}
		say("copies %s from %s, %s so far", Count(n, "partition"), strings.Join(slices.Sorted(maps.Keys(from)), ", "), Size(bytes))
	}
	if n := h.Kept.Moved; n > 0 {
		say("keeps %s (%s) that moved away, until the owners have proved theirs", Count(n, "partition"), Size(h.Kept.MovedBytes))
	}
	if n := h.Kept.Hints; n > 0 {
		say("keeps writes (%s) for the owners of %s, whom it could not reach", Size(h.Kept.HintBytes), Count(n, "partition"))
	}
	return out
}

// unstable says for whom logs and delete markers are kept. Nodes that live confirm
// within seconds, so that only those that are down are worth a word.
func (s Sight) unstable() (out []string) {
	var log, marks int64
	dead := map[string]bool{}
	for _, v := range s.Nodes {
		log += v.Health.Stability.LogEntries
		marks += v.Health.Stability.Marks
		for _, w := range v.Health.Stability.WaitsFor {
			if !w.Alive {
				dead[shortID(w.Node)] = true
			}
		}
	}
	if len(dead) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%d log entries and %d delete markers are kept for %s, which must return or be forgotten",
		log, marks, strings.Join(slices.Sorted(maps.Keys(dead)), ", "))}
}

// unspared says why no node may be restarted now; nothing when one may.
func (s Sight) unspared() []string {
	why := map[string]bool{}
	if s.Ring.Partitions == 0 {
		why["the asked node has not reached its cluster"] = true
	}
	for _, v := range s.Nodes {
		name := short(v)
		switch r := v.Health.Readiness; {
		case s.foreign(v):
			why["node "+name+" is a member of another cluster"] = true
		case !Counts(v.Member):
		case s.hidden(v):
			why["node "+name+" cannot be asked from here"] = true
		case v.Err != nil && !s.Alive(v.Member.ID):
			why["node "+name+" is down"] = true // as those say who miss it
		case v.Err != nil:
			why["node "+name+" does not answer"] = true
		case !r.Ready:
			why["node "+name+" is not ready: "+r.Reason] = true
		default:
			for _, reason := range r.WhyNot {
				why[reason] = true
			}
		}
	}
	return append([]string{}, slices.Sorted(maps.Keys(why))...)
}
