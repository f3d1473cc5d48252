package load

import (
	"bytes"
	"testing"
)

// A journal is read to the end of its last whole line, and so far means the same
// whatever a crash left behind it.
func FuzzReadJournal(f *testing.F) {
	f.Add([]byte(`{"kind":"graph","fingerprint":"f"}` + "\n" + `{"user":0,"id":"u","token":"t"}` + "\n" + `{"post":1,"refused":422}` + "\n" + `{"po`))
	f.Add([]byte("{}\n{}\n"))
	f.Fuzz(func(t *testing.T, journal []byte) {
		done, whole, err := read(bytes.NewReader(journal))
		if err != nil {
			return
		}
		if whole > int64(len(journal)) || whole > 0 && journal[whole-1] != '\n' {
			t.Fatalf("%d of %d bytes are whole", whole, len(journal))
		}
		again, _, err := read(bytes.NewReader(journal[:whole]))
		if err != nil || len(again.Users) != len(done.Users) || len(again.Posts) != len(done.Posts) || again.Header != done.Header {
			t.Errorf("%+v, and without what is cut short %+v, %v", done, again, err)
		}
	})
}
