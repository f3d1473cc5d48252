package archive_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/crdt/hlc"
	"grapevine/store"
	"grapevine/store/archive"
)

// entry is a row of a slot with a value of some bytes.
func entry(slot store.Slot, n, size int) store.Entry {
	dot := causal.Dot{Replica: 7, Seq: uint64(n + 1)}
	value := make([]byte, size)
	random := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = random.Read(value) // never fails
	return store.Entry{
		Key: store.Key{Slot: slot, Family: 3, Sort: fmt.Sprintf("row %06d", n)},
		Row: crdt.Row{Births: []crdt.Birth{{Dot: dot, Time: hlc.Timestamp(n), Value: value}}},
	}
}

// stream is the stream of a partition of a ring of four.
func stream(t *testing.T, id store.Partition, rows []store.Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	v := causal.NewVector()
	v.Add(causal.Dot{Replica: 7, Seq: 3})
	w, err := archive.NewPartitionWriter(&b, archive.Partition{ID: id, First: store.Slot(id) << 14, Last: store.Slot(id)<<14 | 0x3fff, Vector: v})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range rows {
		if err := w.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var header = archive.Header{Cluster: "c1", PartitionBits: 2, Copies: 3, Taken: time.UnixMilli(1_700_000_000_000).UTC()}

// begin makes an archive in a file that is removed with the test.
func begin(t *testing.T) (*os.File, *archive.Writer) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "backup"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	w, err := archive.NewWriter(f, header)
	if err != nil {
		t.Fatal(err)
	}
	return f, w
}

// example is a whole archive of four partitions, one of them empty, and its rows.
func example(t *testing.T) (file []byte, rows []store.Entry) {
	t.Helper()
	f, w := begin(t)
	for p := range store.Partition(4) {
		var mine []store.Entry
		for n := range int(p) * 40 {
			mine = append(mine, entry(store.Slot(p)<<14+store.Slot(n), n, 10*n+1))
		}
		if _, err := w.Add(bytes.NewReader(stream(t, p, mine)), p); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, mine...)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return contents(t, f), rows
}

func contents(t *testing.T, f *os.File) []byte {
	t.Helper()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// read gives all rows of an archive.
func read(b []byte) ([]store.Entry, error) {
	r, err := archive.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out []store.Entry
	for {
		block, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		rows, err := archive.Rows(block.Frame)
		if err != nil || len(rows) != block.Rows {
			return nil, fmt.Errorf("a block of %d rows has %d: %w", block.Rows, len(rows), err)
		}
		out = append(out, rows...)
	}
}

func TestAnArchiveGivesBackWhatWasPutIn(t *testing.T) {
	t.Parallel()
	file, want := example(t)
	got, err := read(file)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%d rows came back of %d, or others", len(got), len(want))
	}
	s, err := archive.Verify(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	h := header
	h.Format = 1
	if s.Header != h || s.Partitions != 4 || !s.Whole() || s.Rows != int64(len(want)) || s.Bytes != int64(len(file)) || len(s.Digest) != 32 {
		t.Errorf("the summary says %+v", s)
	}
}

func TestARowAsLargeAsAnyEngineTakesIsKept(t *testing.T) {
	t.Parallel()
	f, w := begin(t)
	want := []store.Entry{entry(0, 0, 100), entry(0, 1, 768<<10), entry(0, 2, 768<<10), entry(0, 3, 100)}
	if _, err := w.Add(bytes.NewReader(stream(t, 0, want)), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := read(contents(t, f)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%d rows, %v", len(got), err)
	}
}

// Every byte of the file counts: there is none that could be other without being
// noticed.
func TestAFlippedBitAnywhereIsNoticed(t *testing.T) {
	t.Parallel()
	file, _ := example(t)
	step := max(1, len(file)/800)
	for i := 0; i < len(file); i += step {
		damaged := slices.Clone(file)
		damaged[i] ^= 1 << (i % 8)
		_, err := archive.Verify(bytes.NewReader(damaged))
		if !errors.Is(err, archive.ErrDamaged) && !errors.Is(err, archive.ErrNoArchive) {
			t.Fatalf("byte %d of %d: %v", i, len(file), err)
		}
	}
}

func TestATruncatedFileIsNoticed(t *testing.T) {
	t.Parallel()
	file, _ := example(t)
	step := max(1, len(file)/200)
	for n := len(archive.Magic); n < len(file); n += step {
		_, err := archive.Verify(bytes.NewReader(file[:n]))
		if !errors.Is(err, archive.ErrTruncated) || !errors.Is(err, archive.ErrDamaged) {
			t.Fatalf("the first %d bytes of %d: %v", n, len(file), err)
		}
	}
	if _, err := archive.Verify(bytes.NewReader(append(slices.Clone(file), 0))); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("a byte too many: %v", err)
	}
}

func TestAPartitionThatIsLeftOutOrRepeatedIsNoticed(t *testing.T) {
	t.Parallel()
	file, _ := example(t)
	part := stream(t, 0, nil) // the first, which is empty, as it stands in the file
	at := bytes.Index(file, part)
	if at < 0 {
		t.Fatal("the file does not hold the stream")
	}
	without := slices.Delete(slices.Clone(file), at, at+len(part))
	twice := slices.Insert(slices.Clone(file), at, part...)
	for name, b := range map[string][]byte{"left out": without, "twice": twice} {
		if _, err := archive.Verify(bytes.NewReader(b)); !errors.Is(err, archive.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An owner may fail in the middle of a partition; another is asked.
func TestAStreamThatBreaksOffLeavesNothingInTheFile(t *testing.T) {
	t.Parallel()
	f, w := begin(t)
	first, second := []store.Entry{entry(1<<14, 1, 10)}, []store.Entry{entry(0, 1, 300_000), entry(0, 2, 300_000)}
	if _, err := w.Add(bytes.NewReader(stream(t, 1, first)), 1); err != nil {
		t.Fatal(err)
	}
	whole := stream(t, 0, second)
	for _, n := range []int{0, 5, len(whole) / 2, len(whole) - 1} {
		if _, err := w.Add(bytes.NewReader(whole[:n]), 0); !errors.Is(err, archive.ErrTruncated) {
			t.Fatalf("%d bytes of a stream: %v", n, err)
		}
	}
	if _, err := w.Add(bytes.NewReader(whole), 2); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("the stream of another partition: %v", err)
	}
	if _, err := w.Add(bytes.NewReader(whole), 0); err != nil {
		t.Fatal(err)
	}
	s, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if s.Partitions != 2 || s.Rows != 3 || s.Whole() {
		t.Errorf("the summary says %+v", s)
	}
	if got, err := read(contents(t, f)); err != nil || !reflect.DeepEqual(got, slices.Concat(first, second)) {
		t.Errorf("%d rows, %v", len(got), err)
	}
}

func TestARowOfAnotherPartitionIsRefused(t *testing.T) {
	t.Parallel()
	_, w := begin(t)
	if _, err := w.Add(bytes.NewReader(stream(t, 0, []store.Entry{entry(1<<14, 1, 1)})), 0); !errors.Is(err, archive.ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNoArchiveIsNoArchive(t *testing.T) {
	t.Parallel()
	for _, b := range []string{"", "GRAPE", "a text of some length"} {
		if _, err := archive.Verify(bytes.NewReader([]byte(b))); !errors.Is(err, archive.ErrNoArchive) {
			t.Errorf("%q: %v", b, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add([]byte(archive.Magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := archive.Verify(bytes.NewReader(b)); err == nil && s.Bytes != int64(len(b)) {
			t.Errorf("read %d bytes of %d", s.Bytes, len(b))
		}
	})
}

func FuzzRows(f *testing.F) {
	f.Add([]byte{3, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		rows, err := archive.Rows(b)
		if err != nil && rows != nil {
			t.Error("rows with an error")
		}
	})
}
