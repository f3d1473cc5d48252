package posts

import (
	"context"
	"fmt"
	"time"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Archive gives posts of an author in the order in which they were made: those
// among the next limit entries after the post of an id that are not gone. Last is
// where to go on, empty at the end.
func (s *Service) Archive(ctx context.Context, author, after string, limit int) (posts []social.ArchivedPost, last string, err error) {
	entries, err := s.rows.Scan(ctx, schema.Of(schema.FamilyAuthorPost, author, after, false, limit))
	if err != nil {
		return nil, "", fmt.Errorf("list posts of %s: %w", author, err)
	}
	keys := make([]store.Key, len(entries))
	for i, e := range entries {
		keys[i] = schema.Post(schema.Other(e.Key))
	}
	if len(keys) == 0 {
		return nil, "", nil
	}
	rows, err := s.rows.GetMany(ctx, keys)
	if err != nil {
		return nil, "", fmt.Errorf("read %d posts: %w", len(keys), err)
	}
	for i, row := range rows {
		if !row.Exists() {
			continue
		}
		p, err := archived(keys[i].Sort, row)
		if err != nil {
			return nil, "", err
		}
		posts = append(posts, p)
	}
	if len(entries) == limit {
		last = keys[limit-1].Sort
	}
	return posts, last, nil
}

func archived(id string, row crdt.Row) (social.ArchivedPost, error) {
	p, err := schema.DecodePost(id, row)
	if err != nil || p.EditedAt == nil {
		return social.ArchivedPost{Post: p}, err
	}
	original, err := schema.OriginalText(row)
	return social.ArchivedPost{Post: p, OriginalText: original}, err
}

// MaxImport bounds the posts of one Import.
const MaxImport = 100

// importBytes bounds the texts of one write of an import.
const importBytes = store.MaxWrite / 4

// clockSlack is how far ahead of this node's clock the one may have been by which
// an archived post was made.
const clockSlack = time.Minute

// Import makes up to MaxImport archived posts ones of who, and says of each why it
// was passed over: "" when it was not.
//
// The id of the post that is made follows from the account and the id in the
// archive. Hence it has the time that the archive says, which its ImportedAt
// qualifies, and to import it again changes nothing. Nobody is told: it mentions
// nobody, and if it was direct, it is the author's alone. It answers another post
// where that is the author's own or is here.
func (s *Service) Import(ctx context.Context, who social.Identity, posts []social.ArchivedPost) (skipped []string, err error) {
	im := s.importing(who, len(posts))
	for i, p := range posts {
		im.skipped[i] = im.refusal(p)
	}
	if err := im.passOverPresent(ctx, posts); err != nil {
		return nil, err
	}
	answers, err := im.answers(ctx, posts)
	if err != nil {
		return nil, err
	}
	return im.skipped, im.write(ctx, posts, answers)
}

func (s *Service) importing(who social.Identity, n int) *importing {
	slot, _ := social.SlotOf(who.User)
	return &importing{Service: s, who: who, slot: slot, skipped: make([]string, n), ids: map[string]string{}}
}

// ImportEdits notes up to MaxImport archived texts of posts that Import made of who,
// and says of each why it was passed over: "" when it was not.
func (s *Service) ImportEdits(ctx context.Context, who social.Identity, edits []social.ArchivedEdit) (skipped []string, err error) {
	im := s.importing(who, len(edits))
	var keys []store.Key
	for i, e := range edits {
		_, isID := social.SlotOf(e.Post)
		post := im.derived(e.Post)
		edit := ""
		if !isID || validateText(e.Text) != nil || !im.editedThen(e.Post, e.At) {
			im.skipped[i] = social.SkipInvalid
		} else {
			edit = importedEdit(im.slot, e.At, post)
		}
		keys = append(keys, schema.Post(post), schema.Edit(post, edit))
	}
	if len(keys) == 0 {
		return nil, nil
	}
	rows, err := s.rows.GetMany(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("look for imported edits: %w", err)
	}
	var next batch
	named := map[store.Key]bool{}
	for i, e := range edits {
		edit := keys[2*i+1]
		switch {
		case im.skipped[i] != "":
		case !rows[2*i].Exists() || rows[2*i+1].Exists():
			im.skipped[i] = social.SkipExists
		case named[edit]:
			im.skipped[i] = social.SkipRepeated
		default:
			named[edit] = true
			put := store.Mutation{Key: edit, Op: store.Put, Value: schema.EncodeEdit(e.At, e.Text)}
			if err := next.add(ctx, s.rows, len(e.Text), put); err != nil {
				return nil, err
			}
		}
	}
	return im.skipped, next.flush(ctx, s.rows)
}

// importedEdit gives the id of an edit of a post that an archive tells of.
func importedEdit(slot uint16, at time.Time, post string) string {
	return social.DerivedID(slot, at, "edit", post)
}

// importing is the import of some posts.
type importing struct {
	*Service
	who     social.Identity
	slot    uint16
	ids     map[string]string // of those to be made, by those in the archive
	skipped []string
}

func (im *importing) derived(id string) string {
	return social.DerivedID(im.slot, social.TimeOf(id), "import", im.who.User, id)
}

// refusal gives what is wrong with a post by itself, and else notes its id.
func (im *importing) refusal(p social.ArchivedPost) string {
	_, isID := social.SlotOf(p.ID)
	_, repeated := im.ids[p.ID]
	text := p.Text
	if p.EditedAt != nil && validateText(p.OriginalText) != nil {
		text = p.OriginalText
	}
	switch {
	case p.RepostOf != "":
		return social.SkipNotImportable
	case !isID, validate(social.NewPost{Text: text, Visibility: p.Visibility}) != nil:
		return social.SkipInvalid
	case p.EditedAt != nil && !im.editedThen(p.ID, *p.EditedAt):
		return social.SkipInvalid
	case social.TimeOf(p.ID).After(im.now().Add(clockSlack)):
		return social.SkipFuture
	case repeated:
		return social.SkipRepeated
	}
	im.ids[p.ID] = im.derived(p.ID)
	return ""
}

// editedThen says whether a post can have been changed at a time.
func (im *importing) editedThen(post string, at time.Time) bool {
	return !at.Before(social.TimeOf(post)) && !at.After(im.now().Add(clockSlack))
}

// passOverPresent skips posts that the account has, by their own id or by the one
// that an import gave them.
func (im *importing) passOverPresent(ctx context.Context, posts []social.ArchivedPost) error {
	var keys []store.Key
	var of []int
	for i, p := range posts {
		if im.skipped[i] != "" {
			continue
		}
		id := im.ids[p.ID]
		keys, of = append(keys, schema.Post(id), schema.AuthorPost(im.who.User, id)), append(of, i, i)
		if slot, _ := social.SlotOf(p.ID); slot == im.slot {
			keys, of = append(keys, schema.AuthorPost(im.who.User, p.ID)), append(of, i)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	rows, err := im.rows.GetMany(ctx, keys)
	if err != nil {
		return fmt.Errorf("look for imported posts: %w", err)
	}
	for j, row := range rows {
		switch i := of[j]; {
		case !row.Exists():
		case keys[j].Family == schema.FamilyAuthorPost && schema.IsGone(row):
			im.skipped[i] = social.SkipDeleted
		case im.skipped[i] == "":
			im.skipped[i] = social.SkipExists
		}
	}
	return nil
}

// answers finds which post each answers: the one that was made of what it answered
// in the archive, or that itself where it is here and may be seen.
func (im *importing) answers(ctx context.Context, posts []social.ArchivedPost) ([]string, error) {
	answers := make([]string, len(posts))
	var asked []string
	for i, p := range posts {
		if _, isID := social.SlotOf(p.ReplyTo); im.skipped[i] == "" && isID {
			asked = append(asked, im.derived(p.ReplyTo), p.ReplyTo)
		}
	}
	views, _, err := im.visible(ctx, im.who, asked)
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for i, v := range views {
		there[asked[i]] = v != nil
	}
	for i, p := range posts {
		if _, isID := social.SlotOf(p.ReplyTo); im.skipped[i] != "" || !isID {
			continue
		}
		made := im.derived(p.ReplyTo)
		switch {
		case there[made] || im.ids[p.ReplyTo] != "":
			answers[i] = made
		case there[p.ReplyTo]:
			answers[i] = p.ReplyTo
		}
	}
	return answers, nil
}

// write makes the posts that were not skipped.
func (im *importing) write(ctx context.Context, posts []social.ArchivedPost, answers []string) error {
	at := im.now()
	var next batch
	for i, p := range posts {
		if im.skipped[i] != "" {
			continue
		}
		ms := importation(p, im.ids[p.ID], im.who.User, answers[i], at)
		if err := next.add(ctx, im.rows, len(p.Text)+len(p.OriginalText), ms...); err != nil {
			return err
		}
	}
	return next.flush(ctx, im.rows)
}

// batch is mutations of one slot that are written together.
type batch struct {
	mutations []store.Mutation
	bytes     int // of their texts
}

// add adds mutations with so many bytes of text, and writes when there are many.
func (b *batch) add(ctx context.Context, rows store.Rows, bytes int, ms ...store.Mutation) error {
	b.mutations = append(b.mutations, ms...)
	if b.bytes += bytes; b.bytes <= importBytes {
		return nil
	}
	return b.flush(ctx, rows)
}

func (b *batch) flush(ctx context.Context, rows store.Rows) error {
	if len(b.mutations) == 0 {
		return nil
	}
	_, err := rows.Write(ctx, store.Write{Mutations: b.mutations})
	*b = batch{}
	if err != nil {
		return fmt.Errorf("import posts: %w", err)
	}
	return nil
}

// importation makes an archived post one of an author's.
func importation(p social.ArchivedPost, id, author, answers string, at time.Time) []store.Mutation {
	first := social.Post{ID: id, Author: author, Text: p.Text, ReplyTo: answers, Visibility: p.Visibility, Tags: social.Tags(p.Text)}
	fields := []store.FieldValue{{ID: schema.FieldImported, Value: schema.EncodeTime(at)}}
	if p.EditedAt != nil {
		first.Text = p.OriginalText
		fields = append(fields, store.FieldValue{ID: schema.FieldEdit, Value: schema.EncodeEdit(*p.EditedAt, p.Text)})
	}
	ms := creation(first, "").Mutations
	ms[0].Fields = fields
	return ms
}
