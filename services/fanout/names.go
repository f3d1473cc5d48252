package fanout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Two accounts may claim one name on two sides of a split. When the claims meet,
// the earliest holds, and each account that bears the name by another gets a
// substitute. An account can come to bear a name after its claim has met an earlier
// one; therefore it is also looked at when its credential changes, which is
// whenever it gets a name.

// substitutes bounds the names tried in place of a lost one.
const substitutes = 16

// claims settles the claims to a name.
func (d *derivation) claims(ctx context.Context, k store.Key, row crdt.Row) error {
	if _, _, succession := schema.Split(k); succession || len(row.Births) < 2 {
		return nil
	}
	row, err := d.surely(k)
	if err != nil || !row.Exists() {
		return err
	}
	first, _ := row.First()
	for _, claim := range row.Births {
		if user := string(claim.Value); user != string(first.Value) {
			if err := d.dispossess(ctx, k.Sort, claim); err != nil {
				return err
			}
		}
	}
	return nil
}

// entitle looks whether a name that an account got was lost before.
func (d *derivation) entitle(ctx context.Context, user, name string) error {
	k := schema.Name(name)
	row, err := d.rows.Get(d.reads, k)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, lost := lostClaim(row, user); !lost {
		return nil
	}
	if row, err = d.surely(k); err != nil {
		return err
	}
	if claim, lost := lostClaim(row, user); lost {
		return d.dispossess(ctx, name, claim)
	}
	return nil
}

// holds says whether a user's claim to a name is the one that holds.
func holds(name crdt.Row, user string) bool {
	first, _ := name.First()
	return string(first.Value) == user
}

// lostClaim gives a user's claim to a name that has met an earlier one. A claim that
// is not there has not arrived, and may be the earliest.
func lostClaim(name crdt.Row, user string) (claim crdt.Birth, lost bool) {
	i := slices.IndexFunc(name.Births, func(b crdt.Birth) bool { return string(b.Value) == user })
	if i < 0 || holds(name, user) {
		return crdt.Birth{}, false
	}
	return name.Births[i], true
}

// surely gives a row as a majority has it, and fails where none can be reached: a
// claim that has ended must not cost anybody a name because one node has not heard
// of the end. An absent row is the zero Row.
func (d *derivation) surely(k store.Key) (crdt.Row, error) {
	row, err := d.rows.Get(schema.Majority(d.reads), k)
	if errors.Is(err, store.ErrNotFound) {
		return crdt.Row{}, nil
	}
	return row, err
}

// dispossess gives a user whose claim to a name was lost another, if it bears the
// name, and tells it so. The notice's id follows from the claim, so that there is
// one.
func (d *derivation) dispossess(ctx context.Context, name string, claim crdt.Birth) error {
	user := string(claim.Value)
	row, err := d.surely(schema.User(user))
	if err != nil || !row.Exists() {
		return err
	}
	u, err := schema.DecodeUser(user, row)
	if err != nil || u.Username != name {
		return err
	}
	substitute, err := d.substitute(ctx, name, user)
	if err != nil {
		return err
	}
	var further []store.FieldValue
	if u.DisplayName == name {
		further = append(further, store.FieldValue{ID: schema.FieldDisplayName}) // it follows the username
	}
	slot, _ := social.SlotOf(user)
	notice := social.Notice{
		ID: social.DerivedID(slot, claim.Time.Time(), name, user), Kind: social.NoticeRenamed, At: time.Now(),
		OldUsername: name, NewUsername: substitute,
	}
	ms := append(schema.Rename(user, substitute, further...),
		store.Mutation{Key: schema.Notice(user, notice.ID), Op: store.Put, Value: schema.EncodeNotice(notice)})
	_, err = d.rows.Write(ctx, store.Write{Mutations: ms})
	if errors.Is(err, store.ErrNotFound) {
		return nil // deleted meanwhile
	}
	return err
}

// substitute claims a name for a user who lost one.
func (d *derivation) substitute(ctx context.Context, lost, user string) (string, error) {
	for i := range substitutes {
		name := social.SubstituteName(lost, user, i)
		_, err := d.rows.Write(ctx, store.Write{Serial: true, Mutations: []store.Mutation{
			{Key: schema.Name(name), Op: store.Put, If: store.IfAbsent, Value: []byte(user)},
		}})
		if err == nil {
			return name, nil
		}
		if !errors.Is(err, store.ErrExists) {
			return "", err
		}
		row, err := d.surely(schema.Name(name))
		if err != nil {
			return "", err
		}
		if holds(row, user) {
			return name, nil // claimed before an interruption, or by another node at this moment
		}
	}
	return "", fmt.Errorf("no substitute for the name %s is free", lost)
}

// former releases a name that a user bore before.
func (d *derivation) former(ctx context.Context, user, name string, exists bool) error {
	if !exists {
		return nil
	}
	row, err := d.rows.Get(d.reads, schema.Credential(user))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if row.Exists() {
		credential, err := schema.DecodeCredential(row)
		if err != nil {
			return err
		}
		if credential.Username == name {
			return d.add(ctx, present(schema.FormerName(user, name), false))
		}
	}
	if err := d.releaseName(ctx, name, user); err != nil {
		return err
	}
	return d.add(ctx, present(schema.FormerName(user, name), false))
}
