package storetest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"grapevine/store"
)

func readsBackLastPut(t *testing.T, e store.Engine) {
	put(t, e, pair{"a", "1"}, pair{"b", "2"})
	put(t, e, pair{"a", "3"})
	expect(t, e, "a", "3")
	expect(t, e, "b", "2")
	expectAbsent(t, e, "c")

	b := new(store.Batch)
	b.Delete([]byte("a"))
	b.Delete([]byte("never there"))
	check(t, e.Commit(t.Context(), b))
	expectAbsent(t, e, "a")
	put(t, e, pair{"a", "4"})
	expect(t, e, "a", "4")
}

func tellsEmptyFromAbsent(t *testing.T, e store.Engine) {
	b := new(store.Batch)
	b.Put([]byte("nil"), nil)
	b.Put([]byte("empty"), []byte{})
	check(t, e.Commit(t.Context(), b))
	expect(t, e, "nil", "")
	expect(t, e, "empty", "")
	expectAbsent(t, e, "absent")
}

func takesAnyKey(t *testing.T, e store.Engine) {
	for _, key := range []string{"", "\x00", "\xff\xff", "!badger!", strings.Repeat("k", 4096)} {
		put(t, e, pair{key, "of " + key})
		expect(t, e, key, "of "+key)
	}
}

func copiesBytes(t *testing.T, e store.Engine) {
	key, value := []byte("key"), []byte("value")
	b := new(store.Batch)
	b.Put(key, value)
	check(t, e.Commit(t.Context(), b))
	copy(key, "XXX")
	copy(value, "XXXXX")
	expect(t, e, "key", "value")

	check(t, e.View(func(s store.Snapshot) error {
		got, _, err := s.Get([]byte("key"))
		copy(got, "XXXXX")
		return err
	}))
	expect(t, e, "key", "value")
}

// scansInOrder compares every scan over a small alphabet, whose bytes are those
// that ranges get wrong, with a plain filter.
func scansInOrder(t *testing.T, e store.Engine) {
	words := []string{""}
	for from := 0; len(words) < 1+4+16+64; from++ {
		for _, letter := range []string{"\x00", "a", "b", "\xff"} {
			words = append(words, words[from]+letter)
		}
	}
	slices.Sort(words)
	var all []pair
	for i, word := range words {
		if i%5 != 4 { // leave gaps, to seek to absent keys
			all = append(all, pair{word, "of " + word})
		}
	}
	put(t, e, all...)
	check(t, e.View(func(s store.Snapshot) error {
		for _, prefix := range words {
			for _, from := range words {
				compareScans(t, s, all, prefix, from)
			}
		}
		return nil
	}))
}

// compareScans checks both directions of a scan against the sorted pairs that
// the engine holds.
func compareScans(t *testing.T, s store.Snapshot, all []pair, prefix, from string) {
	t.Helper()
	var up, down []pair
	for _, p := range all {
		if !strings.HasPrefix(p.key, prefix) {
			continue
		}
		if p.key >= from {
			up = append(up, p)
		}
		if p.key <= from || from == "" {
			down = append(down, p)
		}
	}
	slices.Reverse(down)
	if got := scan(t, s, prefix, from, false); !slices.Equal(got, up) {
		t.Errorf("scan of %q from %q: got %q, want %q", prefix, from, got, up)
	}
	if got := scan(t, s, prefix, from, true); !slices.Equal(got, down) {
		t.Errorf("reverse scan of %q from %q: got %q, want %q", prefix, from, got, down)
	}
}

func scanSkipsDeleted(t *testing.T, e store.Engine) {
	all := numbered(9, 1)
	put(t, e, all...)
	b := new(store.Batch)
	var kept []pair
	for i, p := range all {
		if i%4 == 0 { // first, last and one in the middle
			b.Delete([]byte(p.key))
		} else {
			kept = append(kept, p)
		}
	}
	check(t, e.Commit(t.Context(), b))
	check(t, e.View(func(s store.Snapshot) error {
		for _, p := range all {
			compareScans(t, s, kept, "key", p.key)
		}
		compareScans(t, s, kept, "", "")
		return nil
	}))
}

func scanStops(t *testing.T, e store.Engine) {
	put(t, e, numbered(5, 1)...)
	for _, reverse := range []bool{false, true} {
		calls := 0
		check(t, e.View(func(s store.Snapshot) error {
			return s.Scan([]byte("key"), nil, reverse, func(_, _ []byte) bool {
				calls++
				return calls < 3
			})
		}))
		if calls != 3 {
			t.Errorf("reverse %v: function was called %d times, want 3", reverse, calls)
		}
	}
}

func viewReturnsError(t *testing.T, e store.Engine) {
	want := errors.New("of the function")
	if err := e.View(func(store.Snapshot) error { return want }); !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
}

func snapshotIsStable(t *testing.T, e store.Engine) {
	before := numbered(4, 1)
	put(t, e, before...)
	check(t, e.View(func(s store.Snapshot) error {
		b := puts(pair{"key-000000", "changed"}, pair{"key-000002x", "added"})
		b.Delete([]byte("key-000001"))
		check(t, e.Commit(t.Context(), b))

		compareScans(t, s, before, "", "")
		if v, ok := read(t, s, "key-000001"); !ok || v != before[1].value {
			t.Errorf("a deletion shows in an older snapshot: got %q, %v", v, ok)
		}
		return nil
	}))
	expect(t, e, "key-000000", "changed")
	expect(t, e, "key-000002x", "added")
	expectAbsent(t, e, "key-000001")
}
