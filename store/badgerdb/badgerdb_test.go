package badgerdb_test

import (
	"testing"

	"grapevine/store"
	"grapevine/store/badgerdb"
	"grapevine/store/storetest"
)

func TestBadgerdbIsAnEngine(t *testing.T) {
	storetest.TestEngine(t, func(t *testing.T) store.Engine { return open(t, t.TempDir()) })
}

func TestBadgerdbKeepsDataWhenReopened(t *testing.T) {
	storetest.TestDurable(t, func(t *testing.T) func() store.Engine {
		dir := t.TempDir()
		return func() store.Engine { return open(t, dir) }
	})
}

func open(t testing.TB, dir string) *badgerdb.DB {
	t.Helper()
	db, err := badgerdb.Open(t.Context(), badgerdb.Config{Dir: dir, MinFreeBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	return db
}
