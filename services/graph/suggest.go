package graph

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Bounds of the work of a suggestion: so many of those whom the user follows are
// looked at, and so many of those whom each of them follows, some at once.
const (
	suggestFollowees = 128
	suggestEdges     = 200
	suggestAtOnce    = 16
)

// candidate is an account that may be suggested.
type candidate struct {
	id     string
	common []string // those who follow it, ascending; of the first, MaxSuggestionNames
	count  int
}

// before orders candidates: the most in common first, and then the oldest account.
func (c candidate) before(o candidate) int {
	if d := cmp.Compare(o.count, c.count); d != 0 {
		return d
	}
	return cmp.Compare(c.id, o.id)
}

// Suggestions lists accounts that the user of a ref does not follow and that are
// followed by those whom the user follows, the most in common first. Accounts that
// the user blocks, is blocked by, or mutes are left out where viewer is the user:
// nobody else learns of them.
func (s *Service) Suggestions(ctx context.Context, viewer social.Identity, ref string, cut social.Cut) (social.Page[social.Suggestion], error) {
	page := social.Page[social.Suggestion]{Items: []social.Suggestion{}}
	after, err := parseRank(cut.Cursor)
	if err != nil {
		return page, err
	}
	cut.Cursor = ""
	if cut, err = schema.Verify(cut); err != nil {
		return page, err
	}
	user, err := s.users.Resolve(ctx, ref)
	if err != nil {
		return page, err
	}
	ranked, err := s.rank(ctx, user, viewer.User == user)
	if err != nil {
		return page, err
	}
	if after.id != "" {
		from := slices.IndexFunc(ranked, func(c candidate) bool { return c.before(after) > 0 })
		if from < 0 {
			return page, nil
		}
		ranked = ranked[from:]
	}
	return s.fill(ctx, user, viewer.User == user, ranked, cut.Limit)
}

// fill makes a page of the first candidates that can be shown.
func (s *Service) fill(ctx context.Context, user string, own bool, ranked []candidate, limit int) (social.Page[social.Suggestion], error) {
	page := social.Page[social.Suggestion]{Items: []social.Suggestion{}}
	for len(ranked) > 0 {
		chunk := ranked[:min(social.MaxPage, len(ranked))]
		ranked = ranked[len(chunk):]
		shown, err := s.suggestions(ctx, user, own, chunk)
		if err != nil {
			return page, err
		}
		for i, item := range shown {
			if item.User.ID == "" {
				continue
			}
			page.Items = append(page.Items, item)
			if len(page.Items) == limit {
				if i+1 < len(chunk) || len(ranked) > 0 {
					page.Next = chunk[i].cursor()
				}
				return page, nil
			}
		}
	}
	return page, nil
}

// suggestions loads candidates, the zero Suggestion for one that is not to be shown.
func (s *Service) suggestions(ctx context.Context, user string, own bool, chunk []candidate) ([]social.Suggestion, error) {
	ids := make([]string, len(chunk))
	var wanted []string
	for i, c := range chunk {
		ids[i] = c.id
		wanted = append(append(wanted, c.id), c.common...)
	}
	follows, err := s.among(ctx, user, relation{
		asks:  []func(user, other string) store.Key{schema.Following},
		holds: func(rows []crdt.Row) bool { return rows[0].Exists() },
	}, ids)
	if err != nil {
		return nil, err
	}
	hidden, err := s.unwanted(ctx, user, own, ids)
	if err != nil {
		return nil, err
	}
	slices.Sort(wanted)
	found, err := s.users.GetMany(ctx, slices.Compact(wanted))
	if err != nil {
		return nil, err
	}
	users := make(map[string]social.User, len(found))
	for _, u := range found {
		users[u.ID] = u
	}
	out := make([]social.Suggestion, len(chunk))
	for i, c := range chunk {
		if u, ok := users[c.id]; ok && !hidden[c.id] && !slices.Contains(follows, c.id) {
			out[i] = social.Suggestion{User: u, Reason: c.reason(users)}
		}
	}
	return out, nil
}

func (c candidate) reason(users map[string]social.User) social.SuggestionCause {
	r := social.SuggestionCause{Common: []string{}, Count: c.count}
	for _, id := range c.common {
		if u, ok := users[id]; ok {
			r.Common = append(r.Common, u.Username)
		}
	}
	return r
}

// rank gives the candidates in their order.
func (s *Service) rank(ctx context.Context, user string, own bool) ([]candidate, error) {
	followees, err := s.neighbours(ctx, schema.FamilyFollowing, user, suggestFollowees)
	if err != nil {
		return nil, err
	}
	unwanted, err := s.unwanted(ctx, user, own, followees)
	if err != nil {
		return nil, err
	}
	followees = slices.DeleteFunc(followees, func(id string) bool { return unwanted[id] })
	theirs := make([][]string, len(followees))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(suggestAtOnce)
	for i, id := range followees {
		group.Go(func() (err error) {
			theirs[i], err = s.neighbours(ctx, schema.FamilyFollowing, id, suggestEdges)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return tally(user, followees, theirs), nil
}

// unwanted gives those of the ids whom a user blocks, is blocked by, or mutes; none
// where nobody is to learn of that.
func (s *Service) unwanted(ctx context.Context, user string, own bool, ids []string) (map[string]bool, error) {
	all := map[string]bool{}
	if !own {
		return all, nil
	}
	for k := range kinds {
		found, err := s.named(ctx, user, ids, k)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, found)
	}
	return all, nil
}

// tally counts how many of a user's followees follow each account.
func tally(user string, followees []string, theirs [][]string) []candidate {
	at := map[string]int{}
	var all []candidate
	for i, ids := range theirs {
		for _, id := range ids {
			if id == user || slices.Contains(followees, id) {
				continue
			}
			n, known := at[id]
			if !known {
				n, at[id] = len(all), len(all)
				all = append(all, candidate{id: id})
			}
			c := &all[n]
			if c.count++; len(c.common) < social.MaxSuggestionNames {
				c.common = append(c.common, followees[i])
			}
		}
	}
	slices.SortFunc(all, candidate.before)
	return all
}

// neighbours gives the first so many of those to whom a user's rows of a family lead.
func (s *Service) neighbours(ctx context.Context, family store.Family, user string, limit int) ([]string, error) {
	entries, err := s.rows.Scan(ctx, schema.Of(family, user, "", false, limit))
	if err != nil {
		return nil, fmt.Errorf("read follows of %s: %w", user, err)
	}
	return schema.Others(entries), nil
}

// cursor names a candidate's place in the order.
func (c candidate) cursor() string { return strconv.Itoa(c.count) + "-" + c.id }

// parseRank reads a cursor, the zero candidate from an empty one.
func parseRank(cursor string) (candidate, error) {
	if cursor == "" {
		return candidate{}, nil
	}
	count, id, _ := strings.Cut(cursor, "-")
	n, err := strconv.Atoi(count)
	if _, ok := social.SlotOf(id); err != nil || !ok {
		return candidate{}, social.InvalidField("cursor", "is not one that a page of this list gave as next")
	}
	return candidate{id: id, count: n}, nil
}
