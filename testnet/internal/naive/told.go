package naive

import (
	"cmp"
	"slices"

	"grapevine/services/social"
)

// cause is what a user is told of: that an actor did something with or by a post.
// Answers is, of a reply, the user's post.
type cause struct {
	kind                 social.NotificationKind
	actor, post, answers string
}

// told is when a user was told, in the order of acts, and whether that was read.
type told struct {
	at   int
	day  string
	read bool
}

// notice is something that a user is told.
type notice struct {
	cause
	told
}

// tell tells a user of what another did. To tell twice is to tell once.
func (m *Model) tell(user string, c cause) {
	u := m.users[user]
	if u == nil || c.actor == user {
		return
	}
	if _, known := u.told[c]; !known {
		m.tick++
		u.ever++
		u.told[c] = told{at: m.tick, day: today()}
	}
}

// untell takes back what a user was told.
func (m *Model) untell(user string, c cause) {
	if u := m.users[user]; u != nil {
		delete(u.told, c)
	}
}

// untellAll takes back from all users what they were told of something.
func (m *Model) untellAll(of func(c cause) bool) {
	for _, u := range m.users {
		for c := range u.told {
			if of(c) {
				delete(u.told, c)
			}
		}
	}
}

// tellOfPost tells those whom a new post concerns. One who is answered is not told of
// being mentioned, too.
func (m *Model) tellOfPost(p *post) {
	switch {
	case p.repostOf != "":
		m.tell(m.posts[p.repostOf].author, cause{kind: social.NotifyRepost, actor: p.author, post: p.repostOf})
		return
	case p.replyTo != "":
		m.tell(m.posts[p.replyTo].author, cause{kind: social.NotifyReply, actor: p.author, post: p.id, answers: p.replyTo})
	}
	m.tellOfMentions(p, nil)
}

// tellOfMentions tells whom a post mentions, and no longer those whom it did before.
// Who is mentioned again is told what was told, and has read it or not.
func (m *Model) tellOfMentions(p *post, before []string) {
	c := cause{kind: social.NotifyMention, actor: p.author, post: p.id}
	for _, user := range before {
		if u := m.users[user]; u != nil && !slices.Contains(p.mentions, user) {
			if t, was := u.told[c]; was {
				p.named[user] = t
			}
			m.untell(user, c)
		}
	}
	for _, user := range p.mentions {
		if p.answered == user {
			continue
		}
		if t, was := p.named[user]; was && m.users[user] != nil {
			m.users[user].told[c] = t
			continue
		}
		m.tell(user, c)
	}
}

// inbox is what a user is told of now, newest first: what comes from others who are
// not hidden, is wanted, and is about what the user may see.
func (m *Model) inbox(user string) []notice {
	u := m.users[user]
	var all []notice
	for c, t := range u.told {
		from := u.prefers[c.kind]
		hidden := m.barred(user, c.actor) || u.mutes[c.actor] || c.post != "" && !m.sees(user, c.post)
		if !hidden && from != social.NotifyOff && (from != social.NotifyFollowing || u.follows[c.actor]) {
			all = append(all, notice{c, t})
		}
	}
	slices.SortFunc(all, func(a, b notice) int { return cmp.Compare(b.at, a.at) })
	return all
}

// unread counts what a user has not read, as far as it is counted.
func (m *Model) unread(user string) int {
	n := 0
	for _, told := range m.inbox(user) {
		if !told.read {
			n++
		}
	}
	return min(n, social.MaxUnread)
}

// group is the same for notices that become one.
func (n notice) group() string {
	switch n.kind {
	case social.NotifyLike, social.NotifyRepost:
		return string(n.kind) + ":" + n.post
	case social.NotifyFollow:
		return string(n.kind) + ":" + n.day
	}
	return ""
}

// groups puts together the notices of one group, at the place of the newest.
func groups(all []notice) [][]notice {
	var out [][]notice
	at := map[string]int{}
	for _, n := range all {
		i, known := at[n.group()]
		if !known || n.group() == "" {
			i = len(out)
			at[n.group()], out = i, append(out, nil)
		}
		out[i] = append(out[i], n)
	}
	return out
}

// singles makes a group of each notice.
func singles(all []notice) [][]notice {
	out := make([][]notice, len(all))
	for i, n := range all {
		out[i] = []notice{n}
	}
	return out
}

// readUpTo marks what a user was told as read, up to a notice: also what is hidden, but
// not what was taken back.
func (m *Model) readUpTo(user string, at int) {
	for _, p := range m.posts {
		if t, was := p.named[user]; was {
			t.read = false
			p.named[user] = t
		}
	}
	u := m.users[user]
	for c, t := range u.told {
		if t.at <= at {
			t.read = true
			u.told[c] = t
		}
	}
}
