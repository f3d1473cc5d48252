package social

import "time"

// Visibility says who may see a post.
type Visibility string

// The visibilities of a post.
const (
	Public    Visibility = "public"    // everybody
	Followers Visibility = "followers" // the author and the author's followers
	Direct    Visibility = "direct"    // the author and the users mentioned in it
)

// Post is a text by a user.
type Post struct {
	ID         string     `json:"id"`
	Author     string     `json:"author" doc:"The author's user id."`
	Text       string     `json:"text"`
	ReplyTo    string     `json:"reply_to,omitempty" doc:"The id of the post this answers."`
	Visibility Visibility `json:"visibility" enum:"public,followers,direct"`
	CreatedAt  time.Time  `json:"created_at"`
	EditedAt   *time.Time `json:"edited_at,omitempty"`
	Mentions   []string   `json:"mentions,omitempty" doc:"The ids of the users mentioned as @name."`
}

// NewPost is what posting takes. Key, when not empty, is the client's
// Idempotency-Key: a second post of one author with the same key is the first.
type NewPost struct {
	Text       string
	ReplyTo    string
	Visibility Visibility // Public when empty
	Key        string
}

// Bounds of a post. MaxText is in characters.
const (
	MaxText     = 5000
	MaxMentions = 20
	MaxKey      = 128
)
