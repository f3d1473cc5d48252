package posts

import (
	"context"
	"encoding/json"
	"slices"

	"grapevine/services/social"
)

// Filter checks a filter and gives it in the form that Select takes: with an id
// for its author and its tag folded.
func (s *Service) Filter(ctx context.Context, f social.PostFilter) (social.PostFilter, error) {
	if f.Tag != "" {
		folded := social.FoldTag(f.Tag)
		if folded == "" {
			return f, social.InvalidField("tag", "must be letters, digits and _ of any script, not digits alone, at most %d", social.MaxTag)
		}
		f.Tag = folded
	}
	if !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until) {
		return f, social.InvalidField("until", "must be after since")
	}
	if f.Author != "" {
		id, err := s.users.Resolve(ctx, f.Author)
		if social.KindOf(err) == social.NotFound {
			return f, social.InvalidField("author", "there is no such user")
		}
		if err != nil {
			return f, err
		}
		f.Author = id
	}
	return f, nil
}

// Select is like Encoded, and leaves out what a filter does, which Filter gave. Its
// times are the lister's to see to.
func (s *Service) Select(ctx context.Context, viewer social.Identity, ids []string, f social.PostFilter) ([]json.RawMessage, error) {
	raw, _, err := s.Fresh(ctx, viewer, ids, f)
	return raw, err
}

// Fresh is Select for posts that were made just now: absent says of which nothing is
// shown because they, or what they pass on, were not found. The owner that was asked
// may not have heard of them yet.
func (s *Service) Fresh(ctx context.Context, viewer social.Identity, ids []string, f social.PostFilter) (raw []json.RawMessage, absent []bool, err error) {
	seen, err := s.sights(ctx, viewer, ids)
	if err != nil {
		return nil, nil, err
	}
	absent = make([]bool, len(ids))
	for i, v := range seen {
		absent[i] = v.absent
	}
	if f.Unmuted {
		if err := s.hideMuted(ctx, viewer, seen); err != nil {
			return nil, nil, err
		}
	}
	if f.Followed {
		if err := s.hideStrangers(ctx, viewer, seen); err != nil {
			return nil, nil, err
		}
	}
	for i, v := range seen {
		if v.view != nil && !passes(v, f) {
			seen[i] = sight{}
		}
	}
	raw, err = s.encoded(ctx, viewer, seen)
	return raw, absent, err
}

func passes(v sight, f social.PostFilter) bool {
	switch {
	case f.Public && (v.post.Visibility != social.Public || v.original != nil),
		f.Author != "" && v.post.Author != f.Author,
		f.Tag != "" && !slices.Contains(v.subject().post.Tags, f.Tag),
		f.Replies != nil && *f.Replies != (v.post.ReplyTo != ""):
		return false
	}
	return true
}
