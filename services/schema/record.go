package schema

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"grapevine/crdt"
	"grapevine/services/social"
)

// ErrMalformed is wrapped by the error for a row whose value is not what its
// family holds. Reading it again will not help.
var ErrMalformed = errors.New("schema: malformed record")

// Records are CBOR arrays that begin with the number of their version, so that a
// later release can tell what it reads. Equal records have equal bytes.
const (
	userVersion       = 1
	credentialVersion = 1
	postVersion       = 1
	audienceVersion   = 1
	editVersion       = 1
	noticeVersion     = 1
)

// userRecord is the birth value of a user row.
type userRecord struct {
	_           struct{} `cbor:",toarray"`
	Version     uint8
	Username    string
	DisplayName string
	Bio         string
}

// credentialRecord is the birth value of a credential row.
type credentialRecord struct {
	_        struct{} `cbor:",toarray"`
	Version  uint8
	Username string
	PHC      string
}

// postRecord is the birth value of a post row.
type postRecord struct {
	_          struct{} `cbor:",toarray"`
	Version    uint8
	Author     string
	Text       string
	Visibility uint8
	ReplyTo    string
	Mentions   []string
}

// audienceRecord is the birth value of an author post row: for whom the post
// was, also after it is gone. Mentions are kept of a direct post only.
type audienceRecord struct {
	_          struct{} `cbor:",toarray"`
	Version    uint8
	Visibility uint8
	Mentions   []string
}

// editRecord is the value of a post's FieldEdit: one register, so that a text
// never shows with the time of another.
type editRecord struct {
	_       struct{} `cbor:",toarray"`
	Version uint8
	At      int64 // Unix milliseconds
	Text    string
}

// visibilities are the numbers of social's visibilities on disk.
var visibilities = [...]social.Visibility{1: social.Public, 2: social.Followers, 3: social.Direct}

func visibilityNumber(v social.Visibility) uint8 {
	for n, known := range visibilities {
		if n > 0 && known == v {
			return uint8(n)
		}
	}
	panic("schema: unknown visibility " + string(v)) // services validate it
}

func visibility(n uint8) (social.Visibility, error) {
	if n == 0 || int(n) >= len(visibilities) {
		return "", fmt.Errorf("%w: visibility %d", ErrMalformed, n)
	}
	return visibilities[n], nil
}

// encoding and decoding are fixed modes: deterministic output, bounded input.
var (
	encoding = must(cbor.CoreDetEncOptions().EncMode())
	decoding = must(cbor.DecOptions{DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxNestedLevels: 4}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the options above are constants
	}
	return v
}

func encode(record any) []byte { return must(encoding.Marshal(record)) }

// decode reads a record and checks its version, which is where version points.
func decode(value []byte, record any, version *uint8, want uint8) error {
	if err := decoding.Unmarshal(value, record); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if *version != want {
		return fmt.Errorf("%w: version %d of %T", ErrMalformed, *version, record)
	}
	return nil
}

// birthValue gives the value that row, which must exist, was last born with.
func birthValue(row crdt.Row) ([]byte, error) {
	birth, ok := row.Last()
	if !ok {
		return nil, fmt.Errorf("%w: the row does not exist", ErrMalformed)
	}
	return birth.Value, nil
}

// EncodePost gives the birth value of a post row. The id and the time are in the
// key.
func EncodePost(p social.Post) []byte {
	return encode(postRecord{
		Version: postVersion, Author: p.Author, Text: p.Text,
		Visibility: visibilityNumber(p.Visibility), ReplyTo: p.ReplyTo, Mentions: p.Mentions,
	})
}

