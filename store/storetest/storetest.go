// Package storetest is the specification of store.Engine as tests. Every engine
// passes TestEngine, and one that outlives its process TestDurable too.
package storetest

import (
	"bytes"
	"fmt"
	"testing"

	"grapevine/store"
)

// TestEngine checks an engine against store.Engine's contract. open returns a
// new, empty engine, which TestEngine closes.
func TestEngine(t *testing.T, open func(t *testing.T) store.Engine) {
	for _, spec := range []struct {
		name string
		test func(*testing.T, store.Engine)
	}{
		{"a key reads back what was put last", readsBackLastPut},
		{"an empty value is present, an absent key is not", tellsEmptyFromAbsent},
		{"any bytes may be a key, none included", takesAnyKey},
		{"the last operation on a key of a batch wins", lastOperationWins},
		{"Get gives a copy, and Commit takes one", copiesBytes},
		{"Scan gives the keys of the range in order", scansInOrder},
		{"Scan does not give deleted keys", scanSkipsDeleted},
		{"Scan ends when its function says so", scanStops},
		{"View returns its function's error", viewReturnsError},
		{"a snapshot does not see what is committed later", snapshotIsStable},
		{"a batch is seen whole or not at all", batchesAreAtomic},
		{"every one of many concurrent commits is kept", concurrentCommitsAreKept},
		{"a batch of MaxBatch is taken, a greater one refused whole", boundsBatches},
		{"an ended context commits nothing", endedContextCommitsNothing},
		{"a commit that returns an error was not applied, another was", outcomesAreTrue},
		{"Stats counts batches and syncs", countsCommits},
		{"a closed engine refuses everything but Close", refusesWhenClosed},
		{"Close lets commits under way end", closeAwaitsCommits},
	} {
		t.Run(spec.name, func(t *testing.T) {
			t.Parallel()
			e := open(t)
			t.Cleanup(func() { check(t, e.Close()) })
			spec.test(t, e)
		})
	}
}

// pair is a key and its value.
type pair struct{ key, value string }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put commits pairs in one batch.
func put(t testing.TB, e store.Engine, pairs ...pair) {
	t.Helper()
	check(t, e.Commit(t.Context(), puts(pairs...)))
}

func puts(pairs ...pair) *store.Batch {
	b := new(store.Batch)
	for _, p := range pairs {
		b.Put([]byte(p.key), []byte(p.value))
	}
	return b
}

// get reads a key in a view of its own.
func get(t testing.TB, e store.Engine, key string) (value string, ok bool) {
	t.Helper()
	check(t, e.View(func(s store.Snapshot) error {
		value, ok = read(t, s, key)
		return nil
	}))
	return value, ok
}

func read(t testing.TB, s store.Snapshot, key string) (string, bool) {
	t.Helper()
	v, ok, err := s.Get([]byte(key))
	check(t, err)
	if !ok && v != nil {
		t.Errorf("absent key %q has the value %q", key, v)
	}
	return string(v), ok
}

// expect fails unless a key has the value.
func expect(t testing.TB, e store.Engine, key, want string) {
	t.Helper()
	if got, ok := get(t, e, key); !ok || got != want {
		t.Errorf("key %q: got %q, %v; want %q", key, got, ok, want)
	}
}

// expectAbsent fails unless a key is absent.
func expectAbsent(t testing.TB, e store.Engine, key string) {
	t.Helper()
	if got, ok := get(t, e, key); ok {
		t.Errorf("key %q: got %q; want none", key, got)
	}
}

// scan reads a range into a slice.
func scan(t testing.TB, s store.Snapshot, prefix, from string, reverse bool) []pair {
	t.Helper()
	var got []pair
	check(t, s.Scan([]byte(prefix), []byte(from), reverse, func(k, v []byte) bool {
		got = append(got, pair{string(k), string(v)})
		return true
	}))
	return got
}

// scanAll reads all that an engine holds.
func scanAll(t testing.TB, e store.Engine) (got []pair) {
	t.Helper()
	check(t, e.View(func(s store.Snapshot) error {
		got = scan(t, s, "", "", false)
		return nil
	}))
	return got
}

// numbered gives n pairs, in order, with values of the given size.
func numbered(n, size int) []pair {
	pairs := make([]pair, n)
	for i := range pairs {
		value := bytes.Repeat([]byte{byte(i)}, size)
		pairs[i] = pair{fmt.Sprintf("key-%06d", i), string(value)}
	}
	return pairs
}
