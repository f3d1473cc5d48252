package search

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"grapevine/services/scatter"
	"grapevine/services/schema"
	"grapevine/services/search/text"
	"grapevine/services/social"
	"grapevine/store"
)

// Posts gives posts to those who may see them.
type Posts interface {
	// Select returns posts as JSON, in a slice as long as ids: nil stands for one that
	// does not exist, that the viewer may not see, or that the filter leaves out.
	Select(ctx context.Context, viewer social.Identity, ids []string, f social.PostFilter) ([]json.RawMessage, error)
}

// Users finds accounts.
type Users interface {
	// Resolve gives the id of the user of a ref, an id or @name, or NotFound.
	Resolve(ctx context.Context, ref string) (string, error)
	// GetMany returns the users of the ids that exist, in their order.
	GetMany(ctx context.Context, ids []string) ([]social.User, error)
}

// Relations tells whom a reader does not see. An empty reader sees all.
type Relations interface {
	// Barred gives those of the users of whom the reader sees nothing, because one of
	// the two blocks the other.
	Barred(ctx context.Context, reader string, users []string) (map[string]bool, error)
}

// Nodes is the nodes of the cluster.
type Nodes interface {
	scatter.Nodes
	// Ask sends a request to the Indexer of a node, this one included.
	Ask(ctx context.Context, node string, request []byte) ([]byte, error)
}

// ServiceConfig is what the service needs. All but Metrics is required.
type ServiceConfig struct {
	Posts     Posts
	Users     Users
	Relations Relations
	Nodes     Nodes
	Metrics   prometheus.Registerer // nil means none
}

// Service is the search. It is safe for concurrent use.
type Service struct {
	cfg     ServiceConfig
	metrics *queryMetrics
}

// New makes the service.
func New(cfg ServiceConfig) *Service {
	return &Service{cfg: cfg, metrics: newQueryMetrics(cfg.Metrics)}
}

// Posts finds posts that the viewer may see. Hits of the index are candidates:
// each is selected as for a timeline, so that an index that lags shows nothing that was
// deleted or is not for the viewer. An author who was asked for may be a muted one.
func (s *Service) Posts(ctx context.Context, viewer social.Identity, in social.Search, cut social.Cut) (social.Page[social.Finding], store.Coverage, error) {
	in.Type = social.SearchPosts
	author := in.Author
	w, err := read(in)
	if err == nil && author != "" {
		w.Author, err = s.author(ctx, author)
	}
	if err != nil {
		return social.Page[social.Finding]{}, store.Coverage{}, err
	}
	var q *text.Query
	return find(ctx, s, w, cut, func(parsed *text.Query) { q = parsed }, func(ctx context.Context, ids []string) ([]*social.Finding, error) {
		shown, err := s.cfg.Posts.Select(ctx, viewer, ids, social.PostFilter{Unmuted: author == ""})
		if err != nil {
			return nil, err
		}
		return findings(q, shown)
	})
}

// findings marks what matched in posts.
func findings(q *text.Query, posts []json.RawMessage) ([]*social.Finding, error) {
	out := make([]*social.Finding, len(posts))
	for i, raw := range posts {
		if raw == nil {
			continue
		}
		var p social.Post
		if err := json.Unmarshal(raw, &p); err != nil {
			return nil, fmt.Errorf("a post to be shown: %w", err)
		}
		out[i] = &social.Finding{Post: raw, Highlight: q.Highlight(p.Text)}
	}
	return out, nil
}

// author gives the id of the author that is searched. One who is not there is a
// fault of that parameter.
func (s *Service) author(ctx context.Context, ref string) (string, error) {
	id, err := s.cfg.Users.Resolve(ctx, ref)
	if social.KindOf(err) == social.NotFound {
		return "", social.InvalidField("author", "there is no user %.40q", ref)
	}
	return id, err
}

// Users finds users by the beginnings of their names, but for those whom a block
// keeps from the viewer.
func (s *Service) Users(ctx context.Context, viewer social.Identity, in social.Search, cut social.Cut) (social.Page[social.User], store.Coverage, error) {
	in.Type = social.SearchUsers
	w, err := read(in)
	if err != nil {
		return social.Page[social.User]{}, store.Coverage{}, err
	}
	return find(ctx, s, w, cut, func(*text.Query) {}, func(ctx context.Context, ids []string) ([]*social.User, error) {
		out := make([]*social.User, len(ids))
		users, err := s.cfg.Users.GetMany(ctx, ids)
		if err != nil {
			return nil, err
		}
		var barred map[string]bool
		if !viewer.Anonymous() {
			barred, err = s.cfg.Relations.Barred(ctx, viewer.User, ids)
		}
		for i := range users {
			if !barred[users[i].ID] {
				out[slices.Index(ids, users[i].ID)] = &users[i]
			}
		}
		return out, err
	})
}

// Bounds of how many candidates one page looks at in search of what may be shown.
const maxLooked = 2000

