package crdt_test

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"grapevine/crdt"
	"grapevine/crdt/causal"
)

func TestRowSurvivesItsEncoding(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, _, _ := reachable(t)
		encoded := a.row.Append(nil)
		got, rest, err := crdt.ConsumeRow(append(encoded, "rest"...))
		if err != nil || string(rest) != "rest" {
			t.Fatalf("rest %q, error %v", rest, err)
		}
		if !bytes.Equal(got.Append(nil), encoded) {
			t.Fatalf("got %s, want %s", show(got), show(a.row))
		}
	})
}

func TestConsumeRowRefusesDisorder(t *testing.T) {
	t.Parallel()
	births := crdt.Row{Births: []crdt.Birth{{Dot: dot(2, 1)}, {Dot: dot(1, 1)}}}
	twice := crdt.Row{Births: []crdt.Birth{{Dot: dot(1, 1)}, {Dot: dot(1, 1)}}}
	fields := crdt.Row{Fields: []crdt.Field{{ID: 2, Birth: dot(1, 1)}, {ID: 1, Birth: dot(1, 1)}}}
	cells := crdt.Row{Cells: []crdt.Cell{{Replica: 2, Seq: 1}, {Replica: 1, Seq: 1}}}
	share := crdt.Row{Cells: []crdt.Cell{{Replica: 1, Seq: 1}, {Replica: 1, Seq: 2}}}
	for _, r := range []crdt.Row{births, twice, fields, cells, share} {
		if _, _, err := crdt.ConsumeRow(r.Append(nil)); !errors.Is(err, crdt.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", show(r), err)
		}
	}
}

// What was stored before there were counters is read as it was.
func TestARowWithoutCountersIsEncodedAsEver(t *testing.T) {
	t.Parallel()
	old := crdt.Row{
		Births:  []crdt.Birth{{Dot: dot(1, 1), Time: early, Value: []byte("v")}},
		Removed: []causal.Dot{dot(2, 3)},
	}
	want := []byte("\x01" + "\x00\x00\x00\x00\x00\x00\x00\x01\x01" + "\x00\x00\x00\x00\x00\x00\x00\x01" + "\x01v" +
		"\x00" + "\x01" + "\x00\x00\x00\x00\x00\x00\x00\x02\x03")
	if got := old.Append(nil); !bytes.Equal(got, want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}

func TestConsumeRowRefusesCellsAnnouncedAndAbsent(t *testing.T) {
	t.Parallel()
	if r, _, err := crdt.ConsumeRow([]byte{0x80, 0x80, 0x40, 0, 0, 0}); !errors.Is(err, crdt.ErrMalformed) {
		t.Errorf("got %s, %v", show(r), err)
	}
}

func TestConsumeRowRefusesTruncation(t *testing.T) {
	t.Parallel()
	row, _ := stored()
	encoded := row.Append(nil)
	for n := range encoded {
		if _, _, err := crdt.ConsumeRow(encoded[:n]); !errors.Is(err, crdt.ErrMalformed) {
			t.Fatalf("%d of %d bytes: got %v, want ErrMalformed", n, len(encoded), err)
		}
	}
}

// What is read is written again as a row that reads the same.
func FuzzConsumeRow(f *testing.F) {
	row, _ := stored()
	f.Add(row.Append(nil))
	f.Add(row.Remove().Append(nil))
	f.Add(row.Add(dot(9, 9), 1, -5).Append(nil))
	f.Add(row.Put(dot(9, 9), late, []byte("value")).Append(nil))
	f.Add(counting(5).row.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, _, err := crdt.ConsumeRow(b)
		if err != nil {
			return
		}
		if n := len(r.Births) + len(r.Fields) + len(r.Cells) + len(r.Removed); n > len(b) {
			t.Fatalf("%d bytes give %d elements", len(b), n)
		}
		encoded := r.Append(nil)
		again, rest, err := crdt.ConsumeRow(encoded)
		if err != nil || len(rest) > 0 || !bytes.Equal(again.Append(nil), encoded) {
			t.Fatalf("%s: read again as %s, rest %x, error %v", show(r), show(again), rest, err)
		}
	})
}
