package naive

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"grapevine/services/social"
)

// where gives the ids of the posts that a viewer sees and keep chooses, newest first.
func (m *Model) where(viewer string, keep func(p *post) bool) []string {
	var ids []string
	for id, p := range m.posts {
		if m.sees(viewer, id) && keep(p) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int { return cmp.Compare(b, a) })
	return ids
}

func (m *Model) home(viewer string) []string {
	u := m.users[viewer]
	return m.where(viewer, func(p *post) bool {
		reaches := p.author == viewer || u.follows[p.author] && p.visibility != social.Direct ||
			p.visibility == social.Direct && slices.Contains(p.mentions, viewer)
		return reaches && m.unmuted(viewer, p.id)
	})
}

func (m *Model) by(viewer, author string) []string {
	return m.where(viewer, func(p *post) bool { return p.author == author })
}

// public gives the public posts that a viewer wants to see and keep chooses.
func (m *Model) public(viewer string, keep func(p *post) bool) []string {
	return m.where(viewer, func(p *post) bool {
		return p.visibility == social.Public && p.repostOf == "" && m.unmuted(viewer, p.id) && keep(p)
	})
}

func (m *Model) all(viewer string) []string {
	return m.public(viewer, func(*post) bool { return true })
}

func (m *Model) tagged(viewer, tag string) []string {
	return m.public(viewer, func(p *post) bool { return slices.Contains(p.tags(), tag) })
}

func (m *Model) mentioning(viewer string) []string {
	return m.where(viewer, func(p *post) bool {
		return p.author != viewer && slices.Contains(p.mentions, viewer) && m.unmuted(viewer, p.id)
	})
}

// found gives the posts with a word, in the order of their ids: that of relevance is
// the cluster's own.
func (m *Model) found(viewer, word string) []string {
	ids := m.where(viewer, func(p *post) bool {
		return p.visibility != social.Direct && p.repostOf == "" && m.unmuted(viewer, p.id) &&
			slices.Contains(strings.Fields(p.text()), word)
	})
	slices.Sort(ids)
	return ids
}

// above gives what a post answers, the farthest first, as far as a viewer sees it.
func (m *Model) above(viewer, id string) []string {
	var up []string
	for p := m.posts[id]; p.replyTo != "" && m.sees(viewer, p.replyTo); p = m.posts[p.replyTo] {
		up = append(up, p.replyTo)
	}
	slices.Reverse(up)
	return up
}

// below gives what answers a post, depth first, as far as a viewer sees it.
func (m *Model) below(viewer, id string) []string {
	var down []string
	for _, reply := range m.replies(id) {
		if m.sees(viewer, reply) {
			down = append(append(down, reply), m.below(viewer, reply)...)
		}
	}
	return down
}

func (m *Model) replies(id string) []string {
	var ids []string
	for _, p := range m.posts {
		if p.replyTo == id {
			ids = append(ids, p.id)
		}
	}
	slices.Sort(ids)
	return ids
}

// publicReplies is how many replies to a post its counts tell everybody of.
func (m *Model) publicReplies(id string) int {
	n := 0
	for _, reply := range m.replies(id) {
		if m.posts[reply].visibility == social.Public {
			n++
		}
	}
	return n
}

// shown gives those of some users whom no block keeps from a viewer, by id.
func (m *Model) shown(viewer string, users set) []string {
	var ids []string
	for id := range users {
		if id == viewer || !m.barred(viewer, id) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func sorted(users set) []string { return slices.Sorted(maps.Keys(users)) }

func (m *Model) those(holds func(u *user) bool) []string {
	var ids []string
	for id, u := range m.users {
		if holds(u) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

func (m *Model) followers(of string) []string {
	return m.those(func(u *user) bool { return u.follows[of] })
}

func (m *Model) friends(of string) []string {
	me := m.users[of]
	return m.those(func(u *user) bool {
		return u.id != of && (me.follows[u.id] && u.follows[of] || me.agreed[u.id] && u.agreed[of])
	})
}

func (m *Model) requests(of string) []string {
	return m.those(func(u *user) bool { return u.agreed[of] && !m.users[of].agreed[u.id] })
}

func (m *Model) mutuals(a, b string) []string {
	return m.those(func(u *user) bool { return u.follows[a] && u.follows[b] })
}

// steps is the number of follows from one user to another, -1 where there is no path
// of at most social.MaxPathSteps.
func (m *Model) steps(from, to string) int {
	reached, frontier := set{from: true}, []string{from}
	for n := 0; n <= social.MaxPathSteps && len(frontier) > 0; n++ {
		if reached[to] {
			return n
		}
		var next []string
		for _, id := range frontier {
			for followed := range m.users[id].follows {
				if !reached[followed] {
					reached[followed] = true
					next = append(next, followed)
				}
			}
		}
		frontier = next
	}
	return -1
}
