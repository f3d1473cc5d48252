// Package social holds the words of the domain: users, posts, follows, their
// ids, and the kinds of error that a service can answer with. It knows neither
// how they are stored nor how they are served.
package social

import "time"

// Page is one page of a list. Next is the cursor of the following page, empty at
// the end. Prev is, in lists of posts, the cursor of what is newer than the page,
// also of what is yet to come; it is empty where nothing was ever shown.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
	Prev  string `json:"prev,omitempty" doc:"In lists of posts: the cursor of what is newer, also of what is yet to come."`
}

// MaxPage and DefaultPage bound the items of one page.
const (
	MaxPage     = 100
	DefaultPage = 40
)

// Cut describes which page of a list is wanted. Limit is 1 to MaxPage.
type Cut struct {
	Cursor string
	Limit  int
}

// Identity is the account that a request acts for. The zero Identity is an
// anonymous visitor.
type Identity struct {
	User    string // user id
	TokenID string
	Expires time.Time
}

// Anonymous says whether nobody is logged in.
func (i Identity) Anonymous() bool { return i.User == "" }

// Session is a login.
type Session struct {
	Token     string    `json:"token" doc:"Send it as Authorization: Bearer TOKEN, to any node."`
	ExpiresAt time.Time `json:"expires_at"`
	User      User      `json:"user"`
}
