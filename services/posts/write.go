package posts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Create posts a text as who. With a Key it gives the first post that who made
// with that key, if any.
func (s *Service) Create(ctx context.Context, who social.Identity, n social.NewPost) (social.Post, error) {
	if who.Anonymous() {
		return social.Post{}, social.Errorf(social.Unauthenticated, "log in to post")
	}
	if n.Visibility == "" {
		n.Visibility = social.Public
	}
	if err := validate(n); err != nil {
		return social.Post{}, err
	}
	if n.Key != "" {
		switch p, known, err := s.claimed(ctx, who, n.Key); {
		case err != nil:
			return social.Post{}, err
		case known:
			return p, s.once(who, n.Key).Renew(ctx)
		}
	}
	p, answered, err := s.compose(ctx, who, n)
	if err != nil {
		return social.Post{}, err
	}
	write := creation(p, answered)
	if n.Key != "" {
		if err := s.once(who, n.Key).Remember(ctx, &write, p.ID); err != nil {
			return social.Post{}, err
		}
	}
	_, err = s.rows.Write(ctx, write)
	if n.Key != "" && errors.Is(err, store.ErrExists) {
		return s.overtaken(ctx, who, n.Key)
	}
	if err != nil {
		return social.Post{}, fmt.Errorf("write post %s: %w", p.ID, err)
	}
	return p, nil
}

func validate(n social.NewPost) error {
	switch n.Visibility {
	case social.Public, social.Followers, social.Direct:
	default:
		return social.InvalidField("visibility", "must be public, followers or direct")
	}
	if len(n.Key) > social.MaxKey {
		return social.InvalidField("Idempotency-Key", "must have at most %d bytes", social.MaxKey)
	}
	return validateText(n.Text)
}

func validateText(text string) error {
	if !utf8.ValidString(text) {
		return social.InvalidField("text", "must be valid UTF-8")
	}
	if n := utf8.RuneCountInString(text); n > social.MaxText {
		return social.InvalidField("text", "must have at most %d characters, has %d", social.MaxText, n)
	}
	if strings.TrimSpace(text) == "" {
		return social.InvalidField("text", "must not be empty")
	}
	return nil
}

// compose makes the post: it finds who is mentioned and checks what it answers, whose
// author it gives, too.
func (s *Service) compose(ctx context.Context, who social.Identity, n social.NewPost) (p social.Post, answered string, err error) {
	if n.ReplyTo != "" {
		to, err := s.answered(ctx, who, n.ReplyTo)
		if err != nil {
			return p, "", err
		}
		n.ReplyTo, answered = to.ID, to.Author
	}
	mentions, err := s.mentions(ctx, n.Text)
	if errors.Is(err, store.ErrUnavailable) && n.Visibility != social.Direct {
		mentions, err = nil, nil // names stay text; a direct post would reach nobody
	}
	if err != nil {
		return p, "", err
	}
	now := s.now()
	slot, _ := social.SlotOf(who.User)
	return social.Post{
		ID: social.NewID(slot, now), Author: who.User, Text: n.Text, ReplyTo: n.ReplyTo,
		Visibility: n.Visibility, CreatedAt: now.UTC().Truncate(time.Millisecond), Mentions: mentions,
		Tags: social.Tags(n.Text),
	}, answered, nil
}

// answered gives a post that who may see and answer; of a repost, the
// original's. Its absence is confirmed by a majority: an answer may follow at once,
// on another node.
func (s *Service) answered(ctx context.Context, who social.Identity, id string) (social.Post, error) {
	v, err := s.confirmed(ctx, who, id)
	if social.KindOf(err) == social.NotFound {
		return social.Post{}, social.InvalidField("reply_to", "there is no such post")
	}
	if err != nil {
		return social.Post{}, err
	}
	return v.subject().post, nil
}

