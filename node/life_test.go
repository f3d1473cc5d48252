package node_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"testing"

	"grapevine/node/client"
	"grapevine/node/config"
	"grapevine/services/social"
)

// life is the nodes that an app uses in turn, and three of its users.
type life struct {
	nodes         []config.Ready
	turn          int
	ada, bob, eve *app
	post, event   string // ada's first post, and the last event that bob's stream gave
}

// next gives the node whose turn it is, so that no two acts in a row are one node's.
func (l *life) next() config.Ready {
	l.turn++
	return l.nodes[l.turn%len(l.nodes)]
}

func (l *life) as(a *app) *client.Client { return a.at(l.next()) }

// everywhere waits until something holds on every node.
func (l *life) everywhere(t *testing.T, a *app, what string, holds func(c *client.Client) bool) {
	t.Helper()
	for _, n := range l.nodes {
		soon(t, what, func() bool { return holds(a.at(n)) })
	}
}

var chapters = []struct {
	name string
	tell func(*testing.T, *life)
}{
	{"people sign up, and log in on any node", peopleSignUp},
	{"who follows finds posts at home", followersRead},
	{"likes, replies and mentions are told, and likes as one", actsAreTold},
	{"a stream gives what happens", aStreamTells},
	{"half-way", nil},
	{"the stream goes on, on another node, where it ended", aStreamGoesOn},
	{"words, tags and names are found", wordsAreFound},
	{"a list has a timeline of its own", listsAreRead},
	{"what was read on one device is read on all", readingIsShared},
	{"a channel is heard everywhere", channelsAreHeard},
	{"who is blocked is neither seen nor heard", blocksHide},
	{"who leaves leaves nothing", leavingIsWhole},
}

// TestTheLifeOfAnApp is what an app's users do from first to last.
func TestTheLifeOfAnApp(t *testing.T) {
	t.Parallel()
	for _, world := range []struct {
		name  string
		nodes int
		loses bool
	}{{"on one node", 1, false}, {"on three nodes", 3, false}, {"on three nodes of which one goes half-way", 3, true}} {
		t.Run(world.name, func(t *testing.T) {
			t.Parallel()
			l, lose := newLife(t, world.nodes)
			for _, chapter := range chapters {
				if chapter.tell != nil {
					chapter.tell(t, l)
				} else if world.loses {
					lose()
				}
				if t.Failed() {
					t.Fatalf("in %q", chapter.name)
				}
			}
		})
	}
}

