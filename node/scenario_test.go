package node_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"grapevine/node/client"
	"grapevine/node/config"
	"grapevine/services/social"
)

// app is an account that is used through any node, one session all the way.
type app struct {
	id, token, session string
	web                *http.Client
	last               *client.Client
}

func newApp(t *testing.T, node config.Ready, name string) *app {
	t.Helper()
	a := &app{web: &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(a.web.CloseIdleConnections)
	account, err := a.at(node).SignUp(t.Context(), client.SignUp{Username: name, Password: "a long password"})
	if err != nil {
		t.Fatal(err)
	}
	a.id, a.token = account.ID, account.Session.Token
	return a
}

// at gives a client of a node that continues the session of the one before.
func (a *app) at(node config.Ready) *client.Client {
	if a.last != nil {
		a.session = a.last.Session()
	}
	a.last = client.New("http://"+node.HTTP,
		client.WithHTTPClient(a.web), client.WithToken(a.token), client.WithSession(a.session))
	return a.last
}

func (a *app) post(t *testing.T, node config.Ready, text string, v social.Visibility) string {
	t.Helper()
	var reply client.Reply
	p, err := a.at(node).Post(client.Capture(t.Context(), &reply), client.NewPost{Text: text, Visibility: v})
	if err != nil || reply.Copies < 2 {
		t.Fatalf("post %q: %d copies, %v", text, reply.Copies, err)
	}
	return p.ID
}

// lists gives the posts that the app finds on a node, newest first, by where it
// looks.
func (a *app) lists(t *testing.T, node config.Ready, author string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for where, list := range map[string]func(c *client.Client) (social.Page[social.Post], error){
		"author": func(c *client.Client) (social.Page[social.Post], error) {
			return c.UserPosts(t.Context(), author, social.Cut{})
		},
		"home": func(c *client.Client) (social.Page[social.Post], error) { return c.Home(t.Context(), social.Cut{}) },
		"public": func(c *client.Client) (social.Page[social.Post], error) {
			p, err := c.Public(t.Context(), social.Cut{})
			return p.Page, err
		},
	} {
		page, err := list(a.at(node))
		if err != nil {
			t.Errorf("%s: %v", where, err)
		}
		for _, p := range page.Items {
			found[where] = append(found[where], p.Text)
		}
	}
	return found
}

// sees checks at once what the app finds on a node.
func (a *app) sees(t *testing.T, node config.Ready, author string, home, mine, public []string) {
	t.Helper()
	got := a.lists(t, node, author)
	for where, want := range map[string][]string{"home": home, "author": mine, "public": public} {
		if !slices.Equal(got[where], want) {
			t.Errorf("%s shows %q, want %q", where, got[where], want)
		}
	}
}

// soon waits for what follows from a fact.
func soon(t *testing.T, what string, holds func() bool) {
	t.Helper()
	poll, patience := time.NewTicker(5*time.Millisecond), time.NewTimer(20*time.Second)
	defer poll.Stop()
	defer patience.Stop()
	for !holds() {
		select {
		case <-poll.C:
		case <-patience.C:
			t.Fatalf("never came about: %s", what)
		}
	}
}

func wantStatus(t *testing.T, what string, err error, status int) {
	t.Helper()
	if client.StatusOf(err) != status {
		t.Errorf("%s: %v, want %d", what, err, status)
	}
}

// TestAnAppIsServedByEveryNodeAndByThoseThatAreLeft follows three people through
// three nodes, of which one goes half-way.
func TestAnAppIsServedByEveryNodeAndByThoseThatAreLeft(t *testing.T) {
	t.Parallel()
	first := config.Default(t.TempDir())
	another := func(t *testing.T, join config.Ready) config.Ready {
		cfg := config.Default(t.TempDir())
		cfg.SecretFile, cfg.Join = first.Data+"/secret", []string{join.Gossip}
		return machine(t, cfg)
	}
	a := machine(t, first)
	b := another(t, a)
	var ada, bob, eve *app
	t.Run("three nodes", func(t *testing.T) {
		nodes := []config.Ready{a, b, another(t, a)}
		ada, bob, eve = newApp(t, nodes[0], "ada"), newApp(t, nodes[1], "Bob"), newApp(t, nodes[2], "eve")
		aNameHasOneOwner(t, nodes, bob)
		postsReachWhomTheyAreFor(t, nodes, ada, bob, eve)
		aKeyPostsOnce(t, nodes, eve)
		aSessionEndsEverywhere(t, nodes)
	}) // the third node goes
	t.Run("two are left", func(t *testing.T) {
		twoNodesCarryOn(t, a, b, ada, bob)
		anAccountGoesWithAllItHad(t, a, b, ada, bob)
	})
}

func aNameHasOneOwner(t *testing.T, nodes []config.Ready, bob *app) {
	for i, n := range nodes {
		u, err := bob.at(n).User(t.Context(), "@BOB")
		if err != nil || u.ID != bob.id || u.Username != "bob" {
			t.Errorf("node %d: @BOB is %+v, %v", i, u, err)
		}
		_, err = bob.at(n).SignUp(t.Context(), client.SignUp{Username: "bOb", Password: "a long password"})
		wantStatus(t, "a taken name", err, http.StatusConflict)
	}
}

func postsReachWhomTheyAreFor(t *testing.T, nodes []config.Ready, ada, bob, eve *app) {
	if err := bob.at(nodes[2]).Follow(t.Context(), "@bob", "@ada"); err != nil {
		t.Fatal(err)
	}
	soon(t, "ada hears of her follower", func() bool {
		p, err := ada.at(nodes[0]).Followers(t.Context(), ada.id, social.Cut{})
		return err == nil && len(p.Items) == 1 && p.Items[0].ID == bob.id
	})
	ids := []string{
		ada.post(t, nodes[0], "to all", social.Public),
		ada.post(t, nodes[1], "to followers", social.Followers),
		ada.post(t, nodes[2], "to @eve", social.Direct),
	}
	all, followed, direct, public := []string{"to @eve", "to followers", "to all"}, []string{"to followers", "to all"}, []string{"to @eve", "to all"}, []string{"to all"}
	for _, n := range nodes {
		ada.sees(t, n, "@ada", all, all, public) // her own, at once
		soon(t, "bob's home is full", func() bool { return len(bob.lists(t, n, "@ada")["home"]) == 2 })
		bob.sees(t, n, "@ada", followed, followed, public)
		soon(t, "eve got the message", func() bool { return len(eve.lists(t, n, "@ada")["home"]) == 1 })
		eve.sees(t, n, "@ada", direct[:1], direct, public)
		_, err := eve.at(n).GetPost(t.Context(), ids[1])
		wantStatus(t, "a post that is not for eve", err, http.StatusNotFound)
		_, err = bob.at(n).EditPost(t.Context(), ids[0], "mine")
		wantStatus(t, "another's post", err, http.StatusForbidden)
	}
	if err := ada.at(nodes[1]).DeletePost(t.Context(), ids[2]); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		ada.sees(t, n, "@ada", followed, followed, public)
		soon(t, "the message is gone", func() bool { return len(eve.lists(t, n, "@ada")["home"]) == 0 })
	}
}

