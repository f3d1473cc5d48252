package node

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"grapevine/node/client"
	"grapevine/store"
)

const (
	// heatWindow is how long is counted before counting begins anew. What is told is
	// of the present window and the one before it.
	heatWindow = 30 * time.Second
	// heatKeys bounds the keys that are counted in a window. One with more than a
	// heatKeys-th of all writes is always among them.
	heatKeys = 256
	// heatTold bounds what is told.
	heatTold = 10
)

// heat counts where the writes go that this node coordinates.
type heat struct {
	mu           sync.Mutex
	present, old *heatCount
}

// heatCount is one window. Its keys are counted by Space-Saving (Metwally, Agrawal
// and El Abbadi, "Efficient Computation of Frequent and Top-k Elements", 2005).
type heatCount struct {
	since      time.Time // by the monotonic clock
	partitions map[store.Partition]int
	keys       map[heatKey]heatTally
}

// heatKey is all rows of one kind that belong to one owner. The other half of a key
// is not kept: it would tell who blocks whom.
type heatKey struct {
	family    store.Family
	owner     string
	partition store.Partition
}

type heatTally struct{ writes, over int }

func newHeat() *heat { return &heat{present: newHeatCount()} }

func newHeatCount() *heatCount {
	return &heatCount{since: time.Now(), partitions: map[store.Partition]int{}, keys: map[heatKey]heatTally{}}
}

// note counts one write.
func (h *heat) note(p store.Partition, rows []store.Entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.turn()
	h.present.partitions[p]++
	for _, e := range rows {
		if !tellable(e.Key.Family) {
			continue
		}
		owner, _, _ := strings.Cut(e.Key.Sort, "/")
		h.present.count(heatKey{e.Key.Family, strings.Clone(owner), p})
	}
}

// turn begins a new window when the present one is over.
func (h *heat) turn() {
	age := time.Since(h.present.since)
	if age < heatWindow {
		return
	}
	h.old = h.present
	if age >= 2*heatWindow {
		h.old = nil // nothing was written in the window that has just passed
	}
	h.present = newHeatCount()
}

// count adds one to a key, which takes the place of the one with the fewest when
// there is no room.
func (c *heatCount) count(k heatKey) {
	t, known := c.keys[k]
	if !known && len(c.keys) >= heatKeys {
		var least heatKey
		fewest := heatTally{writes: -1}
		for key, tally := range c.keys {
			if fewest.writes < 0 || tally.writes < fewest.writes {
				least, fewest = key, tally
			}
		}
		delete(c.keys, least)
		t = heatTally{writes: fewest.writes, over: fewest.writes}
	}
	t.writes++
	c.keys[k] = t
}

// told gives what is hottest.
func (h *heat) told() client.Hot {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.turn()
	partitions, keys := map[store.Partition]int{}, map[heatKey]heatTally{}
	out := client.Hot{Partitions: []client.HotPartition{}, Keys: []client.HotKey{}, Seconds: time.Since(h.present.since).Seconds()}
	for _, c := range []*heatCount{h.present, h.old} {
		if c == nil {
			continue
		}
		out.Seconds = time.Since(c.since).Seconds()
		for p, n := range c.partitions {
			partitions[p] += n
		}
		for k, t := range c.keys {
			keys[k] = heatTally{keys[k].writes + t.writes, keys[k].over + t.over}
		}
	}
	for p, n := range partitions {
		out.Partitions = append(out.Partitions, client.HotPartition{Partition: int(p), Writes: n})
	}
	for k, t := range keys {
		out.Keys = append(out.Keys, client.HotKey{
			Kind: familyName(k.family), Owner: k.owner, Partition: int(k.partition), Writes: t.writes, Over: t.over,
		})
	}
	out.Partitions = hottest(out.Partitions, func(a, b client.HotPartition) int {
		return cmp.Or(b.Writes-a.Writes, a.Partition-b.Partition)
	})
	out.Keys = hottest(out.Keys, func(a, b client.HotKey) int {
		return cmp.Or(b.Writes-a.Writes, cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

func hottest[T any](list []T, order func(a, b T) int) []T {
	slices.SortFunc(list, order)
	return list[:min(len(list), heatTold)]
}
