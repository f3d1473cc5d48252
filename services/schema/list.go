package schema

import (
	"fmt"

	"grapevine/crdt"
	"grapevine/services/social"
	"grapevine/store"
)

// FieldTitle is the title of a list that was given another than its first.
const FieldTitle uint8 = 1

// listVersion is of the value of a list row.
const listVersion = 1

// listRecord is the birth value of a list row.
type listRecord struct {
	_       struct{} `cbor:",toarray"`
	Version uint8
	Title   string
}

// UserList is the key of a list of accounts that a user keeps. Its id has the user's
// slot.
func UserList(owner, list string) store.Key { return pair(FamilyList, owner, list) }

// ListMember is the key of the fact that a user is in a list of an owner's.
func ListMember(owner, list, member string) store.Key {
	return pair(FamilyListMember, owner, list+separator+member)
}

// ListMembers selects rows of ListMember, of one list, like Of.
func ListMembers(owner, list, after string, limit int) store.Range {
	r := store.Range{Slot: slot(owner), Family: FamilyListMember, Prefix: owner + separator + list + separator, Limit: limit}
	if after != "" {
		r.After = r.Prefix + after
	}
	return r
}

// SplitListMember gives the parts of a key of ListMember.
func SplitListMember(k store.Key) (owner, list, member string) {
	owner, rest, _ := Split(k)
	list, member, _ = Split(store.Key{Sort: rest})
	return owner, list, member
}

// InList is the key of ListMember's mirror on the member's side. Nobody is shown
// it: it tells what to remove with an account.
func InList(member, owner, list string) store.Key {
	return pair(FamilyListed, member, owner+separator+list)
}

// SplitInList gives the parts of a key of InList.
func SplitInList(k store.Key) (member, owner, list string) { return SplitListMember(k) }

// EncodeList gives the birth value of a list row. The id is in the key.
func EncodeList(l social.List) []byte {
	return encode(listRecord{Version: listVersion, Title: l.Title})
}

// DecodeList reads the list row of an id.
func DecodeList(id string, row crdt.Row) (social.List, error) {
	value, err := birthValue(row)
	if err != nil {
		return social.List{}, err
	}
	var rec listRecord
	if err := decode(value, &rec, &rec.Version, listVersion); err != nil {
		return social.List{}, fmt.Errorf("list %s: %w", id, err)
	}
	l := social.List{ID: id, Title: rec.Title, CreatedAt: social.TimeOf(id)}
	if f, ok := row.Field(FieldTitle); ok {
		l.Title = string(f.Value)
	}
	return l, nil
}
