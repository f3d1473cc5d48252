package schema

import (
	"context"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"grapevine/services/social"
)

// newer begins a cursor that asks for what is newer than the id that follows.
const newer = "~"

// Timeline is how the pages of a list of posts are made: newest first, with
// cursors in both directions, between two times.
type Timeline[T any] struct {
	// Scan gives up to limit ids that follow after, or all when after is empty, fewer
	// only at the end: older ones, newest first, or newer ones, oldest first.
	Scan func(ctx context.Context, after string, older bool, limit int) ([]string, error)
	// Load gives what is to be shown of each id, in a slice as long as ids.
	Load func(ctx context.Context, ids []string) ([]T, error)
	// Hidden says that what Load gave for an id is not to be shown.
	Hidden func(T) bool
	// Since and Until bound the times of the ids, from and before. Zero bounds
	// nothing.
	Since, Until time.Time
}

// shown is an item of a page with its id, which makes its cursor.
type shown[T any] struct {
	id   string
	item T
}

// Page gives the page of a cut. Its cursor is an id, for what is older, or newer
// and an id.
func (l Timeline[T]) Page(ctx context.Context, cut social.Cut) (social.Page[T], error) {
	after, wantsNewer := cut.Cursor, false
	if len(after) > 0 && after[:1] == newer {
		after, wantsNewer = after[1:], true
		if after == "" {
			after = "-" // no id: Verify refuses it
		}
	}
	pages := List[shown[T]]{
		Scan: func(ctx context.Context, after string, limit int) ([]string, error) {
			return l.scan(ctx, after, !wantsNewer, limit)
		},
		Load:   l.load,
		Hidden: func(s shown[T]) bool { return l.Hidden(s.item) },
	}
	found, err := pages.Page(ctx, social.Cut{Cursor: after, Limit: cut.Limit})
	if err != nil {
		return social.Page[T]{Items: []T{}}, err
	}
	if wantsNewer {
		return turned(found, cut.Cursor), nil
	}
	page := unwrap(found.Items)
	page.Next = found.Next
	if len(found.Items) > 0 {
		page.Prev = newer + found.Items[0].id
	}
	return page, nil
}

// turned makes a page of what is newer than a cursor one like others: newest
// first. What is older than it is there for sure: the cursor came from it.
func turned[T any](found social.Page[shown[T]], cursor string) social.Page[T] {
	if len(found.Items) == 0 {
		page := social.Page[T]{Items: []T{}, Prev: cursor}
		if found.Next != "" { // a long run of what is not shown
			page.Prev = newer + found.Next
		}
		return page
	}
	slices.Reverse(found.Items)
	page := unwrap(found.Items)
	page.Prev = newer + found.Items[0].id
	if found.Next != "" {
		page.Prev = newer + found.Next
	}
	page.Next = found.Items[len(found.Items)-1].id
	return page
}

func unwrap[T any](items []shown[T]) social.Page[T] {
	page := social.Page[T]{Items: make([]T, len(items))}
	for i, s := range items {
		page.Items[i] = s.item
	}
	return page
}

func (l Timeline[T]) load(ctx context.Context, ids []string) ([]shown[T], error) {
	items, err := l.Load(ctx, ids)
	if err != nil {
		return nil, err
	}
	all := make([]shown[T], len(ids))
	for i, item := range items {
		all[i] = shown[T]{ids[i], item}
	}
	return all, nil
}

// scan is Scan within the bounds of time.
func (l Timeline[T]) scan(ctx context.Context, after string, older bool, limit int) ([]string, error) {
	from, to := earliest(l.Since), earliest(l.Until) // ids of the time are not before from, and before to
	switch {
	case older && to != "" && (after == "" || after > to):
		after = to
	case !older && after < from:
		after = before(from)
	}
	ids, err := l.Scan(ctx, after, older, limit)
	if err != nil {
		return nil, err
	}
	end := slices.IndexFunc(ids, func(id string) bool {
		return older && id < from || !older && to != "" && id >= to
	})
	if end >= 0 {
		ids = ids[:end]
	}
	return ids, nil
}

// earliest gives an id that no id made at a time or later is before, and "" for the
// zero time. Ids know milliseconds.
func earliest(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	ms := at.UnixMilli()
	if at.Nanosecond()%int(time.Millisecond) != 0 {
		ms++
	}
	var id ulid.ULID
	if err := id.SetTime(uint64(max(ms, 0))); err != nil {
		return maxID
	}
	return id.String()
}

// maxID is after all ids.
const maxID = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"

// before gives a string before an id and after all ids before it.
func before(id string) string { return id[:len(id)-1] }
