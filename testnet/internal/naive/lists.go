package naive

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"grapevine/services/social"
)

// list is a list of accounts.
type list struct {
	id, title string
	members   set
}

// message is what was said in a channel.
type message struct{ author, text string }

func without(lists []*list, l *list) []*list {
	return slices.DeleteFunc(lists, func(other *list) bool { return other == l })
}

// titles gives the titles of a user's lists, oldest first.
func (m *Model) titles(user string) []string {
	var out []string
	for _, l := range m.users[user].lists {
		out = append(out, l.title)
	}
	return out
}

// listed gives the posts of a list's members that its owner wants to see.
func (m *Model) listed(owner string, l *list) []string {
	return m.where(owner, func(p *post) bool { return l.members[p.author] && m.unmuted(owner, p.id) })
}

// heard gives what a viewer sees of a channel, newest first.
func (m *Model) heard(viewer, channel string) []string {
	var out []string
	for _, said := range slices.Backward(m.said[channel]) {
		if !m.barred(viewer, said.author) && !m.users[viewer].mutes[said.author] {
			out = append(out, said.text)
		}
	}
	return out
}

// trends gives the hashtags that trend most, of a network that is younger than the
// window: how many authors use each beyond the one in seven days that is usual for
// what was never seen.
func (m *Model) trends() []string {
	posts, authors := map[string]int{}, map[string]set{}
	for _, p := range m.posts {
		if p.visibility != social.Public || p.repostOf != "" {
			continue
		}
		for _, tag := range p.tags() {
			posts[tag]++
			if authors[tag] == nil {
				authors[tag] = set{}
			}
			authors[tag][p.author] = true
		}
	}
	var all []social.TrendingTag
	for tag, by := range authors {
		k, usual := float64(len(by)), 1.0/7
		all = append(all, social.TrendingTag{Tag: tag, Posts: posts[tag], Authors: len(by), Score: k*math.Log(k/usual) - (k - usual)})
	}
	slices.SortFunc(all, func(a, b social.TrendingTag) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), b.Posts-a.Posts, cmp.Compare(a.Tag, b.Tag))
	})
	return trending(all[:min(len(all), social.MaxPage)])
}

// trending is what is compared of hashtags that trend.
func trending(tags []social.TrendingTag) []string {
	var out []string
	for _, t := range tags {
		out = append(out, fmt.Sprintf("%s: %d by %d", t.Tag, t.Posts, t.Authors))
	}
	return out
}

// typed gives the users with a name, or a word of the display name, that begins so,
// in the order of their ids: that of relevance is the cluster's own.
func (m *Model) typed(viewer, prefix string) []string {
	found := set{}
	for id, u := range m.users {
		found[id] = slices.ContainsFunc(append(strings.Fields(u.display), u.name), func(word string) bool {
			return strings.HasPrefix(strings.ToLower(word), prefix)
		})
		if !found[id] {
			delete(found, id)
		}
	}
	return m.shown(viewer, found)
}
