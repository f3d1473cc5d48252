package badgerdb

import (
	"errors"
	"strings"
	"testing"

	"grapevine/store"
)

func TestAfterAWriteThatFailedMidwayEveryCommitFailsUntilReopened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := Open(t.Context(), Config{Dir: dir, MinFreeBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	commit := func(key string) error {
		b := new(store.Batch)
		b.Put([]byte(key), []byte("1"))
		return db.Commit(t.Context(), b)
	}
	if err := commit("before"); err != nil {
		t.Fatal(err)
	}
	if err := db.badger.Close(); err != nil { // the disk, as it were, goes away
		t.Fatal(err)
	}
	first := commit("during")
	if first == nil || !strings.Contains(first.Error(), "restart the node") {
		t.Errorf("got %v, want an error that says what to do", first)
	}
	if second := commit("after"); !errors.Is(second, first) {
		t.Errorf("got %v, want the first failure, %v", second, first)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	if db, err = Open(t.Context(), Config{Dir: dir, MinFreeBytes: 1}); err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := commit("reopened"); err != nil {
		t.Error(err)
	}
}
