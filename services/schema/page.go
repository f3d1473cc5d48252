package schema

import (
	"context"
	"fmt"
	"slices"

	"grapevine/crdt"
	"grapevine/services/social"
	"grapevine/store"
)

// maxScanned bounds the rows that one page reads in search of items to show.
const maxScanned = 2000

// Verify gives a cut with its limit filled in, or an Invalid error. The cursor
// must be empty or an id, which is what all lists are ordered by.
func Verify(cut social.Cut) (social.Cut, error) {
	if cut.Limit == 0 {
		cut.Limit = social.DefaultPage
	}
	if cut.Limit < 1 || cut.Limit > social.MaxPage {
		return cut, social.InvalidField("limit", "must be 1 to %d", social.MaxPage)
	}
	if _, ok := social.SlotOf(cut.Cursor); cut.Cursor != "" && !ok {
		return cut, social.InvalidField("cursor", "is not one that a page of this list gave as next")
	}
	return cut, nil
}

// List is how the pages of a list are made.
type List[T any] struct {
	// Scan gives up to limit ids that follow after in the list's order, fewer only
	// at the end.
	Scan func(ctx context.Context, after string, limit int) ([]string, error)
	// Load gives what is to be shown of each id, in a slice as long as ids.
	Load func(ctx context.Context, ids []string) ([]T, error)
	// Hidden says that what Load gave for an id is not to be shown: it is gone, or
	// not for this reader.
	Hidden func(T) bool
}

// Page fills one page. It scans past hidden items, up to a bound, so that a page
// is empty, or names a next one that is, only behind a long run of hidden items.
func (l List[T]) Page(ctx context.Context, cut social.Cut) (social.Page[T], error) {
	page := social.Page[T]{Items: []T{}}
	cut, err := Verify(cut)
	if err != nil {
		return page, err
	}
	// One more than is shown tells whether there is a next page.
	after, last, limit := cut.Cursor, "", cut.Limit+1
	for scanned := 0; scanned < maxScanned; limit = social.MaxPage {
		ids, err := l.Scan(ctx, after, limit)
		if err != nil {
			return page, err
		}
		items, err := l.Load(ctx, ids)
		if err != nil {
			return page, err
		}
		page.Items = slices.Grow(page.Items, min(len(items), cut.Limit-len(page.Items)))
		for i, item := range items {
			if l.Hidden(item) {
				continue
			}
			if len(page.Items) == cut.Limit {
				page.Next = last
				return page, nil
			}
			page.Items, last = append(page.Items, item), ids[i]
		}
		if len(ids) < limit {
			return page, nil
		}
		after, scanned = ids[len(ids)-1], scanned+len(ids)
	}
	page.Next = after
	return page, nil
}

// Owned is the list of the rows of a two-part family that belong to owner, oldest
// first, as decode reads them. It is for one page: what Scan read, Load decodes.
func Owned[T any](rows store.Rows, f store.Family, owner string, decode func(id string, row crdt.Row) (T, error)) List[T] {
	read := map[string]crdt.Row{}
	return List[T]{
		Scan: func(ctx context.Context, after string, limit int) ([]string, error) {
			entries, err := rows.Scan(ctx, Of(f, owner, after, false, limit))
			if err != nil {
				return nil, fmt.Errorf("read what %s has: %w", owner, err)
			}
			for _, e := range entries {
				read[Other(e.Key)] = e.Row
			}
			return Others(entries), nil
		},
		Load: func(_ context.Context, ids []string) ([]T, error) {
			all := make([]T, len(ids))
			for i, id := range ids {
				var err error
				if all[i], err = decode(id, read[id]); err != nil {
					return nil, err
				}
			}
			return all, nil
		},
		Hidden: func(T) bool { return false },
	}
}

// Others gives the second halves of the keys of entries of a two-part family.
func Others(entries []store.Entry) []string {
	ids := make([]string, len(entries))
	for i, e := range entries {
		ids[i] = Other(e.Key)
	}
	return ids
}
