// Package takeout gives an account to its owner as a file, and takes such a file
// in: profile, posts, likes, how it stands to others, and lists, a JSON object on each
// line.
//
// The first line says what the file is, the last that it is whole. An import can
// be repeated, and broken off and begun again: what is there is passed over.
package takeout

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"grapevine/services/social"
)

// Users is what is needed of the accounts.
type Users interface {
	Get(ctx context.Context, ref string) (social.User, error)
	GetMany(ctx context.Context, ids []string) ([]social.User, error)
	IDs(ctx context.Context, names []string) ([]string, error)
	Update(ctx context.Context, who social.Identity, ref string, patch social.UserPatch) (social.User, error)
}

// Posts is what is needed of the posts.
type Posts interface {
	Archive(ctx context.Context, author, after string, limit int) (posts []social.ArchivedPost, last string, err error)
	History(ctx context.Context, viewer social.Identity, id string, cut social.Cut) (social.Page[social.PostVersion], error)
	Import(ctx context.Context, who social.Identity, posts []social.ArchivedPost) (skipped []string, err error)
	ImportEdits(ctx context.Context, who social.Identity, edits []social.ArchivedEdit) (skipped []string, err error)
	ArchiveLikes(ctx context.Context, user, after string, limit int) (posts []string, last string, err error)
	ImportLike(ctx context.Context, who social.Identity, id string) error
}

// Graph is what is needed of how accounts stand to one another.
type Graph interface {
	Follow(ctx context.Context, who social.Identity, ref, other string) error
	Following(ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error)
	Followers(ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error)
	Befriend(ctx context.Context, who social.Identity, ref, friend string) (social.Friendship, error)
	Block(ctx context.Context, who social.Identity, ref, other string) error
	Mute(ctx context.Context, who social.Identity, ref, other string) error
	Agreed(ctx context.Context, who social.Identity, ref string, cut social.Cut) (social.Page[social.User], error)
	Blocks(ctx context.Context, who social.Identity, ref string, cut social.Cut) (social.Page[social.User], error)
	Mutes(ctx context.Context, who social.Identity, ref string, cut social.Cut) (social.Page[social.User], error)
}

// Lists is what is needed of the lists.
type Lists interface {
	List(ctx context.Context, who social.Identity, cut social.Cut) (social.Page[social.List], error)
	Members(ctx context.Context, who social.Identity, id string, cut social.Cut) (social.Page[social.User], error)
	Add(ctx context.Context, who social.Identity, id, ref string) error
	Import(ctx context.Context, who social.Identity, l social.List) (made bool, err error)
	Imported(ctx context.Context, who social.Identity, id string) (string, error)
}

// Service exports and imports accounts. It is safe for concurrent use.
type Service struct {
	users Users
	posts Posts
	graph Graph
	lists Lists
	now   func() time.Time
}

// New makes the service. Now is the wall clock.
func New(users Users, posts Posts, graph Graph, lists Lists, now func() time.Time) *Service {
	return &Service{users: users, posts: posts, graph: graph, lists: lists, now: now}
}

// The types of lines, in the order in which a file has them.
const (
	typeHeader    = "grapevine-export"
	typeProfile   = "profile"
	typePost      = "post"
	typeEdit      = "edit" // after its post, latest first
	typeFollowing = "following"
	typeFollower  = "follower"
	typeLike      = "like"
	typeFriend    = "friend" // or one who was asked to be
	typeBlock     = "block"
	typeMute      = "mute"
	typeList      = "list"
	typeMember    = "list-member" // after its list
	typeEnd       = "end"
)

const version = 1

// MaxLine bounds the bytes of a line: a post of four-byte characters that was
// edited, each of them escaped.
const MaxLine = 256 << 10

// batch is how many things are read or written at once.
const batch = 100

type header struct {
	Type       string    `json:"type"`
	Version    int       `json:"version"`
	ExportedAt time.Time `json:"exported_at"`
	User       person    `json:"user"`
}

