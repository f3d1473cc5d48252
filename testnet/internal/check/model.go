// Package check compares what a testnet answers with what was put into it. The
// expected answers come from a model in memory that is too naive to be wrong in
// the way a distributed one can be.
package check

import (
	"cmp"
	"fmt"
	"slices"

	"grapevine/testnet/internal/api"
	"grapevine/testnet/internal/dataset"
	"grapevine/testnet/internal/load"
)

// MaxHome bounds the posts of a home timeline that are compared: the newest.
const MaxHome = 800

// Post is what is compared of a post.
type Post struct {
	ID     string `json:"id"`
	Author string `json:"author"`
	Text   string `json:"text"`
}

// User is one account and what the API should say of it. Lists of users are ids
// in ascending order, posts are newest first.
type User struct {
	Name, Password string
	Account        api.Account
	Following      []string
	Followers      []string
	Posts          []Post
}

// Model holds the users that were loaded, by id. Free are the ids of users with
// whom people play: nothing is expected of them, and they may follow anybody. So
// may strangers, who signed up by hand.
type Model struct {
	Users map[string]*User
	Free  map[string]bool

	names map[string]bool // of all users
}

// atPlay says whether a user does what no dataset tells. A second account of a
// loaded name is no stranger but a fault.
func (m *Model) atPlay(id, name string) bool {
	return m.Free[id] || (m.Users[id] == nil && name != "" && !m.names[name])
}

// Load is a dataset with the journal of its load.
type Load struct {
	Data *dataset.Dataset
	Done load.Done
}

// NewModel builds the model of complete loads. free names the users to play
// with, by dataset kind and username.
func NewModel(loads []Load, free func(kind, username string) bool) (*Model, error) {
	m := &Model{Users: map[string]*User{}, Free: map[string]bool{}, names: map[string]bool{}}
	for _, l := range loads {
		if err := m.add(l, free); err != nil {
			return nil, fmt.Errorf("check %s: %w", l.Data.Kind, err)
		}
	}
	for _, u := range m.Users {
		slices.Sort(u.Following)
		slices.Sort(u.Followers)
		newestFirst(u.Posts)
	}
	return m, nil
}

func (m *Model) add(l Load, free func(kind, username string) bool) error {
	if err := complete(l); err != nil {
		return err
	}
	for i, u := range l.Data.Users {
		account := l.Done.Users[i]
		if _, taken := m.Users[account.ID]; taken {
			return fmt.Errorf("@%s was given the id of another user, %s", u.Username, account.ID)
		}
		m.names[u.Username] = true
		m.Users[account.ID] = &User{Name: u.Username, Password: l.Data.Password(i), Account: account}
		if free(l.Data.Kind, u.Username) {
			m.Free[account.ID] = true
		}
	}
	for _, f := range l.Data.Follows {
		from, to := l.Done.Users[f.From].ID, l.Done.Users[f.To].ID
		m.Users[from].Following = append(m.Users[from].Following, to)
		if !m.Free[from] {
			m.Users[to].Followers = append(m.Users[to].Followers, from)
		}
	}
	for i, p := range l.Data.Posts {
		if id, ok := l.Done.Posts[i]; ok {
			author := m.Users[l.Done.Users[p.Author].ID]
			author.Posts = append(author.Posts, Post{ID: id, Author: author.Account.ID, Text: p.Text})
		}
	}
	return nil
}

// complete refuses a load that was interrupted: what it had under way is not
// known.
func complete(l Load) error {
	sum, err := l.Data.Fingerprint()
	if err != nil {
		return err
	}
	if sum != l.Done.Fingerprint {
		return fmt.Errorf("%s has changed since it was loaded", l.Data.Source)
	}
	missing := len(l.Data.Users) - len(l.Done.Users) + len(l.Data.Posts) - len(l.Done.Posts) - len(l.Done.Refused)
	for first := 0; first < len(l.Data.Follows); first += load.FollowChunk {
		if !l.Done.Follows[first] {
			missing++
		}
	}
	if missing > 0 {
		return fmt.Errorf("the load was interrupted; finish it with: testnet load %s", l.Data.Source)
	}
	return nil
}

// Home gives the home timeline of a user: own posts and those of everybody
// followed, newest first, at most MaxHome.
func (m *Model) Home(u *User) []Post {
	home := slices.Clone(u.Posts)
	for _, id := range u.Following {
		home = append(home, m.Users[id].Posts...)
	}
	newestFirst(home)
	return home[:min(len(home), MaxHome)]
}

// newestFirst sorts by id, which sorts by time.
func newestFirst(posts []Post) {
	slices.SortFunc(posts, func(a, b Post) int { return cmp.Compare(b.ID, a.ID) })
}
