package notify

import (
	"slices"
	"time"

	"grapevine/services/social"
)

// item is notifications that become one, newest first.
type item struct {
	key     string
	entries []entry
}

func (i item) id() string { return i.entries[0].id }

// post gives the id of the post that an item shows, "" for none.
func (i item) post() string { return i.entries[0].told.Post }

// groupKey is the same for notifications that become one item, and "" for one that
// stands alone.
func groupKey(e entry) string {
	switch e.told.Kind {
	case social.NotifyLike, social.NotifyRepost:
		return string(e.told.Kind) + ":" + e.told.Post
	case social.NotifyFollow:
		return string(e.told.Kind) + ":" + social.TimeOf(e.id).Format(time.DateOnly)
	}
	return ""
}

// items are in the order of their ids, the greatest first.
type items []item

// scan gives the ids of up to limit items on one side of an id.
func (all items) scan(after string, older bool, limit int) []string {
	var ids []string
	for i := range all {
		id := all[i].id()
		if !older {
			id = all[len(all)-1-i].id()
		}
		if beyond := after == "" || id != after && id < after == older; beyond && len(ids) < limit {
			ids = append(ids, id)
		}
	}
	return ids
}

// of gives the items of ids that scan gave.
func (all items) of(ids []string) items {
	found := make(items, len(ids))
	for i, id := range ids {
		found[i] = all[slices.IndexFunc(all, func(it item) bool { return it.id() == id })]
	}
	return found
}

// singles makes an item of each notification.
func singles(all []entry) items {
	found := make(items, len(all))
	for i, e := range all {
		found[i] = item{groupKey(e), []entry{e}}
	}
	return found
}

// groups makes items of notifications, newest first.
func groups(all []entry) items {
	var found items
	at := map[string]int{}
	for _, e := range all {
		key := groupKey(e)
		if i, known := at[key]; known && key != "" {
			found[i].entries = append(found[i].entries, e)
			continue
		}
		at[key] = len(found)
		found = append(found, item{key, []entry{e}})
	}
	return found
}
