package httpapi

import (
	"context"
	"errors"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"grapevine/node/client"
	"grapevine/services/social"
)

// serve runs the API on loopback and gives a client of it, logged in as alice.
func serve(t *testing.T, change func(*Config)) (*client.Client, *world) {
	t.Helper()
	a, w := newAPI(t, change)
	s := httptest.NewUnstartedServer(nil)
	s.Config = Server(a, a.Log)
	s.Start()
	t.Cleanup(s.Close)
	c := client.New(s.URL, client.WithToken(aliceToken))
	t.Cleanup(c.Close)
	return c, w
}

func TestTheClientSpeaksEveryRoute(t *testing.T) {
	t.Parallel()
	c, w := serve(t, func(c *Config) { c.Faults = c.Cluster.(fakeCluster) })
	ctx, cut := t.Context(), social.Cut{Limit: 3, Cursor: "a b"}
	for name, call := range map[string]func() error{
		"SignUp": func() error {
			s, err := c.SignUp(ctx, client.SignUp{Username: "alice", Password: "correct horse"})
			return got(err, s.ID == aliceID && s.Session.Token == aliceToken)
		},
		"LogIn": func() error {
			s, err := c.LogIn(ctx, "alice", "correct horse")
			return got(err, s.Token == aliceToken && s.User == alice)
		},
		"LogOut":     func() error { return c.LogOut(ctx) },
		"User":       func() error { u, err := c.User(ctx, "@alice"); return got(err, u == alice) },
		"Users":      func() error { p, err := c.Users(ctx, cut); return got(err, len(p.Items) == 1 && p.Next == "more") },
		"UpdateUser": func() error { u, err := c.UpdateUser(ctx, aliceID, client.UserPatch{}); return got(err, u == alice) },
		"DeleteUser": func() error { return c.DeleteUser(ctx, aliceID) },
		"Account": func() error {
			a, err := c.Account(ctx, "@alice")
			return got(err, a.ID == aliceID && a.Followers == 2 && len(a.Notices) == 1 && a.Notices[0].OldUsername == "alice")
		},
		"DismissNotice": func() error { return c.DismissNotice(ctx, "@alice", postID) },
		"SetPassword": func() error {
			return c.SetPassword(ctx, "@alice", client.NewPassword{Current: "correct horse", New: "battery staple"})
		},
		"LogOutEverywhere": func() error { return c.LogOutEverywhere(ctx) },
		"Export": func() error {
			var b strings.Builder
			return got(c.Export(ctx, "@alice", &b), b.String() == "{}\n")
		},
		"Import": func() error {
			_, err := c.Import(ctx, "@alice", strings.NewReader("{}"))
			return err
		},
		"Follow":    func() error { return c.Follow(ctx, "@alice", "@bob") },
		"Unfollow":  func() error { return c.Unfollow(ctx, "@alice", "@bob") },
		"Following": func() error { p, err := c.Following(ctx, "@alice", cut); return got(err, p.Items != nil) },
		"Followers": func() error { p, err := c.Followers(ctx, "@alice", cut); return got(err, p.Items != nil) },
		"Friends":   func() error { p, err := c.Friends(ctx, "@alice", cut); return got(err, p.Items != nil) },
		"Mutuals": func() error {
			_, err := c.Mutuals(ctx, "@alice", "a b/c", cut)
			return got(err, w.refs[1] == "a b/c" && w.cut == cut)
		},
		"Suggestions": func() error {
			p, err := c.Suggestions(ctx, "@alice", cut)
			return got(err, p.Items[0].User == alice && p.Items[0].Reason.Count == 1)
		},
		"Path":     func() error { p, err := c.Path(ctx, "@alice", "@bob"); return got(err, p.Path[0] == alice) },
		"Relation": func() error { r, err := c.Relation(ctx, "@alice", "@bob"); return got(err, r.Following) },
		"Befriend": func() error {
			b, err := c.Befriend(ctx, "@alice", "@bob")
			return got(err, b.State == social.Requested)
		},
		"Unfriend": func() error { return c.Unfriend(ctx, "@alice", "@bob") },
		"FriendRequests": func() error {
			p, err := c.FriendRequests(ctx, "@alice", social.Outgoing, cut)
			return got(err, p.Items[0] == alice && w.cut == cut)
		},
		"BlockUser":   func() error { return c.BlockUser(ctx, "@alice", "@bob") },
		"UnblockUser": func() error { return c.UnblockUser(ctx, "@alice", "@bob") },
		"Blocks":      func() error { p, err := c.Blocks(ctx, "@alice", cut); return got(err, p.Items[0] == alice) },
		"MuteUser":    func() error { return c.MuteUser(ctx, "@alice", "@bob") },
		"UnmuteUser":  func() error { return c.UnmuteUser(ctx, "@alice", "@bob") },
		"Mutes":       func() error { p, err := c.Mutes(ctx, "@alice", cut); return got(err, p.Items[0] == alice) },
		"Post":        func() error { p, err := c.Post(ctx, client.NewPost{Text: "x"}); return got(err, p.ID == postID) },
		"GetPost":     func() error { p, err := c.GetPost(ctx, postID); return got(err, p.Text == hello.Text) },
		"EditPost":    func() error { p, err := c.EditPost(ctx, postID, "y"); return got(err, p.ID == postID) },
		"DeletePost":  func() error { return c.DeletePost(ctx, postID) },
		"UserPosts":   func() error { p, err := c.UserPosts(ctx, "@alice", cut); return got(err, len(p.Items) == 1) },
		"Like":        func() error { return c.Like(ctx, postID) },
		"Unlike":      func() error { return c.Unlike(ctx, postID) },
		"Likes":       func() error { p, err := c.Likes(ctx, postID, cut); return got(err, p.Items[0] == alice) },
		"Repost":      func() error { return c.Repost(ctx, postID) },
		"Unrepost":    func() error { return c.Unrepost(ctx, postID) },
		"Reposts":     func() error { p, err := c.Reposts(ctx, postID, cut); return got(err, p.Items[0] == alice) },
		"Thread": func() error {
			p, err := c.Thread(ctx, postID, cut)
			return got(err, len(p.Ancestors) == 2 && p.Post.ID == postID && p.Next == "n.1")
		},
		"PostHistory": func() error {
			p, err := c.PostHistory(ctx, postID, cut)
			return got(err, p.Items[0] == social.PostVersion{Text: "first", At: madeAt})
		},
		"Mentions": func() error { p, err := c.Mentions(ctx, cut); return got(err, len(p.Items) == 1) },
		"Tagged": func() error {
			replies := true
			only := social.PostFilter{Author: "@a b", Since: madeAt, Until: madeAt.Add(time.Nanosecond), Replies: &replies}
			p, err := c.Tagged(ctx, "größe/", cut, only)
			return got(err, len(p.Items) == 1 && w.refs[0] == "größe/" && reflect.DeepEqual(w.only, only) && w.cut == cut)
		},
		"HomeFiltered": func() error {
			_, err := c.Home(ctx, cut, social.PostFilter{Author: "@a", Tag: "t"})
			return got(err, w.only == social.PostFilter{Author: "@a", Tag: "t"})
		},
		"Home": func() error {
			p, err := c.Home(ctx, cut)
			return got(err, len(p.Items) == 2 && p.Next == `n"1` && p.Prev == `p"1`)
		},
		"Public": func() error {
			p, err := c.Public(ctx, cut)
			return got(err, p.Items != nil && p.Coverage.Answered == 250)
		},
		"Members":    func() error { m, err := c.Members(ctx); return got(err, len(m) == 1 && m[0].Self) },
		"Ring":       func() error { r, err := c.Ring(ctx); return got(err, r.Copies == 3) },
		"Partitions": func() error { p, err := c.Partitions(ctx, true); return got(err, p[0].Digest == "d") },
		"Health":     func() error { h, err := c.Health(ctx); return got(err, h.Status == client.HealthOK) },
		"Locate":     func() error { l, err := c.Locate(ctx, "@a b&c"); return got(err, l.Key == "@a b&c") },
		"Ready":      func() error { return c.Ready(ctx) },
		"Leave": func() error {
			d, err := c.With(client.WithToken(opToken)).Leave(ctx)
			return got(err, d.State == "leaving")
		},
		"Forget": func() error {
			d, err := c.With(client.WithToken(opToken)).Forget(ctx, "a b/c")
			return got(err, d.Node == "a b/c")
		},
		"Repair": func() error { return c.With(client.WithToken(opToken)).Repair(ctx) },
		"Plan": func() error {
			ch := client.Changes{Add: []string{"100:east", "50"}, Remove: []string{"a"}, Weight: []string{"b:1"}, Zone: []string{"c:"}}
			_, err := c.Plan(ctx, ch)
			return got(err, reflect.DeepEqual(w.changes, ch))
		},
		"Block": func() error { return c.With(client.WithToken(opToken)).Block(ctx, "node-b") },
	} {
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func got(err error, right bool) error {
	if err == nil && !right {
		return errors.New("the reply is not what was served")
	}
	return err
}

func TestTheClientKeepsItsSessionAndCapturesCopies(t *testing.T) {
	t.Parallel()
	c, w := serve(t, nil)
	var reply client.Reply
	if _, err := c.Post(client.Capture(t.Context(), &reply), client.NewPost{Text: "x"}); err != nil {
		t.Fatal(err)
	}
	if reply.Status != 201 || reply.Copies != 2 || reply.Session == "" || reply.RequestID == "" {
		t.Errorf("captured %+v", reply)
	}
	if _, err := c.Home(t.Context(), social.Cut{}); err != nil || len(w.req.Needs(7)) != 1 {
		t.Errorf("the next request needs %v, %v", w.req.Needs(7), err)
	}
	fresh := c.With(client.WithSession(""))
	if _, err := fresh.Home(t.Context(), social.Cut{}); err != nil || len(w.req.Needs(7)) != 0 {
		t.Errorf("another session needs %v, %v", w.req.Needs(7), err)
	}
}

func TestTheClientCarriesItsWishes(t *testing.T) {
	t.Parallel()
	c, w := serve(t, nil)
	if err := c.With(client.WithDurability("3"), client.WithConsistency("quorum")).DeletePost(t.Context(), postID); err != nil {
		t.Fatal(err)
	}
	if w.req.Durability != 3 || w.req.Consistency != 1 {
		t.Errorf("the store was asked for %d copies, consistency %d", w.req.Durability, w.req.Consistency)
	}
	if _, err := c.With(client.WithConsistency("quorum")).Users(t.Context(), social.Cut{Limit: 5}); err != nil || w.cut.Limit != 5 {
		t.Errorf("limit %d, %v", w.cut.Limit, err)
	}
}

func TestTheClientGivesProblems(t *testing.T) {
	t.Parallel()
	c, w := serve(t, nil)
	w.act = func(context.Context) error { return social.InvalidField("username", "is taken") }
	_, err := c.User(t.Context(), "@alice")
	var p *client.Problem
	if !errors.As(err, &p) || p.Status != 422 || p.Field != "username" || client.StatusOf(err) != 422 {
		t.Fatalf("got %v", err)
	}
	if want := "422 Invalid input: username: is taken"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	w.act = func(context.Context) error { return social.Errorf(social.Unavailable, "away") }
	if _, err = c.User(t.Context(), "@alice"); !errors.As(err, &p) || p.RetryAfter == 0 {
		t.Errorf("no advice on when to try again in %#v", err)
	}
}
