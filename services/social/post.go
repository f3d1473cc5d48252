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

// Post is a text by a user, or, when RepostOf is not empty, another's post passed
// on. Counts, Viewer and Reposted are in what is read, not in the reply to a write.
type Post struct {
	ID         string     `json:"id"`
	Author     string     `json:"author" doc:"The author's user id."`
	Text       string     `json:"text"`
	ReplyTo    string     `json:"reply_to,omitempty" doc:"The id of the post this answers."`
	Visibility Visibility `json:"visibility" enum:"public,followers,direct"`
	CreatedAt  time.Time  `json:"created_at"`
	EditedAt   *time.Time `json:"edited_at,omitempty"`
	ImportedAt *time.Time `json:"imported_at,omitempty" doc:"When the post came from an archive; created_at is what the archive said."`
	Mentions   []string   `json:"mentions,omitempty" doc:"The ids of the users mentioned as @name."`
	Tags       []string   `json:"tags,omitempty" doc:"The hashtags in the text, without the #, in the form in which tags are compared."`
	RepostOf   string     `json:"repost_of,omitempty" doc:"The id of the post that this passes on; the text is empty then."`
	// What follows is appended by services/posts to the encoded rest, in this order.
	Counts   *PostCounts `json:"counts,omitempty" doc:"What was done with the post, by everybody: the same for all who read it, also with a block between you and some who did it, whom the lists of them leave out. It may lag by a moment, and by some seconds beyond a thousand."`
	Viewer   *PostViewer `json:"viewer,omitempty" doc:"What the account that asks did with the post."`
	Reposted *Post       `json:"reposted,omitempty" doc:"The post that this passes on."`
}

// NewPost is what posting takes. Key, when not empty, is the client's
// Idempotency-Key: a second post of one author with the same key is the first.
type NewPost struct {
	Text       string
	ReplyTo    string
	Visibility Visibility // Public when empty
	Key        string
}

// PostCounts is how often something was done with a post, up to MaxCount. Replies are
// those that are public.
type PostCounts struct {
	Likes   int `json:"likes"`
	Reposts int `json:"reposts"`
	Replies int `json:"replies"`
}

// PostViewer is what its reader did with a post.
type PostViewer struct {
	Liked    bool `json:"liked"`
	Reposted bool `json:"reposted"`
}

// PostVersion is a text that a post had, or has.
type PostVersion struct {
	Text string    `json:"text"`
	At   time.Time `json:"at" doc:"Since when."`
}

// PostFilter is which posts of a list are wanted. The zero value of each field
// asks for nothing.
type PostFilter struct {
	Author  string // a user id or @name
	Tag     string
	Since   time.Time // made at this time or later
	Until   time.Time // made before this time
	Replies *bool     // only replies, or none
	Public  bool      // public posts alone, each once: no reposts
	Unmuted bool      // none of those whom the viewer mutes
	// Followed asks for what belongs in the viewer's home: posts of those whom the viewer
	// follows, the viewer's own, and direct ones.
	Followed bool
}

// Thread is a post among those it answers and those that answer it, as JSON of
// Post. Ancestors begin with the one farthest up. Each descendant follows what it
// answers; those of one post are in the order in which they were made.
type Thread[T any] struct {
	Ancestors   []T    `json:"ancestors"`
	Post        T      `json:"post"`
	Descendants []T    `json:"descendants"`
	Next        string `json:"next,omitempty" doc:"The cursor of further descendants."`
}

// Bounds of a post. MaxText is in characters.
const (
	MaxEdits    = 1000
	MaxCount    = 100_000 // counts of likes, reposts and replies stop there
	MaxText     = 5000
	MaxMentions = 20
	MaxKey      = 128
)
