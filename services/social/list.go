package social

import "time"

// List is a list of accounts that a user keeps, for a timeline of what these post.
// Nobody else knows of it.
type List struct {
	ID        string    `json:"id"`
	Title     string    `json:"title"`
	CreatedAt time.Time `json:"created_at"`
}

// NewList is what making a list takes. Key, when not empty, is the client's
// Idempotency-Key.
type NewList struct {
	Title string
	Key   string
}

// Bounds of lists. Those on numbers may be passed by as many as are made at one
// moment.
const (
	MaxListTitle   = 100 // characters
	MaxLists       = 100 // of an account
	MaxListMembers = 200
)
