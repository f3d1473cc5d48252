package fanout

import (
	"context"
	"errors"

	"grapevine/services/schema"
	"grapevine/store"
)

// list ends the memberships of a list that is gone, which came to lie there beside
// those that went with it.
func (d *derivation) list(ctx context.Context, owner, id string, stands bool) error {
	if stands {
		return nil
	}
	for after := ""; ; {
		members, err := d.rows.Scan(d.reads, schema.ListMembers(owner, id, after, pageRows))
		if err != nil || len(members) == 0 {
			return err // none: they went with the list
		}
		if gone, err := d.gone(schema.UserList(owner, id)); err != nil || !gone {
			return err
		}
		for _, e := range members {
			_, _, after = schema.SplitListMember(e.Key)
			if err := d.delist(ctx, owner, id, after); err != nil {
				return err
			}
		}
		if len(members) < pageRows {
			return nil
		}
	}
}

// gone says whether a row is gone. That one is missing here a majority confirms.
func (d *derivation) gone(k store.Key) (bool, error) {
	_, err := d.rows.Get(d.reads, k)
	if !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	row, err := d.surely(k)
	return err == nil && !row.Exists(), err
}

// delist ends a membership on both sides.
func (d *derivation) delist(ctx context.Context, owner, list, member string) error {
	return d.add(ctx, present(schema.ListMember(owner, list, member), false), present(schema.InList(member, owner, list), false))
}

// listMember makes the member's side of a membership what the owner's is. One that
// came when the list was gone goes.
func (d *derivation) listMember(ctx context.Context, k store.Key, stands bool) error {
	owner, list, member := schema.SplitListMember(k)
	if stands {
		gone, err := d.gone(schema.UserList(owner, list))
		if err != nil {
			return err
		}
		if gone {
			return d.delist(ctx, owner, list, member)
		}
	}
	return d.add(ctx, present(schema.InList(member, owner, list), stands))
}

// listed ends a membership that came when the member's account was gone.
func (d *derivation) listed(ctx context.Context, k store.Key, stands bool) error {
	if !stands {
		return nil
	}
	member, owner, list := schema.SplitInList(k)
	if gone, err := d.gone(schema.User(member)); err != nil || !gone {
		return err
	}
	return d.delist(ctx, owner, list, member)
}

// departLists ends the lists of a deleted account, and its places in those of others.
func (d *derivation) departLists(ctx context.Context, user string) error {
	steps := map[store.Family]func(e store.Entry) error{
		schema.FamilyList: func(e store.Entry) error { return d.add(ctx, present(e.Key, false)) },
		schema.FamilyListMember: func(e store.Entry) error {
			owner, list, member := schema.SplitListMember(e.Key)
			return d.delist(ctx, owner, list, member)
		},
		schema.FamilyListed: func(e store.Entry) error {
			member, owner, list := schema.SplitInList(e.Key)
			return d.delist(ctx, owner, list, member)
		},
	}
	for family, step := range steps {
		if err := d.each(family, user, step); err != nil {
			return err
		}
	}
	return nil
}