func aKeyPostsOnce(t *testing.T, nodes []config.Ready, eve *app) {
	ids := make([]string, 2*len(nodes))
	var all sync.WaitGroup
	for i := range ids {
		c := eve.at(nodes[i%len(nodes)])
		all.Go(func() {
			var reply client.Reply
			p, err := c.Post(client.Capture(t.Context(), &reply), client.NewPost{Text: "once", Visibility: social.Direct, Key: "k"})
			if err != nil || reply.Copies < 1 {
				t.Errorf("with a key: %d copies, %v", reply.Copies, err)
			}
			ids[i] = p.ID
		})
	}
	all.Wait()
	if slices.Sort(ids); ids[0] != ids[len(ids)-1] {
		t.Errorf("one key made the posts %q", slices.Compact(ids))
	}
	for _, n := range nodes {
		var reply client.Reply
		p, err := eve.at(n).Post(client.Capture(t.Context(), &reply), client.NewPost{Text: "later", Key: "k"})
		if err != nil || p.ID != ids[0] || p.Text != "once" || reply.Copies < 2 {
			t.Errorf("a repetition: %+v on %d copies, %v", p, reply.Copies, err)
		}
	}
}

func aSessionEndsEverywhere(t *testing.T, nodes []config.Ready) {
	dan := newApp(t, nodes[0], "dan")
	other, err := dan.at(nodes[1]).LogIn(t.Context(), "DAN", "a long password")
	if err != nil {
		t.Fatal(err)
	}
	if err := dan.at(nodes[2]).LogOut(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		_, err := dan.at(n).Home(t.Context(), social.Cut{})
		wantStatus(t, "a logged-out token", err, http.StatusUnauthorized)
		if _, err := dan.at(n).With(client.WithToken(other.Token)).Home(t.Context(), social.Cut{}); err != nil {
			t.Errorf("the other session: %v", err)
		}
	}
}

func twoNodesCarryOn(t *testing.T, a, b config.Ready, ada, bob *app) {
	want := []string{"to followers", "to all"}
	for i, n := range []config.Ready{a, b, a, b} {
		text := fmt.Sprint("after ", i)
		ada.post(t, n, text, social.Followers)
		want = append([]string{text}, want...)
	}
	for _, n := range []config.Ready{a, b} {
		ada.sees(t, n, "@ada", want, want, []string{"to all"})
		soon(t, "bob hears from those that are left", func() bool {
			return slices.Equal(bob.lists(t, n, "@ada")["home"], want)
		})
	}
	var reply client.Reply
	_, err := ada.at(a).With(client.WithDurability("3")).Post(client.Capture(t.Context(), &reply), client.NewPost{Text: "thrice", Visibility: social.Direct})
	wantStatus(t, "three copies on two nodes", err, http.StatusServiceUnavailable)
	if reply.Copies != 2 {
		t.Errorf("it is kept on %d copies, want 2", reply.Copies)
	}
}

func anAccountGoesWithAllItHad(t *testing.T, a, b config.Ready, ada, bob *app) {
	if err := ada.at(a).DeleteUser(t.Context(), "@ada"); err != nil {
		t.Fatal(err)
	}
	_, err := ada.at(b).Home(t.Context(), social.Cut{})
	wantStatus(t, "the token of a deleted account", err, http.StatusUnauthorized)
	for _, n := range []config.Ready{a, b} {
		soon(t, "her posts are in no list", func() bool {
			home, err := bob.at(n).Home(t.Context(), social.Cut{})
			public, err2 := bob.at(n).Public(t.Context(), social.Cut{})
			return err == nil && err2 == nil && len(home.Items)+len(public.Items) == 0
		})
		soon(t, "nobody follows her", func() bool {
			p, err := bob.at(n).Following(t.Context(), "@bob", social.Cut{})
			return err == nil && len(p.Items) == 0
		})
	}
	soon(t, "her name is free", func() bool {
		_, err := bob.at(b).SignUp(t.Context(), client.SignUp{Username: "ada", Password: "a long password"})
		return err == nil
	})
}
