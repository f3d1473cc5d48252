package live

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"grapevine/services/social"
)

func TestAnEventsIDSaysWhichPublicPostsWereGiven(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		begun := time.UnixMilli(1_700_000_000_000)
		g := newGiven(begun)
		var ids []string
		for range rapid.IntRange(0, 2*keep).Draw(t, "posts") {
			made := begun.Add(time.Duration(rapid.Int64Range(-5_000, 100_000).Draw(t, "made")) * time.Millisecond)
			id := social.NewID(3, made)
			if g.lacks(id) {
				g.add(id)
				ids = append(ids, id)
			}
		}
		c, err := parseCursor(cursor{1: {given: g}}.String())
		if err != nil {
			t.Fatal(err)
		}
		got := c[1].given
		if got.at != g.at || got.from != g.from || !slices.Equal(got.posts, g.posts) {
			t.Fatalf("%+v comes back as %+v", g, got)
		}
		// Of what a resumed stream looks at, nothing was given.
		slices.Sort(ids)
		for _, id := range ids[max(0, len(ids)-keep):] {
			if !social.TimeOf(id).Before(got.since()) && got.lacks(id) {
				t.Errorf("%s is given again", social.TimeOf(id))
			}
		}
		if fresh := social.NewID(3, begun.Add(time.Hour)); !got.lacks(fresh) {
			t.Error("a post that was never given counts as given")
		}
	})
}

func TestANodeThatFailedToHostIsRememberedOnlyWhileItIsAvoided(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHub(Config{Now: time.Now}, newMetrics(nil))
		for range 1000 {
			h.avoid[social.NewID(uint16(rand.Uint32()), time.Now())] = time.Now()
		}
		time.Sleep(avoidTime)
		h.avoid["failed just now"] = time.Now()
		h.placeAll(t.Context())
		if len(h.avoid) != 1 || !h.failing("failed just now") {
			t.Errorf("%d nodes are remembered, want the one that failed just now", len(h.avoid))
		}
	})
}
