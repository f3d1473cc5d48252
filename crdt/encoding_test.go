package crdt_test

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"grapevine/crdt"
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
	for _, r := range []crdt.Row{births, twice, fields} {
		if _, _, err := crdt.ConsumeRow(r.Append(nil)); !errors.Is(err, crdt.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", show(r), err)
		}
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
	f.Add(row.Put(dot(9, 9), late, []byte("value")).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, _, err := crdt.ConsumeRow(b)
		if err != nil {
			return
		}
		encoded := r.Append(nil)
		again, rest, err := crdt.ConsumeRow(encoded)
		if err != nil || len(rest) > 0 || !bytes.Equal(again.Append(nil), encoded) {
			t.Fatalf("%s: read again as %s, rest %x, error %v", show(r), show(again), rest, err)
		}
	})
}
