package main

import (
	"fmt"
	"slices"
	"strings"

	"grapevine/node/client"
	"grapevine/node/verdict"
)

// answering gives the members of the ring that answer.
func (x examination) answering() []view {
	return slices.DeleteFunc(slices.Clone(x.sight.nodes), func(v view) bool { return v.err != nil || !verdict.Counts(v.member) })
}

// grouped names the nodes that have each value.
func grouped(nodes []view, value func(view) string) map[string][]string {
	out := map[string][]string{}
	for _, v := range nodes {
		out[value(v)] = append(out[value(v)], short(v.member.ID))
	}
	return out
}

func (x examination) versions() []client.Finding {
	mix := x.sight.mixed()
	if len(mix) == 0 {
		return nil
	}
	return []client.Finding{{
		What: "the nodes run different builds: " + strings.Join(mix, "; "),
		Do:   "finish the upgrade: restart one node at a time with the same build, waiting for `grapevine status` to say that the next is safe",
	}}
}

// misconfigured finds settings that cannot be meant so.
func (x examination) misconfigured() (found []client.Finding) {
	nodes := x.answering()
	zones := grouped(nodes, func(v view) string { return v.member.Zone })
	if without := zones[""]; len(without) > 0 && len(zones) > 1 {
		found = append(found, client.Finding{
			What: fmt.Sprintf("node %s has no zone, though others have: its copies are not kept apart from theirs", strings.Join(without, ", ")),
			Do:   "start it with --zone NAME of what fails together with it, or none of the nodes with any",
		})
	}
	if n := len(zones); n > 1 && zones[""] == nil && n < x.sight.ring.Copies {
		found = append(found, client.Finding{
			What: fmt.Sprintf("there are %s for %d copies of each row: the loss of one zone can take two copies", count(n, "zone"), x.sight.ring.Copies),
			Do:   "spread the nodes over as many zones as there are copies",
		})
	}
	found = append(found, unreachable(nodes)...)
	if x.sight.ring.Copies == 1 && len(nodes) > 1 {
		found = append(found, client.Finding{
			What: "the cluster keeps one copy of each row: the loss of any disk loses data",
			Do:   "back it up with `grapevine backup`, make a cluster with --copies 3, and restore it there",
		})
	}
	return found
}

// unreachable finds nodes that tell others an address at which only their own
// machine reaches them, while others are on other machines.
func unreachable(nodes []view) (found []client.Finding) {
	loopback := func(v view) bool { return onLoopback(client.URL(v.member.P2P)) }
	if !slices.ContainsFunc(nodes, func(v view) bool { return v.member.P2P != "" && !loopback(v) }) {
		return nil
	}
	for _, v := range nodes {
		if v.member.P2P != "" && loopback(v) {
			found = append(found, client.Finding{
				What: fmt.Sprintf("node %s tells the others to reach it at %s, which is their own machine", short(v.member.ID), v.member.P2P),
				Do:   "start it with --advertise HOST, an address that the others reach",
			})
		}
	}
	return found
}

// backlogs finds work that comes in faster than it is done.
func (x examination) backlogs() (found []client.Finding) {
	add := func(a answer[client.Load], format string, v any, do string) {
		found = append(found, client.Finding{What: fmt.Sprintf("node %s: "+format, short(a.member.ID), v), Do: do})
	}
	for _, a := range x.loads {
		w := a.said.Waiting
		if a.err != nil || a.said.UptimeSeconds < young.Seconds() {
			continue
		}
		if w.Fanout > manyWaiting {
			add(a, "%.0f changes wait for their consequences: timelines are late", w.Fanout, "see with `grapevine top` what is written so much, and whether CPU or disk is at its end; another node takes a share")
		}
		if w.Search > manyWaiting {
			add(a, "%.0f changes are not yet found by searches", w.Search, "it catches up by itself when there is less to write; see `grapevine top`")
		}
		if w.Unacknowledged > manyUnacked {
			add(a, "%s of writes wait for another owner", size(int64(w.Unacknowledged)), "an owner is slow or hard to reach: see `grapevine rtt`, and the disks above")
		}
	}
	return found
}

// stuck finds nodes that keep logs for confirmations which do not come.
func (x examination) stuck() (found []client.Finding) {
	judged := x.sight.judged()
	for _, v := range x.answering() {
		s := v.health.Stability
		var alive, dead []string
		for _, w := range s.WaitsFor {
			switch {
			case w.Alive:
				alive = append(alive, short(w.Node))
			case !judged.IsSilent(w.Node): // else status says what comes of it
				dead = append(dead, short(w.Node))
			}
		}
		switch name := short(v.member.ID); {
		case len(dead) > 0 && s.LogEntries > 0:
			found = append(found, client.Finding{
				What: fmt.Sprintf("node %s keeps %d log entries and %d delete markers for %s, down", name, s.LogEntries, s.Marks, strings.Join(dead, ", ")),
				Do:   fmt.Sprintf("start it; if it will never return, `grapevine forget %s`", dead[0]),
			})
		case len(alive) > 0 && s.LogEntries > muchLogged:
			found = append(found, client.Finding{
				What: fmt.Sprintf("node %s keeps %d log entries for %s, alive", name, s.LogEntries, strings.Join(alive, ", ")),
				Do:   "it does not confirm what it has: look at its log, and at the link to it with `grapevine rtt`",
			})
		}
	}
	return found
}
