package takeout

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"grapevine/services/social"
)

// Import takes the file that r reads into the account of who, whom ref must name:
// display name, bio and avatar; posts, as its own; likes of posts that are here; how
// it stands to accounts that are here by the same id or, failing that, the same name;
// lists. Friends are asked, as all are. It fails with Invalid for what is
// not an export; a line that cannot be taken is passed over and told of. What was
// taken before a failure stands.
func (s *Service) Import(ctx context.Context, r io.Reader, who social.Identity, ref string) (social.Imported, error) {
	if _, err := s.own(ctx, who, ref); err != nil {
		return social.Imported{}, err
	}
	im := &importing{Service: s, who: who, skips: map[[2]string]int{}}
	im.done.Skipped = []social.Skip{}
	im.relations = im.newRelations()
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), MaxLine)
	for lines.Scan() {
		im.line++
		if err := im.take(ctx, lines.Bytes()); err != nil {
			return im.done, err
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return im.done, social.InvalidField("body", "line %d has more than %d bytes", im.line+1, MaxLine)
		}
		return im.done, fmt.Errorf("read export: %w", err)
	}
	if im.line == 0 {
		return im.done, errNoExport
	}
	if err := im.flush(ctx); err != nil {
		return im.done, err
	}
	return im.done, nil
}

var errNoExport = social.InvalidField("body", `must be an export: its first line is {"type":%q,"version":%d,…}`, typeHeader, version)

// importing is an import under way. What is of one kind waits until there is enough
// to be taken together.
type importing struct {
	*Service
	who   social.Identity
	line  int // the present one
	done  social.Imported
	skips map[[2]string]int // type and reason → place in done.Skipped

	waitingPosts   waiting[social.ArchivedPost]
	waitingEdits   waiting[social.ArchivedEdit]
	waitingLikes   waiting[string]
	relations      []*relation
	waitingMembers waiting[member]
}

// waiting is what lines said that are to be taken together.
type waiting[T any] struct {
	items []T
	lines []int
}

// settle counts what was taken, tells of what was passed over, and empties w.
func settle[T any](im *importing, w *waiting[T], kind string, skipped []string, taken *int) {
	for i, reason := range skipped {
		if reason == "" {
			*taken++
		} else {
			im.skip(kind, reason, "", w.lines[i])
		}
	}
	w.items, w.lines = w.items[:0], w.lines[:0]
}

// wait reads a line into w. It says whether there is enough.
func wait[T, L any](im *importing, w *waiting[T], kind string, b []byte, said func(L) T) (enough bool) {
	var l L
	if err := json.Unmarshal(b, &l); err != nil {
		im.skip(kind, social.SkipMalformed, "", im.line)
		return false
	}
	w.items, w.lines = append(w.items, said(l)), append(w.lines, im.line)
	return len(w.items) == batch
}

func (im *importing) skip(kind, reason, detail string, line int) {
	i, known := im.skips[[2]string{kind, reason}]
	if !known {
		i = len(im.done.Skipped)
		im.skips[[2]string{kind, reason}] = i
		im.done.Skipped = append(im.done.Skipped, social.Skip{Type: kind, Reason: reason, Line: line, Detail: detail})
	}
	im.done.Skipped[i].Count++
}

// take takes a line in.
func (im *importing) take(ctx context.Context, b []byte) error {
	var l struct {
		Type    string `json:"type"`
		Version int    `json:"version"`
	}
	err := json.Unmarshal(b, &l)
	if im.line == 1 {
		if err != nil || l.Type != typeHeader || l.Version != version {
			return errNoExport
		}
		return nil
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil
	}
	if err != nil || !utf8.Valid(b) {
		im.skip(typeUnknown, social.SkipMalformed, "not a JSON object", im.line)
		return nil
	}
	switch l.Type {
	case typeProfile:
		return im.profile(ctx, b)
	case typePost:
		if wait(im, &im.waitingPosts, typePost, b, func(l postLine) social.ArchivedPost { return l.ArchivedPost }) {
			return im.flushPosts(ctx)
		}
	case typeEdit:
		if wait(im, &im.waitingEdits, typeEdit, b, func(l editLine) social.ArchivedEdit { return l.ArchivedEdit }) {
			return im.flushEdits(ctx)
		}
	case typeLike:
		if wait(im, &im.waitingLikes, typeLike, b, func(l likeLine) string { return l.Post }) {
			return im.flushLikes(ctx)
		}
	case typeFollowing, typeFriend, typeBlock, typeMute:
		return im.relate(ctx, l.Type, b)
	case typeList:
		return im.list(ctx, b)
	case typeMember:
		if wait(im, &im.waitingMembers, typeMember, b, func(l memberLine) member { return member{l.List, l.person} }) {
			return im.flushMembers(ctx)
		}
	case typeFollower:
		im.skip(typeFollower, social.SkipNotImportable, "", im.line)
	case typeEnd:
		im.done.Complete = true
	default:
		im.skip(typeUnknown, social.SkipUnknown, fmt.Sprintf("%.40q", l.Type), im.line)
	}
	return nil
}

// typeUnknown stands for the type of a line that has none, or one of a later
// release.
const typeUnknown = "unknown"

func (im *importing) profile(ctx context.Context, b []byte) error {
	var l profileLine
	if err := json.Unmarshal(b, &l); err != nil {
		im.skip(typeProfile, social.SkipMalformed, "", im.line)
		return nil
	}
	if l.DisplayName == l.Username {
		l.DisplayName = "" // it follows the username
	}
	_, err := im.users.Update(ctx, im.who, im.who.User, social.UserPatch{DisplayName: &l.DisplayName, Bio: &l.Bio, Avatar: &l.Avatar})
	if social.KindOf(err) == social.Invalid {
		im.skip(typeProfile, social.SkipInvalid, err.Error(), im.line)
		return nil
	}
	im.done.Profile = err == nil
	return err
}

func (im *importing) flush(ctx context.Context) error {
	if err := im.flushEdits(ctx); err != nil {
		return err
	}
	if err := im.flushLikes(ctx); err != nil {
		return err
	}
	for _, r := range im.relations {
		if err := im.flushPeople(ctx, r); err != nil {
			return err
		}
	}
	return im.flushMembers(ctx)
}

func (im *importing) flushPosts(ctx context.Context) error {
	skipped, err := im.posts.Import(ctx, im.who, im.waitingPosts.items)
	settle(im, &im.waitingPosts, typePost, skipped, &im.done.Posts)
	return err
}

// flushEdits takes edits after the posts that they belong to.
func (im *importing) flushEdits(ctx context.Context) error {
	if err := im.flushPosts(ctx); err != nil {
		return err
	}
	skipped, err := im.posts.ImportEdits(ctx, im.who, im.waitingEdits.items)
	settle(im, &im.waitingEdits, typeEdit, skipped, &im.done.Edits)
	return err
}