// DecodePost reads the post row of an id.
func DecodePost(id string, row crdt.Row) (social.Post, error) {
	value, err := birthValue(row)
	if err != nil {
		return social.Post{}, err
	}
	var rec postRecord
	if err := decode(value, &rec, &rec.Version, postVersion); err != nil {
		return social.Post{}, fmt.Errorf("post %s: %w", id, err)
	}
	p := social.Post{ID: id, Author: rec.Author, Text: rec.Text, ReplyTo: rec.ReplyTo, CreatedAt: social.TimeOf(id), Mentions: rec.Mentions}
	if p.Visibility, err = visibility(rec.Visibility); err != nil {
		return social.Post{}, fmt.Errorf("post %s: %w", id, err)
	}
	if f, ok := row.Field(FieldEdit); ok {
		edit, err := decodeEdit(f.Value)
		if err != nil {
			return social.Post{}, fmt.Errorf("edit of post %s: %w", id, err)
		}
		p.Text, p.EditedAt = edit.Text, &edit.At
		if m, ok := row.Field(FieldEditMentions); ok && m.Dot == f.Dot {
			if p.Mentions, err = decodeTexts(row, FieldEditMentions); err != nil {
				return social.Post{}, fmt.Errorf("edit of post %s: %w", id, err)
			}
		}
	}
	if f, ok := row.Field(FieldRepostOf); ok {
		p.RepostOf = string(f.Value)
	}
	p.Tags = social.Tags(p.Text)
	if f, ok := row.Field(FieldImported); ok {
		at, err := decodeTime(f.Value)
		if err != nil {
			return social.Post{}, fmt.Errorf("import of post %s: %w", id, err)
		}
		p.ImportedAt = &at
	}
	return p, nil
}

func decodeEdit(value []byte) (social.PostVersion, error) {
	var edit editRecord
	if err := decode(value, &edit, &edit.Version, editVersion); err != nil {
		return social.PostVersion{}, err
	}
	at := time.UnixMilli(edit.At).UTC()
	if at.Year() < 0 || at.Year() > 9999 { // beyond what RFC 3339 can say
		return social.PostVersion{}, ErrMalformed
	}
	return social.PostVersion{Text: edit.Text, At: at}, nil
}

// OriginalText gives the text that a post was first written with.
func OriginalText(row crdt.Row) (string, error) {
	value, err := birthValue(row)
	if err != nil {
		return "", err
	}
	var rec postRecord
	if err := decode(value, &rec, &rec.Version, postVersion); err != nil {
		return "", fmt.Errorf("post: %w", err)
	}
	return rec.Text, nil
}

// EncodeTime gives the value of FieldImported. The time is kept to the
// millisecond.
func EncodeTime(at time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(at.UnixMilli()))
}

func decodeTime(value []byte) (time.Time, error) {
	if len(value) != 8 {
		return time.Time{}, ErrMalformed
	}
	at := time.UnixMilli(int64(binary.BigEndian.Uint64(value))).UTC()
	if at.Year() < 0 || at.Year() > 9999 { // beyond what RFC 3339 can say
		return time.Time{}, ErrMalformed
	}
	return at, nil
}

// EncodeEdit gives the value of a post's FieldEdit, and of the row of the edit. The time
// is kept to the millisecond. Whom the text mentions stands beside it, in
// FieldEditMentions of both rows: builds that do not know that read the text.
func EncodeEdit(at time.Time, text string) []byte {
	return encode(editRecord{Version: editVersion, At: at.UnixMilli(), Text: text})
}

// Audience is for whom a post is.
type Audience struct {
	Visibility social.Visibility
	Mentions   []string // of a direct post
}

// EncodeAudience gives the birth value of the author post row of p.
func EncodeAudience(p social.Post) []byte {
	rec := audienceRecord{Version: audienceVersion, Visibility: visibilityNumber(p.Visibility)}
	if p.Visibility == social.Direct {
		rec.Mentions = p.Mentions
	}
	return encode(rec)
}

// DecodeAudience reads an author post row.
func DecodeAudience(row crdt.Row) (Audience, error) {
	value, err := birthValue(row)
	if err != nil {
		return Audience{}, err
	}
	var rec audienceRecord
	if err := decode(value, &rec, &rec.Version, audienceVersion); err != nil {
		return Audience{}, fmt.Errorf("audience: %w", err)
	}
	v, err := visibility(rec.Visibility)
	return Audience{Visibility: v, Mentions: rec.Mentions}, err
}
