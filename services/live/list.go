package live

import (
	"errors"

	"grapevine/crdt/causal"
	"grapevine/services/schema"
	"grapevine/store"
)

// list names what is followed: the rows of an owner in a slot and family. Two kinds
// have no owner: the posts of a partition, whose number stands for the slot, and
// public, the posts of all.
type list struct {
	Slot   store.Slot   `cbor:"1,keyasint"`
	Family store.Family `cbor:"2,keyasint"`
	Owner  string       `cbor:"3,keyasint,omitempty"`
}

// everyone is the owner of public, which no id, tag or channel is named.
const everyone = "*"

var public = list{Family: schema.FamilyPost, Owner: everyone}

func postsOf(p store.Partition) list { return list{Slot: store.Slot(p), Family: schema.FamilyPost} }

// isPosts says whether the list is the posts of a partition.
func (l list) isPosts() bool { return l.Family == schema.FamilyPost && l.Owner == "" }

// listOf gives the list that a two-part key belongs to.
func listOf(k store.Key) list {
	owner, _, _ := schema.Split(k)
	return list{Slot: k.Slot, Family: k.Family, Owner: owner}
}

// followed says whether lists are made of a family's rows.
func followed(f store.Family) bool {
	switch f {
	case schema.FamilyHome, schema.FamilyMerged, schema.FamilyAuthorPost, schema.FamilyTagged,
		schema.FamilyNotification, schema.FamilyChannelMessage:
		return true
	}
	return false
}

// newest selects the rows of the list that are last in its order, which is that of
// their ids' times.
func (l list) newest(limit int) store.Range {
	switch l.Family {
	case schema.FamilyTagged:
		return schema.TaggedWith(l.Owner, "", true, limit)
	case schema.FamilyChannelMessage:
		return schema.InChannel(l.Owner, "", true, limit)
	default:
		return schema.Of(l.Family, l.Owner, "", true, limit)
	}
}

var errList = errors.New("live: there is no such list")

// verify refuses what is no list of a cluster of so many partitions, or not one that
// another node may follow.
func (l list) verify(partitions int) error {
	switch {
	case l.isPosts() && int(l.Slot) < partitions,
		followed(l.Family) && l.Owner != "" && len(l.Owner) <= store.MaxSort && l.newest(1).Slot == l.Slot:
		return nil
	}
	return errList
}

// entry is a row that came to a list: the second half of its key, and the write that
// it came by, which is zero where none is known.
type entry struct {
	ID  string
	Dot causal.Dot
}

// entriesOf gives rows, which are newest first, oldest first.
func entriesOf(rows []store.Entry) []entry {
	all := make([]entry, len(rows))
	for i, e := range rows {
		last, _ := e.Row.Last()
		all[len(rows)-1-i] = entry{schema.Other(e.Key), last.Dot}
	}
	return all
}