func newLife(t *testing.T, n int) (l *life, lose func()) {
	l = &life{}
	first := config.Default(t.TempDir())
	var stop func()
	for i := range n {
		cfg := first
		if i > 0 {
			cfg = config.Default(t.TempDir())
			cfg.SecretFile, cfg.Join = first.Data+"/secret", []string{l.nodes[0].Gossip}
		}
		var ready config.Ready
		ready, stop = stoppable(t, cfg)
		l.nodes = append(l.nodes, ready)
	}
	return l, func() {
		stop()
		l.nodes = l.nodes[:n-1]
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func done(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func texts(posts []social.Post) []string {
	var all []string
	for _, p := range posts {
		all = append(all, p.Text)
	}
	return all
}

func peopleSignUp(t *testing.T, l *life) {
	l.ada, l.bob, l.eve = newApp(t, l.next(), "ada"), newApp(t, l.next(), "bob"), newApp(t, l.next(), "eve")
	for range l.nodes {
		must[social.Session](t)(l.as(l.bob).LogIn(t.Context(), "bob", "a long password"))
		_, err := l.as(l.bob).LogIn(t.Context(), "bob", "a wrong password")
		wantStatus(t, "a wrong password", err, http.StatusUnauthorized)
	}
}

func followersRead(t *testing.T, l *life) {
	done(t, l.as(l.bob).Follow(t.Context(), l.bob.id, "@ada"))
	done(t, l.as(l.eve).Follow(t.Context(), l.eve.id, "@ada"))
	l.post = must[social.Post](t)(l.as(l.ada).Post(t.Context(), client.NewPost{Text: "the first #day"})).ID
	l.everywhere(t, l.bob, "bob's home has it", func(c *client.Client) bool {
		page, err := c.Home(t.Context(), social.Cut{})
		return err == nil && slices.Equal(texts(page.Items), []string{"the first #day"})
	})
}

func actsAreTold(t *testing.T, l *life) {
	done(t, l.as(l.bob).Like(t.Context(), l.post))
	done(t, l.as(l.eve).Like(t.Context(), l.post))
	must[social.Post](t)(l.as(l.eve).Post(t.Context(), client.NewPost{Text: "hear, hear", ReplyTo: l.post}))
	must[social.Post](t)(l.as(l.bob).Post(t.Context(), client.NewPost{Text: "thanks, @ada"}))
	want := []string{"mention of 1", "reply of 1", "like of 2", "follow of 2"}
	l.everywhere(t, l.ada, "ada is told", func(c *client.Client) bool {
		page, err := c.Notifications(t.Context(), social.Cut{})
		return err == nil && page.Unread == 6 && slices.Equal(kinds(page), want)
	})
}

func kinds(page client.NotificationPage) []string {
	var all []string
	for _, n := range page.Items {
		all = append(all, string(n.Kind)+" of "+string(rune('0'+n.Count)))
	}
	return all
}

// errHeard ends a stream.
var errHeard = errors.New("heard")

// hears reads bob's home stream until it gives a post of a text. Ready, when not nil, is
// called when the stream stands.
func (l *life) hears(t *testing.T, text string, ready func()) {
	t.Helper()
	err := l.as(l.bob).Stream(t.Context(), []string{"home"}, l.event, func(e client.StreamEvent) error {
		if e.ID != "" {
			l.event = e.ID
		}
		if ready != nil {
			ready()
			ready = nil
		}
		var p social.Post
		if e.Event == "post" && json.Unmarshal(e.Data, &p) == nil && p.Text == text {
			return errHeard
		}
		return nil
	})
	if !errors.Is(err, errHeard) {
		t.Fatalf("the stream ended before %q: %v", text, err)
	}
}

func aStreamTells(t *testing.T, l *life) {
	l.hears(t, "live", func() {
		must[social.Post](t)(l.as(l.ada).Post(t.Context(), client.NewPost{Text: "live"}))
	})
}

func aStreamGoesOn(t *testing.T, l *life) {
	must[social.Post](t)(l.as(l.ada).Post(t.Context(), client.NewPost{Text: "while nobody listened"}))
	l.hears(t, "while nobody listened", nil)
}

func wordsAreFound(t *testing.T, l *life) {
	l.everywhere(t, l.eve, "the post, the tag and the name are found", func(c *client.Client) bool {
		posts, err1 := c.SearchPosts(t.Context(), social.Search{Query: "first"}, social.Cut{})
		tags, err2 := c.SearchTags(t.Context(), social.Search{Query: "da"}, social.Cut{})
		users, err3 := c.SearchUsers(t.Context(), social.Search{Query: "ad"}, social.Cut{})
		trends, err4 := c.TrendingTags(t.Context(), 0)
		return errors.Join(err1, err2, err3, err4) == nil &&
			len(posts.Items) == 1 && posts.Items[0].Post.ID == l.post && len(tags.Items) == 1 && tags.Items[0].Tag == "day" &&
			len(users.Items) == 1 && users.Items[0].ID == l.ada.id && len(trends.Items) == 1 && trends.Items[0].Tag == "day"
	})
}

func listsAreRead(t *testing.T, l *life) {
	list := must[social.List](t)(l.as(l.eve).CreateList(t.Context(), client.NewList{Title: "friends"}))
	done(t, l.as(l.eve).AddToList(t.Context(), list.ID, "@bob"))
	l.everywhere(t, l.eve, "the list has bob's posts alone", func(c *client.Client) bool {
		page, err := c.ListTimeline(t.Context(), list.ID, social.Cut{})
		return err == nil && slices.Equal(texts(page.Items), []string{"thanks, @ada"})
	})
	_, err := l.as(l.bob).ListTimeline(t.Context(), list.ID, social.Cut{})
	wantStatus(t, "another's list", err, http.StatusNotFound)
}

func readingIsShared(t *testing.T, l *life) {
	page := must[client.NotificationPage](t)(l.as(l.ada).Notifications(t.Context(), social.Cut{Limit: 1}))
	done(t, l.as(l.ada).ReadNotifications(t.Context(), page.Items[0].ID))
	l.everywhere(t, l.ada, "nothing is unread", func(c *client.Client) bool {
		n, err := c.UnreadNotifications(t.Context())
		return err == nil && n.Count == 0
	})
}

func channelsAreHeard(t *testing.T, l *life) {
	must[social.ChannelMessage](t)(l.as(l.bob).Publish(t.Context(), client.NewMessage{Channel: "news", Message: "extra"}))
	for _, a := range []*app{l.ada, l.eve} {
		l.everywhere(t, a, "the message is in the channel", func(c *client.Client) bool {
			page, err := c.Channel(t.Context(), "news", social.Cut{})
			return err == nil && len(page.Items) == 1 && page.Items[0].Message == "extra"
		})
	}
}

func blocksHide(t *testing.T, l *life) {
	done(t, l.as(l.ada).BlockUser(t.Context(), l.ada.id, "@eve"))
	l.everywhere(t, l.eve, "eve sees nothing of ada", func(c *client.Client) bool {
		_, err := c.GetPost(t.Context(), l.post)
		home, err2 := c.Home(t.Context(), social.Cut{})
		found, err3 := c.SearchPosts(t.Context(), social.Search{Query: "first"}, social.Cut{})
		return client.StatusOf(err) == http.StatusNotFound && errors.Join(err2, err3) == nil &&
			len(found.Items) == 0 && slices.Equal(texts(home.Items), []string{"hear, hear"})
	})
	l.everywhere(t, l.ada, "ada is told of bob alone", func(c *client.Client) bool {
		page, err := c.Notifications(t.Context(), social.Cut{})
		return err == nil && slices.Equal(kinds(page), []string{"mention of 1", "like of 1", "follow of 1"})
	})
}

func leavingIsWhole(t *testing.T, l *life) {
	done(t, l.as(l.ada).DeleteUser(t.Context(), l.ada.id))
	l.everywhere(t, l.bob, "nothing of ada is left", func(c *client.Client) bool {
		_, err := c.GetPost(t.Context(), l.post)
		home, err1 := c.Home(t.Context(), social.Cut{})
		following, err2 := c.Following(t.Context(), l.bob.id, social.Cut{})
		found, err3 := c.SearchPosts(t.Context(), social.Search{Query: "first"}, social.Cut{})
		users, err4 := c.SearchUsers(t.Context(), social.Search{Query: "ad"}, social.Cut{})
		return client.StatusOf(err) == http.StatusNotFound && errors.Join(err1, err2, err3, err4) == nil &&
			slices.Equal(texts(home.Items), []string{"thanks, @ada"}) &&
			len(following.Items)+len(found.Items)+len(users.Items) == 0
	})
	_, err := l.as(l.ada).Home(t.Context(), social.Cut{})
	wantStatus(t, "the token of one who left", err, http.StatusUnauthorized)
}
