package fanout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"grapevine/crdt"
	"grapevine/crdt/causal"
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
	if err != nil {
		return err
	}
	return d.disown(ctx, name, claim)
}

// disown ends a lost claim when its account is known to bear another name: were it
// left, it would hold when the earlier one is released.
func (d *derivation) disown(ctx context.Context, name string, claim crdt.Birth) error {
	user := string(claim.Value)
	row, err := d.surely(schema.User(user))
	if err != nil {
		return err
	}
	if row.Exists() {
		u, err := schema.DecodeUser(user, row)
		if err != nil {
			return err
		}
		if u.Username == name {
			return errStillBorne
		}
	}
	return d.endClaims(ctx, name, []crdt.Birth{claim})
}

// errStillBorne makes fan-out try again: by the clocks of the nodes that made them,
// the write that gave an account its lost name is later than the one that took it.
var errStillBorne = errors.New("the account bears the lost name again")

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

// former releases a name that a user bore before: those claims that are older than
// the renaming. The user may have claimed the name again since.
func (d *derivation) former(ctx context.Context, user, name string) error {
	row, err := d.surely(schema.FormerName(user, name))
	if err != nil || !row.Exists() {
		return err
	}
	left, _ := row.Last()
	// They are read before what decides whether they are to end.
	claims, err := d.surely(schema.Name(name))
	if err != nil {
		return err
	}
	old := slices.DeleteFunc(claimsOf(claims, user), func(c crdt.Birth) bool { return c.Time > left.Time })
	bears, err := d.bears(user, name)
	if err != nil {
		return err
	}
	if !bears {
		if err := d.endClaims(ctx, name, old); err != nil {
			return err
		}
	}
	return d.add(ctx, store.Mutation{Key: schema.FormerName(user, name), Op: store.Remove, Ends: dots(row.Births)})
}

// bears says whether an account that is not deleted bears a name.
func (d *derivation) bears(user, name string) (bool, error) {
	row, err := d.surely(schema.Credential(user))
	if err != nil || !row.Exists() || schema.IsGone(row) {
		return false, err
	}
	credential, err := schema.DecodeCredential(row)
	return credential.Username == name, err
}

// claimsOf gives a user's claims to a name.
func claimsOf(name crdt.Row, user string) []crdt.Birth {
	return slices.DeleteFunc(slices.Clone(name.Births), func(b crdt.Birth) bool { return string(b.Value) != user })
}

// endClaims ends claims to a name, and none that were made since they were read, at a
// coordinator that has them.
func (d *derivation) endClaims(ctx context.Context, name string, claims []crdt.Birth) error {
	if len(claims) == 0 {
		return nil
	}
	key := schema.Name(name)
	had := new(store.Request)
	for _, c := range claims {
		had.Record(store.Receipt{Partition: d.out.partitionOf(key.Slot), Dot: c.Dot})
	}
	_, err := d.rows.Write(store.WithRequest(ctx, had), store.Write{Serial: true, Mutations: []store.Mutation{
		{Key: key, Op: store.Remove, Ends: dots(claims)},
	}})
	return err
}

func dots(births []crdt.Birth) []causal.Dot {
	all := make([]causal.Dot, len(births))
	for i, b := range births {
		all[i] = b.Dot
	}
	return all
}
