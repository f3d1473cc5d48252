// Package dataset reads what the testnet loads: people, whom they follow and
// what they post. What it reads from a file is a function of that file alone, so
// that a run that was interrupted, and a check that comes later, see the same.
package dataset

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/zeebo/xxh3"
)

// User is an account to make.
type User struct {
	Username    string `json:"username"`
	DisplayName string `json:"display_name,omitempty"`
	Bio         string `json:"bio,omitempty"`
}

// Follow says that one user follows another, both by their index in Users.
type Follow struct{ From, To int }

// NoReply is the ReplyTo of a post that answers none.
const NoReply = -1

// Post is a post to make: its author's index in Users and the index of the
// earlier post it answers, or NoReply.
type Post struct {
	Author  int
	Text    string
	ReplyTo int
}

// Dataset is a thing to load. Follows are loaded before Posts.
type Dataset struct {
	Kind    string // names the format, and the journal of the load
	Source  string // absolute path of the file; empty for what the program ships
	Limit   int    // at most so many posts were read; 0 is all
	Users   []User
	Follows []Follow
	Posts   []Post
}

// Fingerprint is equal for equal content.
func (d *Dataset) Fingerprint() (string, error) {
	h := xxh3.New()
	if err := json.NewEncoder(h).Encode([]any{d.Users, d.Follows, d.Posts}); err != nil {
		return "", fmt.Errorf("fingerprint %s: %w", d.Kind, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Password gives the password of a user of the dataset. It differs by kind, so
// that an account is never taken for one of the same name from elsewhere.
func (d *Dataset) Password(user int) string {
	return "testnet-" + d.Kind + "-" + d.Users[user].Username
}

// formats are the files that Open knows.
var formats = []struct {
	file string
	read func(path string, limit int, reserved func(string) bool) (*Dataset, error)
}{
	{"edges.txt", readEdges},
	{"posts.ndjson", readPosts},
}

// Open reads the datasets at path, a known file or a directory that holds some.
// At most limit posts are read, all when it is 0. Usernames that reserved
// refuses are not given to anybody.
func Open(path string, limit int, reserved func(string) bool) ([]*Dataset, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	var sets []*Dataset
	for _, f := range formats {
		file := path
		if info.IsDir() {
			file = filepath.Join(path, f.file)
		} else if filepath.Base(path) != f.file {
			continue
		}
		d, err := f.read(file, limit, reserved)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("dataset %s: %w", file, err)
		}
		d.Source, d.Limit = file, limit
		sets = append(sets, d)
	}
	if len(sets) == 0 {
		return nil, fmt.Errorf("dataset: %s is or holds neither edges.txt nor posts.ndjson", path)
	}
	return sets, nil
}
