package httpapi

import (
	"context"
	"encoding/json"
	"io"

	"grapevine/node/client"
	"grapevine/services/social"
	"grapevine/store"
)

// Users keeps accounts and sessions. A ref is a user id or @name.
type Users interface {
	Create(ctx context.Context, in social.NewUser) (social.Session, error)
	LogIn(ctx context.Context, username, password string) (social.Session, error)
	LogOut(ctx context.Context, who social.Identity) error
	Authenticate(ctx context.Context, token string) (social.Identity, error)
	Get(ctx context.Context, ref string) (social.User, error)
	Update(ctx context.Context, who social.Identity, ref string, in social.UserPatch) (social.User, error)
	Delete(ctx context.Context, who social.Identity, ref string) error
	List(ctx context.Context, cut social.Cut) (social.Page[social.User], store.Coverage, error)
	SetPassword(ctx context.Context, who social.Identity, ref, current, next string) error
	LogOutEverywhere(ctx context.Context, who social.Identity) error
	Notices(ctx context.Context, who social.Identity) ([]social.Notice, error)
	Dismiss(ctx context.Context, who social.Identity, ref, notice string) error
}

// Takeout streams an account out and in.
type Takeout interface {
	// Export writes to w only once it is certain that it may.
	Export(ctx context.Context, w io.Writer, who social.Identity, ref string) error
	Import(ctx context.Context, r io.Reader, who social.Identity, ref string) (social.Imported, error)
}

// Graph keeps how accounts stand to one another.
type Graph interface {
	Follow(ctx context.Context, who social.Identity, ref, other string) error
	Unfollow(ctx context.Context, who social.Identity, ref, other string) error
	Following(ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error)
	Followers(ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error)
	Mutuals(ctx context.Context, ref, other string, cut social.Cut) (social.Page[social.User], error)
	Suggestions(ctx context.Context, viewer social.Identity, ref string, cut social.Cut) (social.Page[social.Suggestion], error)
	Path(ctx context.Context, ref, other string) ([]social.User, error)
	// Counts is of a user's id.
	Counts(ctx context.Context, user string) (social.RelationCounts, error)

	Befriend(ctx context.Context, who social.Identity, ref, friend string) (social.Friendship, error)
	Unfriend(ctx context.Context, who social.Identity, ref, other string) error
	Friends(ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error)
	Requests(ctx context.Context, who social.Identity, ref string, d social.RequestDirection, cut social.Cut) (social.Page[social.User], error)
	Relation(ctx context.Context, who social.Identity, ref, other string) (social.Relation, error)

	Block(ctx context.Context, who social.Identity, ref, other string) error
	Unblock(ctx context.Context, who social.Identity, ref, other string) error
	Blocks(ctx context.Context, who social.Identity, ref string, cut social.Cut) (social.Page[social.User], error)
	Mute(ctx context.Context, who social.Identity, ref, other string) error
	Unmute(ctx context.Context, who social.Identity, ref, other string) error
	Mutes(ctx context.Context, who social.Identity, ref string, cut social.Cut) (social.Page[social.User], error)
}

// Posts keeps posts, and what is done with them. Encoded posts are the JSON of
// social.Post.
type Posts interface {
	Create(ctx context.Context, who social.Identity, in social.NewPost) (social.Post, error)
	EncodedOne(ctx context.Context, viewer social.Identity, id string) (json.RawMessage, error)
	Edit(ctx context.Context, who social.Identity, id, text string) (social.Post, error)
	Delete(ctx context.Context, who social.Identity, id string) error
	ByAuthor(ctx context.Context, viewer social.Identity, ref string, f social.PostFilter, cut social.Cut) (social.Page[json.RawMessage], error)
	Like(ctx context.Context, who social.Identity, id string) error
	Unlike(ctx context.Context, who social.Identity, id string) error
	Repost(ctx context.Context, who social.Identity, id string) error
	Unrepost(ctx context.Context, who social.Identity, id string) error
	Likes(ctx context.Context, viewer social.Identity, id string, cut social.Cut) (social.Page[social.User], error)
	Reposts(ctx context.Context, viewer social.Identity, id string, cut social.Cut) (social.Page[social.User], error)
	Thread(ctx context.Context, viewer social.Identity, id string, cut social.Cut) (social.Thread[json.RawMessage], error)
	History(ctx context.Context, viewer social.Identity, id string, cut social.Cut) (social.Page[social.PostVersion], error)
}

// Timelines gives pages of encoded posts, newest first.
type Timelines interface {
	Home(ctx context.Context, who social.Identity, f social.PostFilter, cut social.Cut) (social.Page[json.RawMessage], error)
	Mentions(ctx context.Context, who social.Identity, f social.PostFilter, cut social.Cut) (social.Page[json.RawMessage], error)
	Tagged(ctx context.Context, viewer social.Identity, tag string, f social.PostFilter, cut social.Cut) (social.Page[json.RawMessage], error)
	// List is of a list of who's.
	List(ctx context.Context, who social.Identity, list string, f social.PostFilter, cut social.Cut) (social.Page[json.RawMessage], error)
	Public(ctx context.Context, viewer social.Identity, f social.PostFilter, cut social.Cut) (social.Page[json.RawMessage], store.Coverage, error)
}

// Cluster tells what the node knows of itself and of the others, and does what an
// operator asks. Its errors are social.Errors.
type Cluster interface {
	Members(ctx context.Context) []client.Member
	Ring(ctx context.Context) client.Ring
	// Partitions sums up the rows of each local partition when digest is set.
	Partitions(ctx context.Context, digest bool) ([]client.Partition, error)
	Health(ctx context.Context) client.Health
	// Locate understands an id, an @name, and any other string as a key.
	Locate(ctx context.Context, key string) (client.Locate, error)
	// Readiness says whether the node serves, and whether another can be spared.
	Readiness(ctx context.Context) client.Readiness

	// Plan says what would move; it changes nothing.
	Plan(ctx context.Context, ch client.Changes) (client.Plan, error)
	// Leave begins to take this node out of the ring.
	Leave(ctx context.Context) (client.Departure, error)
	// Forget takes another node out, named by its id or its short id.
	Forget(ctx context.Context, node string) (client.Departure, error)
	// Repair begins a round of anti-entropy with all peers.
	Repair(ctx context.Context) error
}

// Faults cuts the node off from peers.
type Faults interface {
	// Block replaces the set of peers that the node cannot reach and that cannot
	// reach it.
	Block(ids []string)
}
