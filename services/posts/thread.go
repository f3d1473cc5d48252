package posts

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"grapevine/services/schema"
	"grapevine/services/social"
)

// Bounds of a thread.
const (
	maxAncestors   = 40
	maxDepth       = 20  // of descendants; those below are in the threads of those above
	maxDescendants = 500 // looked at for one page
	threadChunk    = 40  // replies read at once
)

// Thread gives a post that the viewer may see, the posts up the line that it
// answers as far as the viewer may see them, and a page of those that answer it:
// each follows what it answers, and the replies to one are in the order in which
// they were made. What answers a post that the viewer may not see is not shown.
func (s *Service) Thread(ctx context.Context, viewer social.Identity, id string, cut social.Cut) (social.Thread[json.RawMessage], error) {
	var none social.Thread[json.RawMessage]
	from, err := threadCursor(cut.Cursor)
	if err != nil {
		return none, err
	}
	if cut, err = schema.Verify(social.Cut{Limit: cut.Limit}); err != nil {
		return none, err
	}
	root, err := s.sight(ctx, viewer, id)
	if err != nil {
		return none, err
	}
	root = sight{view: root.subject()}
	ancestors, err := s.ancestors(ctx, viewer, root.post)
	if err != nil {
		return none, err
	}
	w := walk{Service: s, viewer: viewer, limit: cut.Limit}
	more, err := w.under(ctx, root.post.ID, from)
	if err != nil {
		return none, err
	}
	raw, err := s.encoded(ctx, viewer, slices.Concat(ancestors, []sight{root}, w.found))
	if err != nil {
		return none, err
	}
	n := len(ancestors)
	thread := social.Thread[json.RawMessage]{Ancestors: raw[:n], Post: raw[n], Descendants: raw[n+1:]}
	if more {
		thread.Next = strings.Join(w.last, cursorSeparator)
	}
	return thread, nil
}

// A thread's cursor is the line from the post down to the descendant that was
// looked at last.
const cursorSeparator = "."

func threadCursor(cursor string) ([]string, error) {
	if cursor == "" {
		return nil, nil
	}
	path := strings.Split(cursor, cursorSeparator)
	for _, id := range path {
		if _, ok := social.SlotOf(id); !ok || len(path) > maxDepth {
			return nil, social.InvalidField("cursor", "is not one that this thread gave as next")
		}
	}
	return path, nil
}

// ancestors gives what a post answers, up to the first that the viewer does not
// see, the farthest first.
func (s *Service) ancestors(ctx context.Context, viewer social.Identity, p social.Post) ([]sight, error) {
	var up []sight
	for p.ReplyTo != "" && len(up) < maxAncestors {
		found, err := s.sights(ctx, viewer, []string{p.ReplyTo})
		if err != nil {
			return nil, err
		}
		if found[0].view == nil {
			break
		}
		up = append(up, found[0])
		p = found[0].post
	}
	slices.Reverse(up)
	return up, nil
}

// walk goes through the replies to a post, depth first.
type walk struct {
	*Service
	viewer  social.Identity
	limit   int
	found   []sight
	visited int
	path    []string // to where it is
	last    []string // to what it looked at last
}

// under walks through what answers a post, beginning after what a path leads to,
// and says whether it stopped before the end.
func (w *walk) under(ctx context.Context, parent string, from []string) (stopped bool, err error) {
	if len(w.path) == maxDepth {
		return false, nil
	}
	after := ""
	if len(from) > 0 {
		after = from[0]
		if stopped, err := w.resume(ctx, after, from[1:]); stopped || err != nil {
			return stopped, err
		}
	}
	for {
		ids, err := w.replies(ctx, parent, after)
		if err != nil {
			return false, err
		}
		if stopped, err := w.through(ctx, ids); stopped || err != nil {
			return stopped, err
		}
		if len(ids) < threadChunk {
			return false, nil
		}
		after = ids[len(ids)-1]
	}
}

// resume goes on under a post that an earlier page came to, if it is to be seen.
func (w *walk) resume(ctx context.Context, id string, from []string) (stopped bool, err error) {
	seen, err := w.sights(ctx, w.viewer, []string{id})
	if err != nil || seen[0].view == nil {
		return false, err
	}
	return w.into(ctx, id, from)
}

func (w *walk) into(ctx context.Context, id string, from []string) (stopped bool, err error) {
	w.path = append(w.path, id)
	stopped, err = w.under(ctx, id, from)
	w.path = w.path[:len(w.path)-1]
	return stopped, err
}

func (w *walk) replies(ctx context.Context, parent, after string) ([]string, error) {
	entries, err := w.rows.Scan(ctx, schema.Of(schema.FamilyReply, parent, after, false, threadChunk))
	if err != nil {
		return nil, fmt.Errorf("read replies to post %s: %w", parent, err)
	}
	return schema.Others(entries), nil
}

// through looks at replies to one post, and at what is under each.
func (w *walk) through(ctx context.Context, ids []string) (stopped bool, err error) {
	seen, err := w.sights(ctx, w.viewer, ids)
	if err != nil {
		return false, err
	}
	leaves, err := w.leaves(ctx, seen)
	if err != nil {
		return false, err
	}
	for i, v := range seen {
		if len(w.found) == w.limit && v.view != nil || w.visited == maxDescendants {
			return true, nil
		}
		w.visited++
		w.last = append(slices.Clone(w.path), ids[i])
		if v.view == nil {
			continue
		}
		w.found = append(w.found, v)
		if leaves[ids[i]] {
			continue
		}
		if stopped, err := w.into(ctx, ids[i], nil); stopped || err != nil {
			return stopped, err
		}
	}
	return false, nil
}

// leaves gives the ids of posts that nothing is known to answer.
func (w *walk) leaves(ctx context.Context, seen []sight) (map[string]bool, error) {
	var views []*view
	for _, v := range seen {
		if v.view != nil {
			views = append(views, v.view)
		}
	}
	counts, err := optional(w.counts(ctx, views))
	leaves := map[string]bool{}
	for i, c := range counts {
		leaves[views[i].post.ID] = c.Replies+c.hidden == 0
	}
	return leaves, err
}
