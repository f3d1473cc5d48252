package memdb_test

import (
	"testing"
	"time"

	"grapevine/store"
	"grapevine/store/memdb"
	"grapevine/store/storetest"
)

var disks = map[string]memdb.Options{
	"without sync time": {},
	"with sync time":    {SyncTime: 50 * time.Microsecond},
}

func TestMemdbIsAnEngine(t *testing.T) {
	for name, options := range disks {
		t.Run(name, func(t *testing.T) {
			storetest.TestEngine(t, func(*testing.T) store.Engine { return memdb.NewDisk(options) })
		})
	}
}

func TestMemdbKeepsDataWhenReopened(t *testing.T) {
	for name, options := range disks {
		t.Run(name, func(t *testing.T) {
			storetest.TestDurable(t, func(*testing.T) func() store.Engine {
				db := memdb.NewDisk(options)
				return func() store.Engine {
					db = db.Reopen()
					return db
				}
			})
		})
	}
}
