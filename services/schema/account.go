package schema

import (
	"crypto/sha256"
	"fmt"
	"time"

	"grapevine/crdt"
	"grapevine/services/social"
	"grapevine/store"
)

// noticeRecord is the value of a notice row.
type noticeRecord struct {
	_       struct{} `cbor:",toarray"`
	Version uint8
	Kind    string
	At      int64 // Unix milliseconds
	Old     string
	New     string
}

// ClaimKey gives the value of FieldClaimKey. It is of no use for another account.
func ClaimKey(user, key string) []byte {
	sum := sha256.Sum256([]byte(user + "\x00" + key))
	return sum[:16]
}

// EncodeUser gives the birth value of a user row.
func EncodeUser(u social.User) []byte {
	return encode(userRecord{Version: userVersion, Username: u.Username, DisplayName: u.DisplayName, Bio: u.Bio})
}

// DecodeUser reads the user row of an id.
func DecodeUser(id string, row crdt.Row) (social.User, error) {
	value, err := birthValue(row)
	if err != nil {
		return social.User{}, err
	}
	var rec userRecord
	if err := decode(value, &rec, &rec.Version, userVersion); err != nil {
		return social.User{}, fmt.Errorf("user %s: %w", id, err)
	}
	u := social.User{ID: id, Username: rec.Username, DisplayName: rec.DisplayName, Bio: rec.Bio, CreatedAt: social.TimeOf(id)}
	if f, ok := row.Field(FieldDisplayName); ok {
		u.DisplayName = string(f.Value)
	}
	if f, ok := row.Field(FieldBio); ok {
		u.Bio = string(f.Value)
	}
	if f, ok := row.Field(FieldAvatar); ok {
		u.Avatar = string(f.Value)
	}
	if f, ok := row.Field(FieldUsername); ok {
		u.Username = string(f.Value)
	}
	if u.DisplayName == "" {
		u.DisplayName = u.Username
	}
	return u, nil
}

// CredentialRecord is what proves an account's owner. PHC is the password's hash in PHC
// string format. Tokens carry the generation that they were issued in, and are
// good while it is the present one; the first is "".
type CredentialRecord struct {
	Username   string
	PHC        string
	Generation string
}

// EncodeCredential gives the birth value of a credential row.
func EncodeCredential(username, phc string) []byte {
	return encode(credentialRecord{Version: credentialVersion, Username: username, PHC: phc})
}

// DecodeCredential reads a credential row.
func DecodeCredential(row crdt.Row) (CredentialRecord, error) {
	value, err := birthValue(row)
	if err != nil {
		return CredentialRecord{}, err
	}
	var rec credentialRecord
	if err := decode(value, &rec, &rec.Version, credentialVersion); err != nil {
		return CredentialRecord{}, fmt.Errorf("credential: %w", err)
	}
	c := CredentialRecord{Username: rec.Username, PHC: rec.PHC, Generation: Generation(row)}
	if f, ok := row.Field(FieldHash); ok {
		c.PHC = string(f.Value)
	}
	if f, ok := row.Field(FieldUsername); ok {
		c.Username = string(f.Value)
	}
	return c, nil
}

// Generation gives the present generation of a credential's tokens.
func Generation(row crdt.Row) string {
	f, _ := row.Field(FieldGeneration)
	return string(f.Value)
}

// Rename gives the mutations after which a user has another name, that of the user
// row first. The claim to it is the caller's to make before. Further fields are
// written to the user row.
func Rename(user, name string, further ...store.FieldValue) []store.Mutation {
	bears := store.FieldValue{ID: FieldUsername, Value: []byte(name)}
	return []store.Mutation{
		{Key: User(user), Op: store.Update, If: store.IfExists, Fields: append(further, bears)},
		{Key: Credential(user), Op: store.Update, Fields: []store.FieldValue{bears}},
	}
}

// EncodeNotice gives the value of a notice row. The id is in the key.
func EncodeNotice(n social.Notice) []byte {
	return encode(noticeRecord{Version: noticeVersion, Kind: n.Kind, At: n.At.UnixMilli(), Old: n.OldUsername, New: n.NewUsername})
}

// DecodeNotice reads the notice row of an id.
func DecodeNotice(id string, row crdt.Row) (social.Notice, error) {
	value, err := birthValue(row)
	if err != nil {
		return social.Notice{}, err
	}
	var rec noticeRecord
	if err := decode(value, &rec, &rec.Version, noticeVersion); err != nil {
		return social.Notice{}, fmt.Errorf("notice %s: %w", id, err)
	}
	at := time.UnixMilli(rec.At).UTC()
	if at.Year() < 0 || at.Year() > 9999 { // beyond what RFC 3339 can say
		return social.Notice{}, fmt.Errorf("notice %s: %w", id, ErrMalformed)
	}
	return social.Notice{ID: id, Kind: rec.Kind, At: at, OldUsername: rec.Old, NewUsername: rec.New}, nil
}
