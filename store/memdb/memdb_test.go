package memdb_test

import (
	"testing"

	"grapevine/store"
	"grapevine/store/memdb"
	"grapevine/store/storetest"
)

func TestMemdbIsAnEngine(t *testing.T) {
	storetest.TestEngine(t, func(*testing.T) store.Engine { return memdb.New() })
}

func TestMemdbKeepsDataWhenReopened(t *testing.T) {
	storetest.TestDurable(t, func(*testing.T) func() store.Engine {
		db := memdb.New()
		return func() store.Engine {
			db = db.Reopen()
			return db
		}
	})
}
