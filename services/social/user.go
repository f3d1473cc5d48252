package social

import "time"

// User is an account as everybody sees it.
type User struct {
	ID          string    `json:"id"`
	Username    string    `json:"username"`
	DisplayName string    `json:"display_name"`
	Bio         string    `json:"bio"`
	CreatedAt   time.Time `json:"created_at"`
}

// NewUser is what signing up takes.
type NewUser struct {
	Username    string
	Password    string
	DisplayName string // the username when empty
	Bio         string
}

// UserPatch changes the fields that are not nil.
type UserPatch struct {
	DisplayName *string
	Bio         *string
}

// Bounds of a user's texts, in characters. A username is 1 to MaxUsername of
// a-z, 0-9 and _; upper case is folded.
const (
	MaxUsername    = 32
	MinPassword    = 8
	MaxPassword    = 256
	MaxDisplayName = 64
	MaxBio         = 500
)