// person is another account in a file.
type person struct {
	ID       string `json:"id"`
	Username string `json:"username"`
}

type (
	profileLine struct {
		Type string `json:"type"`
		social.User
	}
	postLine struct {
		Type string `json:"type"`
		social.ArchivedPost
	}
	editLine struct {
		Type string `json:"type"`
		social.ArchivedEdit
	}
	personLine struct {
		Type string `json:"type"`
		person
	}
	likeLine struct {
		Type string `json:"type"`
		Post string `json:"post"`
	}
	listLine struct {
		Type string `json:"type"`
		social.List
	}
	memberLine struct {
		Type string `json:"type"`
		List string `json:"list"`
		person
	}
	endLine struct {
		Type  string `json:"type"`
		Lines int    `json:"lines"` // before this one
	}
)

// own gives the user of ref, which must be who's own account.
func (s *Service) own(ctx context.Context, who social.Identity, ref string) (social.User, error) {
	if who.Anonymous() {
		return social.User{}, social.Errorf(social.Unauthenticated, "log in to export or import your account")
	}
	u, err := s.users.Get(ctx, ref)
	if err == nil && u.ID != who.User {
		return u, social.Errorf(social.Forbidden, "an account is exported and imported only with its own token")
	}
	return u, err
}

// writer writes lines and counts them.
type writer struct {
	*bufio.Writer
	lines int
}

func (w *writer) line(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode line of an export: %w", err)
	}
	w.lines++
	_, err = w.Write(append(b, '\n'))
	return err
}

// Export writes the account of who, whom ref must name, to w. Nothing is written
// when it fails because of either.
func (s *Service) Export(ctx context.Context, w io.Writer, who social.Identity, ref string) error {
	u, err := s.own(ctx, who, ref)
	if err != nil {
		return err
	}
	out := &writer{Writer: bufio.NewWriterSize(w, 32<<10)}
	if err := out.line(header{typeHeader, version, s.now().UTC(), person{u.ID, u.Username}}); err != nil {
		return err
	}
	if err := out.line(profileLine{typeProfile, u}); err != nil {
		return err
	}
	if err := s.exportPosts(ctx, out, who); err != nil {
		return err
	}
	if err := s.exportLikes(ctx, out, who); err != nil {
		return err
	}
	if err := s.exportRelations(ctx, out, who); err != nil {
		return err
	}
	if err := s.exportLists(ctx, out, who); err != nil {
		return err
	}
	if err := out.line(endLine{typeEnd, out.lines}); err != nil {
		return err
	}
	return out.Flush()
}

func (s *Service) exportPosts(ctx context.Context, out *writer, who social.Identity) error {
	for after := ""; ; {
		posts, last, err := s.posts.Archive(ctx, who.User, after, batch)
		if err != nil {
			return err
		}
		for _, p := range posts {
			if err := out.line(postLine{typePost, p}); err != nil {
				return err
			}
			if err := s.exportEdits(ctx, out, who, p); err != nil {
				return err
			}
		}
		if after = last; after == "" {
			return nil
		}
	}
}

// exportEdits writes the texts of a post but for the first, which its line has.
func (s *Service) exportEdits(ctx context.Context, out *writer, who social.Identity, p social.ArchivedPost) error {
	for cut := (social.Cut{Limit: batch}); p.EditedAt != nil; {
		page, err := s.posts.History(ctx, who, p.ID, cut)
		if social.KindOf(err) == social.NotFound {
			return nil // deleted meanwhile
		}
		if err != nil {
			return err
		}
		if page.Next == "" && len(page.Items) > 0 {
			page.Items = page.Items[:len(page.Items)-1]
		}
		for _, v := range page.Items {
			if err := out.line(editLine{typeEdit, social.ArchivedEdit{Post: p.ID, At: v.At, Text: v.Text}}); err != nil {
				return err
			}
		}
		if cut.Cursor = page.Next; cut.Cursor == "" {
			return nil
		}
	}
	return nil
}
