package node_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"grapevine/node"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// as sends a request for an account and decodes the reply, which must be good.
func as(b *testing.B, n *node.Node, who *account, method, path string, body, out any) {
	b.Helper()
	var text bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&text).Encode(body); err != nil {
			b.Fatal(err)
		}
	}
	r := httptest.NewRequest(method, path, &text)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+who.Session.Token)
	w := httptest.NewRecorder()
	n.Handler().ServeHTTP(w, r)
	if w.Code >= 300 {
		b.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	if out != nil {
		if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
			b.Fatal(err)
		}
	}
}

func join(b *testing.B, n *node.Node, name string) *account {
	b.Helper()
	a := &account{}
	as(b, n, a, "POST", "/v1/users", map[string]string{"username": name, "password": "a long password"}, a)
	return a
}

// idle waits until fan-out has done all that the logs tell of.
func idle(b *testing.B, nodes []*node.Node) {
	b.Helper()
	for _, n := range nodes {
		idles(b, n)
	}
}

func idles(b *testing.B, n *node.Node) {
	b.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		at, err := n.Store().Cursor(b.Context(), "fanout")
		if err != nil {
			b.Fatal(err)
		}
		left, err := n.Store().Changes(b.Context(), at, 1)
		if err != nil {
			b.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			b.Fatal("fan-out does not come to an end")
		}
	}
}

// BenchmarkAPostTo100000Followers measures how long an author waits for the answer to
// a post, how long until a follower's home shows it, and until fan-out is idle: with
// posts pushed to everybody, and with an author who is broad, whose first post is the
// one that makes it so.
func BenchmarkAPostTo100000Followers(b *testing.B) {
	for _, c := range []struct {
		name         string
		nodes, limit int
	}{{"pushed", 1, 1_000_000}, {"merged", 1, 10_000}, {"pushed/three-nodes", 3, 1_000_000}, {"merged/three-nodes", 3, 10_000}} {
		nodes := together(b, c.nodes, c.limit)
		n := nodes[0]
		hub := join(b, n, "hub")
		var ms []store.Mutation
		for i := range 100_000 {
			id, _ := userRow(i)
			ms = append(ms, store.Mutation{Key: schema.Follower(hub.ID, id), Op: store.Put},
				store.Mutation{Key: schema.Following(id, hub.ID), Op: store.Put})
		}
		put(b, n, ms)
		reader := join(b, n, "reader") // the last that is written to: in the order of ids
		as(b, n, reader, "PUT", "/v1/users/"+reader.ID+"/following/"+hub.ID, nil, nil)
		idle(b, nodes)
		for _, which := range []string{"first", "later"} {
			b.Run(c.name+"/"+which, func(b *testing.B) { postTo(b, nodes, hub, reader) })
		}
	}
}

func postTo(b *testing.B, nodes []*node.Node, hub, reader *account) {
	n := nodes[0]
	var acknowledged, shown, done time.Duration
	for range b.N {
		var post struct{ ID string }
		from := time.Now()
		as(b, n, hub, "POST", "/v1/posts", map[string]string{"text": "hello"}, &post)
		acknowledged += time.Since(from)
		for home := (page{}); len(home.Items) == 0 || home.Items[0].ID != post.ID; {
			as(b, n, reader, "GET", "/v1/timelines/home", nil, &home)
		}
		shown += time.Since(from)
		b.StopTimer()
		idle(b, nodes)
		done += time.Since(from)
		b.StartTimer()
	}
	b.ReportMetric(float64(acknowledged.Microseconds())/1000/float64(b.N), "ms-until-acknowledged")
	b.ReportMetric(float64(shown.Milliseconds())/float64(b.N), "ms-until-shown")
	b.ReportMetric(float64(done.Milliseconds())/float64(b.N), "ms-until-idle")
}

// BenchmarkHomeWithMergedAuthors measures a page of 40 posts for a reader whose home
// merges authors of 200 posts each: when nothing has changed since the last, and when
// one of them has posted.
func BenchmarkHomeWithMergedAuthors(b *testing.B) {
	for _, authors := range []int{0, 5, 50, 500} {
		n := alone(b)
		reader := join(b, n, "reader")
		var ms []store.Mutation
		at := time.UnixMilli(1_700_000_000_000)
		publish := func(author string) {
			slot, _ := social.SlotOf(author)
			at = at.Add(time.Millisecond)
			p := social.Post{ID: social.NewID(slot, at), Author: author, Text: "hello", Visibility: social.Public}
			ms = append(ms, schema.Listed(p, ""), store.Mutation{Key: schema.Post(p.ID), Op: store.Put, Value: schema.EncodePost(p)})
		}
		var ids []string
		for i := range authors {
			id, _ := userRow(i)
			ids = append(ids, id)
			ms = append(ms, store.Mutation{Key: schema.Following(reader.ID, id), Op: store.Put},
				store.Mutation{Key: schema.Merged(reader.ID, id), Op: store.Put})
		}
		for i := range 200 * max(authors, 1) {
			if authors == 0 {
				publish(reader.ID)
				ms = append(ms, store.Mutation{Key: schema.Home(reader.ID, schema.Other(ms[len(ms)-2].Key)), Op: store.Put})
				continue
			}
			publish(ids[i%authors])
		}
		put(b, n, ms)
		idles(b, n)
		home := func(b *testing.B) {
			var p page
			if as(b, n, reader, "GET", "/v1/timelines/home", nil, &p); len(p.Items) != social.DefaultPage {
				b.Fatalf("%d posts", len(p.Items))
			}
		}
		b.Run(fmt.Sprint(authors, "/unchanged"), func(b *testing.B) {
			for range b.N {
				home(b)
			}
		})
		b.Run(fmt.Sprint(authors, "/after a post"), func(b *testing.B) {
			for i := range b.N {
				b.StopTimer()
				author := reader.ID
				if authors > 0 {
					author = ids[i%authors]
				}
				ms = ms[:0]
				publish(author)
				put(b, n, ms)
				b.StartTimer()
				home(b)
			}
		})
	}
}

// BenchmarkCountsOfAPage measures the counts of 40 posts, of three kinds each, where none
// are cached: one call each, and one for all.
func BenchmarkCountsOfAPage(b *testing.B) {
	n := alone(b)
	var ms []store.Mutation
	var ranges []store.Range
	for range 40 {
		post := social.NewID(social.RandomSlot(), time.Now())
		for i := range 5 {
			id, _ := userRow(i)
			ms = append(ms, store.Mutation{Key: schema.Like(post, id), Op: store.Put})
		}
		for _, family := range []store.Family{schema.FamilyLike, schema.FamilyRepost, schema.FamilyReply} {
			ranges = append(ranges, schema.Of(family, post, "", false, social.MaxCount))
		}
	}
	put(b, n, ms)
	b.Run("each", func(b *testing.B) {
		for range b.N {
			for _, r := range ranges {
				if _, err := n.Store().Count(b.Context(), r); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("at once", func(b *testing.B) {
		for range b.N {
			if _, err := n.Store().CountMany(b.Context(), ranges); err != nil {
				b.Fatal(err)
			}
		}
	})
}
