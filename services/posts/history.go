package posts

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"grapevine/crdt"
	"grapevine/crdt/hlc"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// History lists the texts that a post which the viewer may see was given, newest
// first; the last is the one it was made with. Newer is what the clocks of the store
// say is later, as they do of the text that the post has.
func (s *Service) History(ctx context.Context, viewer social.Identity, id string, cut social.Cut) (social.Page[social.PostVersion], error) {
	if _, err := schema.Verify(cut); err != nil {
		return social.Page[social.PostVersion]{}, err
	}
	v, err := s.sight(ctx, viewer, id)
	if err != nil {
		return social.Page[social.PostVersion]{}, err
	}
	h := history{Service: s, post: v.subject().post}
	if err := h.read(ctx); err != nil {
		return social.Page[social.PostVersion]{}, err
	}
	return schema.List[social.PostVersion]{
		Scan:   h.scan,
		Load:   h.load,
		Hidden: func(v social.PostVersion) bool { return v.At.IsZero() },
	}.Page(ctx, cut)
}

// history is the versions of a post: its edits, the latest first.
type history struct {
	*Service
	post  social.Post
	edits []edition
}

// edition is an edit by its id, and its place in the order of edits.
type edition struct {
	id    string
	birth crdt.Birth
}

// compare puts the later edit first. Of what one import wrote the times in the ids
// decide.
func (e edition) compare(o edition) int {
	return cmp.Or(cmp.Compare(o.birth.Time, e.birth.Time), o.birth.Dot.Compare(e.birth.Dot), cmp.Compare(o.id, e.id))
}

// historyChunk bounds the edits read at once.
const historyChunk = 100

func (h *history) read(ctx context.Context) error {
	for after := ""; ; {
		rows, err := h.rows.Scan(ctx, schema.Of(schema.FamilyEdit, h.post.ID, after, false, historyChunk))
		if err != nil {
			return fmt.Errorf("read edits of post %s: %w", h.post.ID, err)
		}
		for _, r := range rows {
			after = schema.Other(r.Key)
			h.edits = append(h.edits, h.edition(after, r.Row))
		}
		if len(rows) < historyChunk {
			break
		}
	}
	slices.SortFunc(h.edits, edition.compare)
	return nil
}

// edition gives the place of an edit. One that an import noted was made when its
// archive says, whenever that was read.
func (h *history) edition(id string, row crdt.Row) edition {
	birth, _ := row.Last()
	at := social.TimeOf(id)
	if slot, _ := social.SlotOf(id); id == importedEdit(slot, at, h.post.ID) {
		birth.Time = hlc.At(at)
	}
	return edition{id, crdt.Birth{Time: birth.Time, Dot: birth.Dot}}
}

// scan gives the ids of versions: that of the post stands for its first text.
func (h *history) scan(_ context.Context, after string, limit int) ([]string, error) {
	ids := make([]string, 0, len(h.edits)+1)
	for _, e := range h.edits {
		ids = append(ids, e.id)
	}
	ids = append(ids, h.post.ID)
	if after != "" {
		i := slices.Index(ids, after)
		if i < 0 {
			return nil, social.InvalidField("cursor", "is not one that a page of this list gave as next")
		}
		ids = ids[i+1:]
	}
	return ids[:min(limit, len(ids))], nil
}

// load gives versions, without a time those that went meanwhile.
func (h *history) load(ctx context.Context, ids []string) ([]social.PostVersion, error) {
	keys := make([]store.Key, len(ids))
	for i, id := range ids {
		if keys[i] = schema.Edit(h.post.ID, id); id == h.post.ID {
			keys[i] = schema.Post(id)
		}
	}
	rows, err := h.rows.GetMany(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read %d texts of post %s: %w", len(ids), h.post.ID, err)
	}
	versions := make([]social.PostVersion, len(ids))
	for i, row := range rows {
		switch {
		case !row.Exists():
		case ids[i] == h.post.ID:
			versions[i].At = h.post.CreatedAt
			versions[i].Text, err = schema.OriginalText(row)
		default:
			var r schema.Revision
			r, err = schema.DecodeEdit(row)
			versions[i] = r.PostVersion
		}
		if err != nil {
			return nil, err
		}
	}
	return versions, nil
}
