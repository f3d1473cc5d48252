package client

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/store"
	"grapevine/store/archive"
)

// owner is a node of a cluster of two partitions that both nodes own.
type owner struct {
	*httptest.Server
	others []*owner
	breaks bool // streams break off in the middle of the first partition

	mu    sync.Mutex
	asked []string
}

func newOwner(t *testing.T, breaks bool) *owner {
	t.Helper()
	o := &owner{breaks: breaks}
	answer := func(v any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if err := json.NewEncoder(w).Encode(v); err != nil {
				t.Error(err)
			}
		}
	}
	mux := http.NewServeMux()
	mux.Handle("GET /v1/cluster/ring", answer(Ring{Cluster: "c", Partitions: 2, Copies: 2}))
	mux.Handle("GET /v1/cluster/partitions", answer(map[string]any{"items": []Partition{
		{ID: 0, Owners: []string{"a", "b"}, Vector: "v"}, {ID: 1, Owners: []string{"a", "b"}, Vector: "v"},
	}}))
	mux.HandleFunc("GET /v1/cluster/members", func(w http.ResponseWriter, r *http.Request) {
		members := []Member{{ID: "a", Self: true, Alive: true, HTTP: r.Host}}
		for _, other := range o.others {
			members = append(members, Member{ID: "b", Alive: true, HTTP: strings.TrimPrefix(other.URL, "http://")})
		}
		answer(map[string]any{"items": members})(w, r)
	})
	mux.HandleFunc("GET /v1/cluster/backup", o.backup)
	o.Server = httptest.NewServer(mux)
	t.Cleanup(o.Close)
	return o
}

// wasAsked gives the partitions that were asked for. Who breaks off an answer may still
// be at it.
func (o *owner) wasAsked() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.asked)
}

func (o *owner) backup(w http.ResponseWriter, r *http.Request) {
	wanted := r.URL.Query().Get("partitions")
	o.mu.Lock()
	o.asked = append(o.asked, wanted)
	o.mu.Unlock()
	for _, id := range strings.Split(wanted, ",") {
		n, _ := strconv.Atoi(id) // the client's own
		p := store.Partition(n)
		out, err := archive.NewPartitionWriter(w, archive.Partition{ID: p, First: store.Slot(n) << 15, Last: store.Slot(n)<<15 | 0x7fff, Vector: causal.NewVector()})
		for i := range 10 {
			if err == nil {
				err = out.Add(store.Entry{
					Key: store.Key{Slot: store.Slot(n) << 15, Family: 1, Sort: strconv.Itoa(i)},
					Row: crdt.Row{Births: []crdt.Birth{{Dot: causal.Dot{Replica: 1, Seq: uint64(i + 1)}, Value: make([]byte, 100)}}},
				})
			}
		}
		if err != nil || o.breaks && n == 0 {
			panic(http.ErrAbortHandler)
		}
		if err := out.Close(); err != nil {
			panic(http.ErrAbortHandler)
		}
	}
}

func TestABackupTakesFromAnotherOwnerWhatOneFailsToGive(t *testing.T) {
	t.Parallel()
	broken, sound := newOwner(t, true), newOwner(t, false)
	broken.others = []*owner{sound}
	f, err := os.Create(filepath.Join(t.TempDir(), "backup"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	last := 0
	summary, err := New(broken.URL).BackUp(t.Context(), f, false, func(done, total int, _ int64) {
		if done <= last || total != 2 {
			t.Errorf("progress from %d to %d of %d", last, done, total)
		}
		last = done
	})
	if err != nil {
		t.Fatal(err)
	}
	if !summary.Whole() || summary.Rows != 20 || last != 2 {
		t.Errorf("the backup holds %+v", summary)
	}
	if _, err := f.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	if len(broken.wasAsked()) == 0 {
		t.Error("the failing owner was not asked")
	}
	if verified, err := archive.Verify(f); err != nil || verified.Digest != summary.Digest {
		t.Errorf("%+v, %v", verified, err)
	}
}

func TestABackupOfOneNodeAsksNoOther(t *testing.T) {
	t.Parallel()
	one, other := newOwner(t, false), newOwner(t, false)
	one.others = []*owner{other}
	f, err := os.Create(filepath.Join(t.TempDir(), "backup"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	summary, err := New(one.URL).BackUp(t.Context(), f, true, nil)
	if err != nil || summary.Header.Node != "a" || summary.Partitions != 2 {
		t.Errorf("%+v, %v", summary, err)
	}
	if len(other.wasAsked()) > 0 {
		t.Errorf("the other was asked for %v", other.wasAsked())
	}
}

// What may yet succeed is tried again; what the cluster refuses is not.
func TestARestoreRepeatsBlocksThatTheClusterCouldNotTake(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "backup"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := New(newOwner(t, false).URL).BackUp(t.Context(), f, false, nil); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		status int
		retry  string
		calls  int
		fails  bool
	}{{http.StatusServiceUnavailable, "1", 3, false}, {http.StatusConflict, "", 1, true}} {
		var mu sync.Mutex
		calls, resumed := 0, 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			calls++
			if r.URL.Query().Get("resume") == "true" {
				resumed++
			}
			if calls == 1 {
				w.Header().Set("Retry-After", test.retry)
				w.WriteHeader(test.status)
				return
			}
			_, _ = w.Write([]byte(`{"rows":10,"restored":10,"copies":2}`)) // the client went away
		}))
		_, err := New(s.URL).RestoreAll(t.Context(), f, false, nil)
		s.Close()
		mu.Lock()
		if (err != nil) != test.fails || calls != test.calls || !test.fails && resumed != 1 {
			t.Errorf("status %d: %d calls, %d to resume, %v", test.status, calls, resumed, err)
		}
		mu.Unlock()
	}
}
