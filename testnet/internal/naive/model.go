// Package naive is the whole social network as one small program in memory, with no
// replicas, caches or indexes, and a player that makes the same acts on it and,
// through the HTTP API, on a cluster. When the cluster is at rest, every answer of
// every node must be the model's.
package naive

import (
	"maps"
	"slices"
	"time"

	"grapevine/services/social"
)

// set is a set of ids.
type set map[string]bool

// user is an account. What stands between accounts is kept with the one that acts.
type user struct {
	id, name, display, bio string
	follows, blocks, mutes set // ids of users
	agreed                 set // to be friends with
	lists                  []*list
	told                   map[cause]told
	ever                   int // how often something was told
	prefers                map[social.NotificationKind]social.NotifyFrom
}

// post is a post with what was done with it.
type post struct {
	id, author, replyTo, repostOf string
	texts                         []string // the first, and what it was changed to
	visibility                    social.Visibility
	mentions                      []string
	answered                      string            // the author of replyTo
	named                         map[string]told   // of being mentioned, whoever is no more
	likes                         set               // ids of users
	reposts                       map[string]string // by user, the id of the repost
}

func (p *post) text() string   { return p.texts[len(p.texts)-1] }
func (p *post) tags() []string { return social.Tags(p.text()) }

// Model is the network. Its acts do what they say, unconditionally: whether an act
// is allowed is asked first.
type Model struct {
	users map[string]*user
	posts map[string]*post
	said  map[string][]message // by channel, oldest first
	tick  int                  // counts what users are told
}

func today() string { return time.Now().UTC().Format(time.DateOnly) }

// NewModel gives a network without users.
func NewModel() *Model {
	return &Model{users: map[string]*user{}, posts: map[string]*post{}, said: map[string][]message{}}
}

func (m *Model) signUp(u social.User) {
	m.users[u.ID] = &user{
		id: u.ID, name: u.Username, display: u.DisplayName, bio: u.Bio,
		follows: set{}, blocks: set{}, mutes: set{}, agreed: set{},
		told: map[cause]told{}, prefers: map[social.NotificationKind]social.NotifyFrom{},
	}
}

// named gives the ids of the users that a text mentions.
func (m *Model) named(text string) []string {
	names := mentioned(text)
	if len(names) == 0 {
		return nil
	}
	return m.those(func(u *user) bool { return slices.Contains(names, u.name) })
}

func (m *Model) post(p social.Post) {
	answered := ""
	if to := m.posts[p.ReplyTo]; to != nil {
		answered = to.author
	}
	m.posts[p.ID] = &post{
		id: p.ID, author: p.Author, replyTo: p.ReplyTo, repostOf: p.RepostOf, texts: []string{p.Text},
		visibility: p.Visibility, mentions: m.named(p.Text), answered: answered, named: map[string]told{}, likes: set{}, reposts: map[string]string{},
	}
	m.tellOfPost(m.posts[p.ID])
}

// edit gives a post another text. A direct one stays for those whom the first named.
func (m *Model) edit(id, text string) {
	p := m.posts[id]
	p.texts = append(p.texts, text)
	if p.visibility == social.Direct {
		return
	}
	before := p.mentions
	p.mentions = m.named(text)
	m.tellOfMentions(p, before)
}

// deletePost takes with a post the reposts of it. What answers it stays.
func (m *Model) deletePost(id string) {
	p := m.posts[id]
	if original := m.posts[p.repostOf]; original != nil {
		delete(original.reposts, p.author)
		m.untell(original.author, cause{kind: social.NotifyRepost, actor: p.author, post: original.id})
	}
	for _, repost := range p.reposts {
		delete(m.posts, repost)
	}
	delete(m.posts, id)
	m.untellAll(func(c cause) bool { return c.post == id || c.answers == id })
}

func (m *Model) deleteUser(id string) {
	for _, p := range slices.Collect(maps.Values(m.posts)) {
		if p.author == id && m.posts[p.id] != nil {
			m.deletePost(p.id)
		}
	}
	for _, p := range m.posts {
		delete(p.likes, id)
		delete(p.reposts, id)
	}
	delete(m.users, id)
	for _, u := range m.users {
		for _, s := range []set{u.follows, u.blocks, u.mutes, u.agreed} {
			delete(s, id)
		}
		for _, l := range u.lists {
			delete(l.members, id)
		}
	}
	for channel, all := range m.said {
		m.said[channel] = slices.DeleteFunc(all, func(said message) bool { return said.author == id })
	}
	m.untellAll(func(c cause) bool { return c.actor == id })
}

func (m *Model) follow(user, other string) {
	m.users[user].follows[other] = true
	m.tell(other, cause{kind: social.NotifyFollow, actor: user})
}

func (m *Model) unfollow(user, other string) {
	delete(m.users[user].follows, other)
	m.untell(other, cause{kind: social.NotifyFollow, actor: user})
}

// befriend asks the other to be friends, or agrees to it.
func (m *Model) befriend(user, other string) {
	if m.users[user].agreed[other] {
		return
	}
	m.users[user].agreed[other] = true
	kind := social.NotifyFriendRequest
	if m.users[other].agreed[user] {
		kind = social.NotifyFriendAccept
	}
	m.tell(other, cause{kind: kind, actor: user})
}

// block ends whatever stands between two users.
func (m *Model) block(user, other string) {
	m.users[user].blocks[other] = true
	m.unfollow(user, other)
	m.unfollow(other, user)
	m.unfriend(user, other)
}

func (m *Model) unfriend(user, other string) {
	for _, pair := range [][2]string{{user, other}, {other, user}} {
		delete(m.users[pair[0]].agreed, pair[1])
		m.untell(pair[1], cause{kind: social.NotifyFriendRequest, actor: pair[0]})
		m.untell(pair[1], cause{kind: social.NotifyFriendAccept, actor: pair[0]})
	}
}

// barred says whether a block keeps two users from each other. Nobody is barred from
// an anonymous viewer.
func (m *Model) barred(a, b string) bool {
	ua, ub := m.users[a], m.users[b]
	return ua != nil && ub != nil && (ua.blocks[b] || ub.blocks[a])
}

// written gives the post that is meant by an id: of a repost, the original.
func (m *Model) written(id string) *post {
	p := m.posts[id]
	if p != nil && p.repostOf != "" {
		return m.posts[p.repostOf]
	}
	return p
}

// sees says whether a viewer, "" for an anonymous one, may see a post.
func (m *Model) sees(viewer, id string) bool {
	p := m.posts[id]
	if p == nil || viewer != p.author && m.barred(viewer, p.author) {
		return false
	}
	if p.repostOf != "" && !m.sees(viewer, p.repostOf) {
		return false
	}
	switch {
	case p.author == viewer, p.visibility == social.Public:
		return true
	case viewer == "":
		return false
	case p.visibility == social.Followers:
		return m.users[viewer].follows[p.author]
	default:
		return slices.Contains(p.mentions, viewer)
	}
}

// unmuted says whether a post is by nobody, and passes on nobody, whom a viewer mutes.
func (m *Model) unmuted(viewer, id string) bool {
	u := m.users[viewer]
	return u == nil || !u.mutes[m.posts[id].author] && !u.mutes[m.written(id).author]
}
