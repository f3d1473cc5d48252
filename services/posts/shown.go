package posts

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"grapevine/services/social"
	"grapevine/store"
)

// sight is what a viewer sees of a post. Original is not nil for a repost. Absent says
// that nothing is seen because the post, or what it passes on, was not found.
type sight struct {
	*view
	original *view
	absent   bool
}

// subject is the post that was written: it is what is liked and counted.
func (s sight) subject() *view {
	if s.original != nil {
		return s.original
	}
	return s.view
}

// sights gives what a viewer sees of posts: nothing of a repost whose original is
// not to be seen.
func (s *Service) sights(ctx context.Context, viewer social.Identity, ids []string) ([]sight, error) {
	views, absent, err := s.visible(ctx, viewer, ids)
	if err != nil {
		return nil, err
	}
	all := make([]sight, len(ids))
	var originals []string
	for i, v := range views {
		all[i].view, all[i].absent = v, absent[i]
		if v != nil && v.post.RepostOf != "" {
			originals = append(originals, v.post.RepostOf)
		}
	}
	if len(originals) == 0 {
		return all, nil
	}
	if views, absent, err = s.visible(ctx, viewer, originals); err != nil {
		return nil, err
	}
	for i, v := range all {
		if v.view == nil || v.post.RepostOf == "" {
			continue
		}
		if all[i].original = views[0]; views[0] == nil || views[0].post.Visibility != social.Public {
			all[i] = sight{absent: absent[0]}
		}
		views, absent = views[1:], absent[1:]
	}
	return all, nil
}

// encoded gives the JSON of what is seen, nil for nothing.
func (s *Service) encoded(ctx context.Context, viewer social.Identity, seen []sight) ([]json.RawMessage, error) {
	subjects, size := make([]*view, 0, len(seen)), 0
	for _, v := range seen {
		if v.view != nil {
			subjects = append(subjects, v.subject())
			size += v.size()
		}
	}
	// What cannot be read at the moment is left out: the posts are worth more.
	counts, err := optional(s.counts(ctx, subjects))
	if err != nil {
		return nil, err
	}
	marks, err := optional(s.marks(ctx, viewer, subjects))
	if err != nil {
		return nil, err
	}
	raw, b := make([]json.RawMessage, len(seen)), make([]byte, 0, size)
	next := 0
	for i, v := range seen {
		if v.view == nil {
			continue
		}
		from := len(b)
		b = v.append(b, at(counts, next).shown(), at(marks, next))
		raw[i] = b[from:len(b):len(b)]
		next++
	}
	return raw, nil
}

// optional makes nothing of what cannot be reached.
func optional[T any](all []T, err error) ([]T, error) {
	if errors.Is(err, store.ErrUnavailable) {
		return nil, nil
	}
	return all, err
}

func at[T any](all []T, i int) *T {
	if i < len(all) {
		return &all[i]
	}
	return nil
}

// moreSize bounds the bytes that append adds to an encoded post.
const moreSize = 160

func (s sight) size() int {
	n := len(s.raw) + moreSize
	if s.original != nil {
		n += len(s.original.raw) + moreSize
	}
	return n
}

// append adds the JSON of what is seen.
func (s sight) append(b []byte, counts *social.PostCounts, marks *social.PostViewer) []byte {
	b = append(b, s.raw[:len(s.raw)-1]...)
	if s.original != nil {
		b = append(b, `,"reposted":`...)
		b = sight{view: s.original}.append(b, counts, marks)
		return append(b, '}')
	}
	if counts != nil {
		b = strconv.AppendInt(append(b, `,"counts":{"likes":`...), int64(counts.Likes), 10)
		b = strconv.AppendInt(append(b, `,"reposts":`...), int64(counts.Reposts), 10)
		b = strconv.AppendInt(append(b, `,"replies":`...), int64(counts.Replies), 10)
		b = append(b, '}')
	}
	if marks != nil {
		b = strconv.AppendBool(append(b, `,"viewer":{"liked":`...), marks.Liked)
		b = strconv.AppendBool(append(b, `,"reposted":`...), marks.Reposted)
		b = append(b, '}')
	}
	return append(b, '}')
}
