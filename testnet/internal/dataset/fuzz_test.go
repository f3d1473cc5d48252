package dataset

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// readText reads a dataset from a file of the given text.
func readText(t *testing.T, text []byte, read func(string, int, func(string) bool) (*Dataset, error)) (*Dataset, error) {
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return read(path, 0, func(name string) bool { return name == "admin" })
}

var username = regexp.MustCompile(`^[a-z0-9_]{0,32}$`)

// checkDataset asks that what was read can be loaded: names are distinct, and all
// that refers to another refers to one that there is.
func checkDataset(t *testing.T, d *Dataset) {
	taken := map[string]bool{"admin": true}
	for _, u := range d.Users {
		if taken[u.Username] || !username.MatchString(u.Username) {
			t.Errorf("the username %q is taken or none", u.Username)
		}
		taken[u.Username] = true
	}
	for i, p := range d.Posts {
		if p.Author >= len(d.Users) || p.ReplyTo >= i {
			t.Errorf("post %d: %+v of %d users", i, p, len(d.Users))
		}
	}
	follows := map[Follow]bool{}
	for _, f := range d.Follows {
		if f.From == f.To || max(f.From, f.To) >= len(d.Users) || follows[f] {
			t.Errorf("follow %v of %d users", f, len(d.Users))
		}
		follows[f] = true
	}
}

func FuzzReadPosts(f *testing.F) {
	f.Add([]byte(`{"id":"1","author":"Admin","text":"a"}` + "\n" + `{"id":"2","author":"admin","text":"b","reply_to":"1"}`))
	f.Add([]byte(`{"id":"1","author":"fb_1"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if d, err := readText(t, text, readPosts); err == nil {
			checkDataset(t, d)
		}
	})
}

func FuzzReadEdges(f *testing.F) {
	f.Add([]byte("# friends\n0 1\n1 2\n1 0\n"))
	f.Add([]byte("1 -1"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if d, err := readText(t, text, readEdges); err == nil {
			checkDataset(t, d)
		}
	})
}
