package posts

import (
	"context"
	"fmt"

	"grapevine/services/schema"
	"grapevine/services/social"
)

// History lists the texts that a post which the viewer may see was given, newest
// first; the last is the one it was made with.
func (s *Service) History(ctx context.Context, viewer social.Identity, id string, cut social.Cut) (social.Page[social.PostVersion], error) {
	if _, err := schema.Verify(cut); err != nil {
		return social.Page[social.PostVersion]{}, err
	}
	v, err := s.sight(ctx, viewer, id)
	if err != nil {
		return social.Page[social.PostVersion]{}, err
	}
	h := history{s, v.subject().post, map[string]social.PostVersion{}}
	return schema.List[social.PostVersion]{
		Scan: h.scan,
		Load: func(_ context.Context, ids []string) ([]social.PostVersion, error) {
			versions := make([]social.PostVersion, len(ids))
			for i, id := range ids {
				versions[i] = h.versions[id]
			}
			return versions, nil
		},
		Hidden: func(social.PostVersion) bool { return false },
	}.Page(ctx, cut)
}

// history is the versions of a post by id: those of edits, and the post's own for
// the first.
type history struct {
	*Service
	post     social.Post
	versions map[string]social.PostVersion
}

func (h history) scan(ctx context.Context, after string, limit int) ([]string, error) {
	if after == h.post.ID {
		return nil, nil
	}
	edits, err := h.rows.Scan(ctx, schema.Of(schema.FamilyEdit, h.post.ID, after, true, limit))
	if err != nil {
		return nil, fmt.Errorf("read edits of post %s: %w", h.post.ID, err)
	}
	ids := schema.Others(edits)
	for i, e := range edits {
		if h.versions[ids[i]], err = schema.DecodeEdit(e.Row); err != nil {
			return nil, err
		}
	}
	if len(ids) == limit {
		return ids, nil
	}
	row, err := h.rows.Get(ctx, schema.Post(h.post.ID))
	if err != nil {
		return nil, fmt.Errorf("read post %s: %w", h.post.ID, err)
	}
	text, err := schema.OriginalText(row)
	h.versions[h.post.ID] = social.PostVersion{Text: text, At: h.post.CreatedAt}
	return append(ids, h.post.ID), err
}
