package storetest

import (
	"fmt"
	"slices"
	"testing"

	"grapevine/store"
)

// TestDurable checks that an engine finds its data again. disk makes a new place
// for data and returns a function that opens the engine there; it is called again
// only after the engine that it returned was closed.
func TestDurable(t *testing.T, disk func(t *testing.T) (open func() store.Engine)) {
	for _, spec := range []struct {
		name string
		test func(*testing.T, func() store.Engine)
	}{
		{"what was committed is there after reopening", reopensWithData},
		{"what was overwritten or deleted stays so after reopening", reopensWithoutOldData},
		{"every commit acknowledged before Close is there, no refused one is", keepsExactlyAcknowledged},
		{"data larger than memory tables is kept in order", keepsMuch},
	} {
		t.Run(spec.name, func(t *testing.T) {
			t.Parallel()
			spec.test(t, disk(t))
		})
	}
}

func reopensWithData(t *testing.T, open func() store.Engine) {
	var want []pair
	for round := range 3 {
		e := open()
		if got := scanAll(t, e); !slices.Equal(got, want) {
			t.Errorf("opening %d: got %q, want %q", round, got, want)
		}
		added := pair{fmt.Sprint("round ", round), "1"}
		put(t, e, added)
		want = append(want, added)
		check(t, e.Close())
	}
}

func reopensWithoutOldData(t *testing.T, open func() store.Engine) {
	e := open()
	put(t, e, pair{"changed", "1"}, pair{"deleted", "1"})
	b := puts(pair{"changed", "2"})
	b.Delete([]byte("deleted"))
	check(t, e.Commit(t.Context(), b))
	check(t, e.Close())

	e = open()
	expect(t, e, "changed", "2")
	expectAbsent(t, e, "deleted")
	put(t, e, pair{"deleted", "3"})
	check(t, e.Close())

	e = open()
	expect(t, e, "deleted", "3")
	check(t, e.Close())
}

func keepsExactlyAcknowledged(t *testing.T, open func() store.Engine) {
	kept := commitUntilClosed(t, open())
	e := open()
	var found []string
	for _, p := range scanAll(t, e) {
		found = append(found, p.key)
	}
	check(t, e.Close())
	if !slices.Equal(found, kept) {
		t.Errorf("%d rows found, %d were acknowledged", len(found), len(kept))
	}
}

func keepsMuch(t *testing.T, open func() store.Engine) {
	all := numbered(3000, 8<<10)
	e := open()
	for some := range slices.Chunk(all, 50) {
		put(t, e, some...)
	}
	check(t, e.Close())

	e = open()
	if got := scanAll(t, e); !slices.Equal(got, all) {
		t.Errorf("%d rows found, %d written", len(got), len(all))
	}
	check(t, e.View(func(s store.Snapshot) error {
		compareScans(t, s, all, "key-0017", "key-001750")
		compareScans(t, s, all, "key-0017", "")
		return nil
	}))
	check(t, e.Close())
}