// find fills a page with what load gives for hits, nil for what is not to be shown.
func find[T any](ctx context.Context, s *Service, w what, cut social.Cut, parsed func(*text.Query), load func(context.Context, []string) ([]*T, error)) (social.Page[T], store.Coverage, error) {
	defer s.metrics.time(w.Type)()
	page := social.Page[T]{Items: []T{}}
	scan, limit, err := s.begin(ctx, w, cut, parsed)
	if err != nil {
		return page, store.Coverage{}, err
	}
	for looked := 0; looked < maxLooked; {
		hits, err := scan.next(ctx, limit+1)
		if err != nil {
			return page, scan.coverage, err
		}
		items, err := load(ctx, idsOf(hits))
		if err != nil {
			return page, scan.coverage, err
		}
		for i, item := range items {
			if item == nil {
				continue
			}
			if len(page.Items) == limit {
				page.Next = scan.last.String()
				return page, scan.coverage, nil
			}
			page.Items = append(page.Items, *item)
			scan.pass(hits[i])
		}
		if len(hits) <= limit {
			return page, scan.coverage, nil
		}
		scan.pass(hits[len(hits)-1])
		looked += len(hits)
	}
	page.Next = scan.last.String()
	return page, scan.coverage, nil
}

func idsOf(hits []text.Hit) []string {
	ids := make([]string, len(hits))
	for i, h := range hits {
		ids[i] = h.ID
	}
	return ids
}

// scan is a walk through the hits of all nodes.
type scan struct {
	s        *Service
	what     what
	last     place
	after    *text.Hit
	coverage store.Coverage
}

// begin checks the words and the cursor of a search, and counts what its ranking
// depends on unless the cursor tells.
func (s *Service) begin(ctx context.Context, w what, cut social.Cut, parsed func(*text.Query)) (*scan, int, error) {
	limit, cursor, err := verify(cut)
	if err != nil {
		return nil, 0, err
	}
	q, err := w.parse()
	if err != nil {
		return nil, 0, err
	}
	parsed(q)
	sc := &scan{s: s, what: w}
	at, err := parsePlace(cursor, w.Type, q.Leafs())
	if err != nil {
		return nil, 0, err
	}
	switch {
	case at != nil:
		sc.last, sc.after = *at, &text.Hit{Score: at.Score, ID: at.ID}
	case w.Newest || w.Type == social.SearchUsers:
		sc.last.Stats.Found = make([]uint64, q.Leafs()) // nothing depends on them
	default:
		sc.last.Stats.Found = make([]uint64, q.Leafs())
		_, err = s.gather(ctx, request{Step: stepCount, What: w}, func(a answer) { sc.last.Stats.Add(a.Stats) })
	}
	return sc, limit, err
}

// verify gives a cut's limit and cursor, which is not of the kind that other lists
// have.
func verify(cut social.Cut) (int, string, error) {
	plain, err := schema.Verify(social.Cut{Limit: cut.Limit})
	return plain.Limit, cut.Cursor, err
}

func (sc *scan) pass(h text.Hit) {
	sc.last.Score, sc.last.ID = h.Score, h.ID
	sc.after = &h
}

// next gives the next hits, up to limit. The coverage is the worst of all calls.
func (sc *scan) next(ctx context.Context, limit int) ([]text.Hit, error) {
	var all []text.Hit
	r := request{Step: stepFind, What: sc.what, Stats: sc.last.Stats, After: sc.after, Limit: limit}
	coverage, err := sc.s.gather(ctx, r, func(a answer) { all = append(all, a.Hits...) })
	if err != nil {
		return nil, err
	}
	if sc.coverage.Asked == 0 || coverage.Answered < sc.coverage.Answered {
		sc.coverage = coverage
	}
	slices.SortFunc(all, text.Compare)
	all = slices.CompactFunc(all, func(a, b text.Hit) bool { return a.ID == b.ID })
	return all[:min(len(all), limit)], nil
}

// Tags finds hashtags by their beginning, those of most posts first.
func (s *Service) Tags(ctx context.Context, in social.Search, cut social.Cut) (social.Page[social.TagFinding], store.Coverage, error) {
	defer s.metrics.time(social.SearchTags)()
	in.Type = social.SearchTags
	page := social.Page[social.TagFinding]{Items: []social.TagFinding{}}
	w, err := read(in)
	if err == nil {
		_, err = text.ParseTag(w.Query)
	}
	limit, cursor, err2 := verify(cut)
	after, err3 := parsePlace(cursor, w.Type, 0)
	for _, err := range []error{err, err2, err3} {
		if err != nil {
			return page, store.Coverage{}, err
		}
	}
	posts := map[string]int{}
	coverage, err := s.gather(ctx, request{Step: stepFind, What: w}, func(a answer) {
		for _, t := range a.Tags {
			posts[t.Name] += t.Posts
		}
	})
	if err != nil {
		return page, coverage, err
	}
	var all []text.Tag
	for name, n := range posts {
		t := text.Tag{Name: name, Posts: n}
		if after == nil || compareTags(t, text.Tag{Name: after.ID, Posts: int(after.Score)}) > 0 {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, compareTags)
	for _, t := range all[:min(len(all), limit)] {
		page.Items = append(page.Items, social.TagFinding{Tag: t.Name, Posts: t.Posts})
	}
	if len(all) > limit {
		last := all[limit-1]
		page.Next = place{Score: float64(last.Posts), ID: last.Name}.String()
	}
	return page, coverage, nil
}

// compareTags orders tags by posts, and equals by name.
func compareTags(a, b text.Tag) int {
	if a.Posts != b.Posts {
		return b.Posts - a.Posts
	}
	return strings.Compare(a.Name, b.Name)
}
