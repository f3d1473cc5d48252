package store_test

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"grapevine/crdt/causal"
	"grapevine/store"
)

func write(p store.Partition, replica causal.Replica, seq uint64) store.Receipt {
	return store.Receipt{Partition: p, Dot: causal.Dot{Replica: replica, Seq: seq}, Copies: 2}
}

func resumed(t *testing.T, token string) *store.Request {
	t.Helper()
	r := new(store.Request)
	if err := r.Resume(token); err != nil {
		t.Fatalf("resume %q: %v", token, err)
	}
	return r
}

func TestASessionSurvivesItsToken(t *testing.T) {
	r := new(store.Request)
	r.Record(write(7, 1, 40))
	r.Record(write(7, 2, 3))
	r.Record(write(65535, 1, 1<<60))
	again := resumed(t, r.Token())
	for p, want := range map[store.Partition][]store.Need{
		7: {need(1, 40, 40), need(2, 3, 3)}, 65535: {need(1, 1<<60, 1<<60)}, 8: nil,
	} {
		if got := again.Needs(p); !slices.Equal(got, want) {
			t.Errorf("partition %d needs %v, want %v", p, got, want)
		}
	}
	if again.Token() != r.Token() {
		t.Error("the token of a resumed session differs")
	}
	if _, wrote := again.Copies(); wrote {
		t.Error("a resumed session has written already")
	}
}

func TestASessionNeedsAllFromItsFirstWriteToItsLast(t *testing.T) {
	r := new(store.Request)
	r.Record(write(7, 1, 40))
	r.Record(write(7, 1, 39))
	r.Record(write(7, 1, 52))
	if got := resumed(t, r.Token()).Needs(7); !slices.Equal(got, []store.Need{need(1, 39, 52)}) {
		t.Errorf("needs %v", got)
	}
}

func need(replica causal.Replica, first, last uint64) store.Need {
	return store.Need{Replica: replica, Range: causal.Range{First: first, Last: last}}
}

func TestASessionKeepsTheSixteenNewest(t *testing.T) {
	r := new(store.Request)
	for p := range store.Partition(20) {
		r.Record(write(p, 1, 1))
	}
	r.Record(write(4, 1, 2)) // the oldest kept is written to again
	r.Record(write(20, 1, 1))
	again := resumed(t, r.Token())
	for p := range store.Partition(21) {
		if kept := len(again.Needs(p)) == 1; kept != (p == 4 || p > 5) {
			t.Errorf("partition %d: kept is %v", p, kept)
		}
	}
}

func TestACallHasTheFewestCopiesOfItsWrites(t *testing.T) {
	r := new(store.Request)
	for _, copies := range []int{3, 1, 2} {
		r.Record(store.Receipt{Copies: copies})
	}
	if copies, wrote := r.Copies(); copies != 1 || !wrote {
		t.Errorf("%d copies, wrote is %v", copies, wrote)
	}
	if len(r.Needs(0)) > 0 {
		t.Error("a write that changed nothing is needed")
	}
}

func TestATokenThatNoNodeIssuedIsRefused(t *testing.T) {
	encode := base64.RawURLEncoding.EncodeToString
	dot := append(causal.AppendDot([]byte{2, 0, 7}, causal.Dot{Replica: 1, Seq: 1}), 0)
	for name, token := range map[string]string{
		"empty":            "",
		"no base64":        "?!",
		"another version":  encode([]byte{9}),
		"cut short":        encode(dot[:len(dot)-1]),
		"half a number":    encode(append(dot, 0)),
		"no write":         encode(append(causal.AppendDot([]byte{2, 0, 7}, causal.Dot{}), 0)),
		"before the first": encode(append(causal.AppendDot([]byte{2, 0, 7}, causal.Dot{Replica: 1, Seq: 1}), 1)),
		"too long":         strings.Repeat("A", 1025),
	} {
		if err := new(store.Request).Resume(token); !errors.Is(err, store.ErrSession) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzResume(f *testing.F) {
	r := new(store.Request)
	r.Record(write(7, 1, 40))
	f.Add(r.Token())
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		r := new(store.Request)
		if r.Resume(token) != nil {
			return
		}
		if again := resumed(t, r.Token()); again.Token() != r.Token() {
			t.Errorf("%q resumes to %q and that to %q", token, r.Token(), again.Token())
		}
	})
}
