package graph_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// put makes rows exist, in writes of one each.
func (f fixture) put(t testing.TB, keys ...store.Key) {
	t.Helper()
	for _, k := range keys {
		if _, err := f.rows.Write(t.Context(), store.Write{Mutations: []store.Mutation{{Key: k, Op: store.Put}}}); err != nil {
			t.Fatal(err)
		}
	}
}

// random makes follows among the users, with their mirrors, and gives them by
// follower.
func (f fixture) random(t testing.TB, seed uint64, edges int) map[string][]string {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 2))
	follows := map[string][]string{}
	for range edges {
		a, b := f.ids[random.IntN(len(f.ids))], f.ids[random.IntN(len(f.ids))]
		if a == b || slices.Contains(follows[a], b) {
			continue
		}
		follows[a] = append(follows[a], b)
		f.put(t, schema.Following(a, b), schema.Follower(b, a))
	}
	for _, ids := range follows {
		slices.Sort(ids)
	}
	return follows
}

// distances gives how many follows away everybody is, naively.
func distances(follows map[string][]string, from string) map[string]int {
	at := map[string]int{from: 0}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, id := range follows[queue[0]] {
			if _, known := at[id]; !known {
				at[id] = at[queue[0]] + 1
				queue = append(queue, id)
			}
		}
	}
	return at
}

func TestAPathIsAShortestOneOrThereIsNoneWithinSixSteps(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		f := newFixture(40)
		follows := f.random(t, seed, 50+int(seed)*20)
		for _, from := range f.ids[:10] {
			away := distances(follows, from)
			for _, to := range f.ids {
				path, err := f.Path(t.Context(), from, "@"+to)
				steps, reachable := away[to]
				if !reachable || steps > social.MaxPathSteps {
					wantKind(t, fmt.Sprint("no path, of ", steps), err, social.NotFound)
					continue
				}
				if err != nil || len(path) != steps+1 || path[0].ID != from || path[steps].ID != to {
					t.Fatalf("seed %d: path %v, %v, want one of %d steps", seed, path, err, steps)
				}
				for i := range steps {
					if !slices.Contains(follows[path[i].ID], path[i+1].ID) {
						t.Fatalf("seed %d: %s does not follow %s", seed, path[i].ID, path[i+1].ID)
					}
				}
			}
		}
	}
}

func TestAPathThroughADeletedAccountIsNone(t *testing.T) {
	t.Parallel()
	f := newFixture(3)
	f.put(t, schema.Following(f.ids[0], f.ids[1]), schema.Following(f.ids[1], f.ids[2]), schema.Follower(f.ids[2], f.ids[1]))
	delete(f.users, f.ids[1])
	_, err := f.Path(t.Context(), f.ids[0], f.ids[2])
	wantKind(t, "path", err, social.NotFound)
}

// suggested is what suggestions ought to be: for each the count, in their order.
func suggested(follows map[string][]string, user string, hidden map[string]bool) []string {
	counts := map[string]int{}
	for _, friend := range follows[user] {
		if hidden[friend] {
			continue
		}
		for _, id := range follows[friend] {
			if id != user && !hidden[id] && !slices.Contains(follows[user], id) {
				counts[id]++
			}
		}
	}
	ids := []string{}
	for id := range counts {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for i, id := range ids {
		ids[i] = fmt.Sprint(id, " ", counts[id])
	}
	return ids
}

func TestSuggestionsAreFriendsOfFriendsMostInCommonFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(40)
	follows := f.random(t, 7, 300)
	for _, user := range f.ids[:10] {
		hidden := map[string]bool{f.ids[20]: true, f.ids[21]: true, f.ids[22]: true}
		f.put(t, schema.Block(user, f.ids[20]), schema.BlockedBy(user, f.ids[21]), schema.Mute(user, f.ids[22]))
		for _, own := range []bool{true, false} {
			viewer := as(user)
			if !own {
				viewer, hidden = as(f.ids[30]), nil // who learns of no block
			}
			for _, limit := range []int{1, 7, 100} {
				got := []string{}
				for cut := (social.Cut{Limit: limit}); ; {
					page, err := f.Suggestions(t.Context(), viewer, "@"+user, cut)
					if err != nil {
						t.Fatal(err)
					}
					for _, s := range page.Items {
						got = append(got, fmt.Sprint(s.User.ID, " ", s.Reason.Count))
						if want := min(s.Reason.Count, social.MaxSuggestionNames); len(s.Reason.Common) != want {
							t.Errorf("%d names of %d in common", len(s.Reason.Common), s.Reason.Count)
						}
					}
					if cut.Cursor = page.Next; cut.Cursor == "" {
						break
					}
				}
				if want := suggested(follows, user, hidden); !slices.Equal(got, want) {
					t.Fatalf("by %d, own %v: %v, want %v", limit, own, got, want)
				}
			}
		}
	}
}

func TestMutualsFollowBoth(t *testing.T) {
	t.Parallel()
	f := newFixture(30)
	follows := f.random(t, 3, 250)
	for _, pair := range [][2]string{{f.ids[0], f.ids[1]}, {f.ids[1], f.ids[0]}, {f.ids[2], f.ids[3]}} {
		var want []string
		for _, id := range f.ids {
			if slices.Contains(follows[id], pair[0]) && slices.Contains(follows[id], pair[1]) {
				want = append(want, id)
			}
		}
		var got []string
		for cut := (social.Cut{Limit: 2}); ; {
			page, err := f.Mutuals(t.Context(), pair[0], pair[1], cut)
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range page.Items {
				got = append(got, u.ID)
			}
			if cut.Cursor = page.Next; cut.Cursor == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

func TestACursorThatNoPageGaveIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(2)
	for _, cursor := range []string{"x", "-", "1-", "1-x", "-" + f.ids[0], f.ids[0], "999999999999999999999-" + f.ids[0]} {
		_, err := f.Suggestions(t.Context(), as(f.ids[0]), f.ids[0], social.Cut{Cursor: cursor})
		wantKind(t, cursor, err, social.Invalid)
	}
}
