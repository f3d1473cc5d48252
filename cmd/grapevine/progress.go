package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// underWay says what the nodes are doing beside serving.
func (s sight) underWay() []string {
	out := []string{}
	for _, v := range s.nodes {
		if v.err == nil {
			out = append(out, v.underWay()...)
		}
	}
	return append(out, s.unstable()...)
}

func (v view) underWay() (out []string) {
	name, h := short(v.member.ID), v.health
	say := func(format string, args ...any) { out = append(out, "node "+name+" "+fmt.Sprintf(format, args...)) }
	if h.RingState == "leaving" {
		say("is leaving: the others copy %s that it owns", count(h.Partitions.Owned, "partition"))
	}
	if h.Partitions.Coming > 0 {
		say("takes over %s: it has %d", count(h.Partitions.Coming, "partition"), h.Partitions.ComingCaughtUp)
	}
	if n := len(h.Transfers); n > 0 {
		var bytes int64
		from := map[string]bool{}
		for _, t := range h.Transfers {
			bytes += t.Bytes
			from[short(t.From)] = true
		}
		say("copies %s from %s, %s so far", count(n, "partition"), strings.Join(slices.Sorted(maps.Keys(from)), ", "), size(bytes))
	}
	if n := h.Kept.Moved; n > 0 {
		say("keeps %s (%s) that moved away, until the owners have proved theirs", count(n, "partition"), size(h.Kept.MovedBytes))
	}
	if n := h.Kept.Hints; n > 0 {
		say("keeps writes (%s) for the owners of %s, whom it could not reach", size(h.Kept.HintBytes), count(n, "partition"))
	}
	return out
}

// unstable says for whom logs and delete markers are kept. Nodes that live confirm
// within seconds, so that only those that are down are worth a word.
func (s sight) unstable() (out []string) {
	var log, marks int64
	dead := map[string]bool{}
	for _, v := range s.nodes {
		log += v.health.Stability.LogEntries
		marks += v.health.Stability.Marks
		for _, w := range v.health.Stability.WaitsFor {
			if !w.Alive {
				dead[short(w.Node)] = true
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
func (s sight) unspared() []string {
	why := map[string]bool{}
	if s.ring.Partitions == 0 {
		why["the asked node has not reached its cluster"] = true
	}
	for _, v := range s.nodes {
		name := short(v.member.ID)
		switch r := v.health.Readiness; {
		case s.foreign(v):
			why["node "+name+" is a member of another cluster"] = true
		case !counts(v.member):
		case s.hidden(v):
			why["node "+name+" cannot be asked from here"] = true
		case v.err != nil:
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
