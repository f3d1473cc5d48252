package load

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"grapevine/testnet/internal/api"
	"grapevine/testnet/internal/dataset"
)

// Header is the first line of a journal: which dataset it is of.
type Header struct {
	Kind        string `json:"kind"`
	Source      string `json:"source,omitempty"`
	Limit       int    `json:"limit,omitempty"`
	Fingerprint string `json:"fingerprint"`
}

// line is any further line: a user made, a chunk of follows made, a post made or
// refused for good. All are numbered as in the dataset.
type line struct {
	User    *int   `json:"user,omitempty"`
	Token   string `json:"token,omitempty"`
	Follows *int   `json:"follows,omitempty"` // the first of a chunk
	Post    *int   `json:"post,omitempty"`
	ID      string `json:"id,omitempty"`
	Refused int    `json:"refused,omitempty"` // the status of the refusal
}

// Done is what a journal says has been loaded.
type Done struct {
	Header
	Users   map[int]api.Account
	Follows map[int]bool // by the first of each chunk
	Posts   map[int]string
	Refused map[int]int // post to status
}

// Journal is the append-only record of a load. An entry is appended after the
// API acknowledged it, so a journal never claims too much; what it claims too
// little is done again, to no effect. It is safe for concurrent use.
type Journal struct {
	Done Done

	mu   sync.Mutex
	file *os.File
}

// ErrInUse is returned for a journal that another process is writing.
var ErrInUse = errors.New("another load of this dataset is running")

// JournalPath gives where the journal of a kind of dataset lies in a run
// directory.
func JournalPath(dir, kind string) string { return filepath.Join(dir, "loaded-"+kind+".ndjson") }

// OpenJournal takes up or begins the journal of d in dir. A last line that a
// crash cut short is removed.
func OpenJournal(dir string, d *dataset.Dataset) (*Journal, error) {
	sum, err := d.Fingerprint()
	if err != nil {
		return nil, err
	}
	head := Header{Kind: d.Kind, Source: d.Source, Limit: d.Limit, Fingerprint: sum}
	path := JournalPath(dir, d.Kind)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	j := &Journal{file: file}
	if err := j.resume(head); err != nil {
		file.Close()
		return nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return j, nil
}

// resume locks the file, reads what is whole in it and stands at its end.
func (j *Journal) resume(head Header) error {
	if err := syscall.Flock(int(j.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return ErrInUse
	}
	done, whole, err := read(j.file)
	if err != nil {
		return err
	}
	if err := j.file.Truncate(whole); err != nil {
		return err
	}
	if _, err := j.file.Seek(whole, io.SeekStart); err != nil {
		return err
	}
	j.Done = done
	if whole == 0 {
		j.Done.Header = head
		return j.append(head)
	}
	if done.Fingerprint != head.Fingerprint {
		return fmt.Errorf("this testnet holds other data of the kind (%s, limit %d): load it into a fresh one", done.Source, done.Limit)
	}
	return nil
}

// ReadJournal gives what the journal of a kind in dir says, and whether there is
// one.
func ReadJournal(dir, kind string) (Done, bool, error) {
	file, err := os.Open(JournalPath(dir, kind))
	if errors.Is(err, fs.ErrNotExist) {
		return Done{}, false, nil
	}
	if err != nil {
		return Done{}, false, fmt.Errorf("journal: %w", err)
	}
	defer file.Close()
	done, whole, err := read(file)
	if err != nil {
		return Done{}, false, fmt.Errorf("journal %s: %w", file.Name(), err)
	}
	return done, whole > 0, nil
}

// Kinds lists the kinds of dataset that have a journal in dir.
func Kinds(dir string) ([]string, error) {
	paths, err := filepath.Glob(JournalPath(dir, "*"))
	if err != nil {
		return nil, err
	}
	before, after, _ := strings.Cut(JournalPath(dir, "*"), "*")
	kinds := make([]string, len(paths))
	for i, path := range paths {
		kinds[i] = strings.TrimSuffix(strings.TrimPrefix(path, before), after)
	}
	return kinds, nil
}

// read gives the content of whole lines and their length in bytes.
func read(r io.Reader) (Done, int64, error) {
	done := Done{
		Users: map[int]api.Account{}, Follows: map[int]bool{},
		Posts: map[int]string{}, Refused: map[int]int{},
	}
	var whole int64
	for lines := bufio.NewReader(r); ; {
		b, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return done, whole, nil
		}
		if err != nil {
			return Done{}, 0, err
		}
		if err := done.take(b, whole == 0); err != nil {
			return Done{}, 0, fmt.Errorf("damaged at byte %d: %w", whole, err)
		}
		whole += int64(len(b))
	}
}

func (d *Done) take(b []byte, first bool) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if first {
		return dec.Decode(&d.Header)
	}
	var l line
	if err := dec.Decode(&l); err != nil {
		return err
	}
	switch {
	case l.User != nil:
		d.Users[*l.User] = api.Account{ID: l.ID, Token: l.Token}
	case l.Follows != nil:
		d.Follows[*l.Follows] = true
	case l.Post != nil && l.Refused != 0:
		d.Refused[*l.Post] = l.Refused
	case l.Post != nil:
		d.Posts[*l.Post] = l.ID
	default:
		return fmt.Errorf("%q says nothing", b)
	}
	return nil
}

func (j *Journal) append(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.file.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

func (j *Journal) user(i int, a api.Account) error {
	return j.append(line{User: &i, ID: a.ID, Token: a.Token})
}

func (j *Journal) follows(first int) error { return j.append(line{Follows: &first}) }

func (j *Journal) post(i int, id string) error { return j.append(line{Post: &i, ID: id}) }

func (j *Journal) refused(i, status int) error { return j.append(line{Post: &i, Refused: status}) }

// Close ends writing.
func (j *Journal) Close() error { return j.file.Close() }