// mentions gives the ids of the users that a text names.
func (s *Service) mentions(ctx context.Context, text string) ([]string, error) {
	names := named(text)
	if len(names) == 0 {
		return nil, nil
	}
	found, err := s.users.IDs(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("resolve mentions: %w", err)
	}
	var ids []string
	for _, id := range found {
		if id != "" {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// creation writes a post, its place among its author's, and its place in the
// author's own home timeline. All lie in the author's slot.
func creation(p social.Post, answered string) store.Write {
	post := store.Mutation{Key: schema.Post(p.ID), Op: store.Put, Value: schema.EncodePost(p)}
	if p.RepostOf != "" {
		post.Fields = []store.FieldValue{{ID: schema.FieldRepostOf, Value: []byte(p.RepostOf)}}
	}
	return store.Write{Mutations: []store.Mutation{
		post, schema.Listed(p, answered), {Key: schema.Home(p.Author, p.ID), Op: store.Put},
	}}
}

func (s *Service) once(who social.Identity, key string) schema.Once {
	return schema.Once{Rows: s.rows, Now: s.now, User: who.User, Key: key}
}

// claimed gives the post that a key was used for, if any.
func (s *Service) claimed(ctx context.Context, who social.Identity, key string) (p social.Post, known bool, err error) {
	id, read, known, err := s.once(who, key).Find(ctx)
	if err != nil || !known {
		return p, false, err
	}
	v, err := s.one(read, who, id)
	if social.KindOf(err) == social.NotFound {
		return p, false, social.Errorf(social.Conflict, "the post made with this Idempotency-Key was deleted")
	}
	if err != nil {
		return p, false, err
	}
	return v.post, true, nil
}

// overtaken gives the post of another request with the key, which came first by a
// moment. Its post may not have left its coordinator yet; the renewal makes it one
// that this request's reads must see.
func (s *Service) overtaken(ctx context.Context, who social.Identity, key string) (social.Post, error) {
	if err := s.once(who, key).Renew(ctx); err != nil {
		return social.Post{}, err
	}
	p, known, err := s.claimed(ctx, who, key)
	if err == nil && !known {
		err = fmt.Errorf("post of a claimed key: %w", store.ErrBehind)
	}
	return p, err
}

// Edit replaces the text of a post of who's, and keeps the one before. The post then
// mentions whom the text names. A direct one stays for those whom its first text named;
// while names cannot be looked up, the mentions of any stay as they are.
func (s *Service) Edit(ctx context.Context, who social.Identity, id, text string) (social.Post, error) {
	if err := validateText(text); err != nil {
		return social.Post{}, err
	}
	p, err := s.own(ctx, who, id)
	if err != nil {
		return social.Post{}, err
	}
	if err := s.editable(ctx, p); err != nil {
		return social.Post{}, err
	}
	at := s.now().UTC().Truncate(time.Millisecond)
	var mentioning []store.FieldValue
	if p.Visibility != social.Direct {
		mentions, err := s.mentions(ctx, text)
		if err != nil && !errors.Is(err, store.ErrUnavailable) {
			return social.Post{}, err
		}
		if err == nil {
			p.Mentions = mentions
		}
		mentioning = []store.FieldValue{{ID: schema.FieldEditMentions, Value: schema.EncodeTexts(p.Mentions)}}
	}
	if _, err = s.rows.Write(ctx, store.Write{Mutations: newText(id, at, text, mentioning)}); err != nil {
		return social.Post{}, fmt.Errorf("edit post %s: %w", id, behind(err))
	}
	p.Text, p.EditedAt, p.Tags = text, &at, social.Tags(text)
	return p, nil
}

func (s *Service) editable(ctx context.Context, p social.Post) error {
	if p.RepostOf != "" {
		return social.Errorf(social.Conflict, "a repost has no text to change")
	}
	edits, err := s.rows.Count(ctx, schema.Of(schema.FamilyEdit, p.ID, "", false, social.MaxEdits))
	if err != nil {
		return fmt.Errorf("count edits of post %s: %w", p.ID, err)
	}
	if edits == social.MaxEdits {
		return social.Errorf(social.Conflict, "the post was changed %d times and stays as it is", social.MaxEdits)
	}
	return nil
}

// newText gives a post another text, with the fields that go with it, and notes it
// among the edits.
func newText(id string, at time.Time, text string, with []store.FieldValue) []store.Mutation {
	edit := schema.EncodeEdit(at, text)
	slot, _ := social.SlotOf(id)
	return []store.Mutation{
		{
			Key: schema.Post(id), Op: store.Update, If: store.IfExists,
			Fields: append([]store.FieldValue{{ID: schema.FieldEdit, Value: edit}}, with...),
		},
		{Key: schema.Edit(id, social.NewID(slot, at)), Op: store.Put, Value: edit, Fields: with},
	}
}

// Delete removes a post of who's. Its entry in the list of the author's stays
// until fan-out has removed what follows from it, but no longer shows.
func (s *Service) Delete(ctx context.Context, who social.Identity, id string) error {
	p, err := s.own(ctx, who, id)
	if err != nil {
		return err
	}
	if p.RepostOf != "" {
		return s.takeBack(ctx, who, p.RepostOf, id)
	}
	removal := schema.PostRemoval(p.Author, id)
	removal[0].If = store.IfExists
	if _, err := s.rows.Write(ctx, store.Write{Mutations: removal}); err != nil {
		return fmt.Errorf("delete post %s: %w", id, behind(err))
	}
	return nil
}

// own gives a post that who wrote. Absence is confirmed by a majority: what was posted
// through this node may stand on others first.
func (s *Service) own(ctx context.Context, who social.Identity, id string) (social.Post, error) {
	if who.Anonymous() {
		return social.Post{}, social.Errorf(social.Unauthenticated, "log in to change your posts")
	}
	v, err := schema.Confirm(ctx, func(ctx context.Context) (*view, error) { return s.one(ctx, who, id) })
	if err != nil {
		return social.Post{}, err
	}
	if v.post.Author != who.User {
		return social.Post{}, social.Errorf(social.Forbidden, "a post changes only with its author's token")
	}
	return v.post, nil
}

// behind renames the failure of a condition on a row that was read just now: the
// owner that coordinated has not seen it yet, and will.
func behind(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("%w: %w", store.ErrBehind, err)
	}
	return err
}
