package node

import (
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"grapevine/crdt/causal"
	"grapevine/services/fanout"
	"grapevine/store"
)

func FuzzDecodeSeen(f *testing.F) {
	f.Add(encodeSeen([]store.Seen{{Partition: 7, Dot: causal.Dot{Replica: 1, Seq: 300}}, {Partition: 65535}}))
	f.Fuzz(func(t *testing.T, message []byte) {
		_, seen, err := decodeSeen(message)
		if err != nil {
			return
		}
		if len(seen) > len(message)/11 {
			t.Errorf("%d bytes give %d writes", len(message), len(seen))
		}
		if rules, again, err := decodeSeen(encodeSeen(seen)); err != nil || rules != fanout.Rules || !reflect.DeepEqual(again, seen) {
			t.Errorf("%v comes back as %v by rules %d, %v", seen, again, rules, err)
		}
	})
}

// Whatever the file of peers holds, the node starts, and finds again what it saved.
func FuzzLoadPeers(f *testing.F) {
	f.Add([]byte(`["10.0.0.1:7402"]`))
	f.Add([]byte(`{"a":1}`))
	log := slog.New(slog.DiscardHandler)
	f.Fuzz(func(t *testing.T, content []byte) {
		file := peersFile(filepath.Join(t.TempDir(), "peers.json"))
		if err := os.WriteFile(string(file), content, 0o600); err != nil {
			t.Fatal(err)
		}
		addrs := file.load(log)
		file.save(addrs, log)
		if again := file.load(log); !reflect.DeepEqual(again, addrs) {
			t.Errorf("%q comes back as %q", addrs, again)
		}
	})
}
