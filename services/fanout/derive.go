package fanout

import (
	"bytes"
	"context"
	"fmt"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/store"
)

// Bounds of a derivation's memory.
const (
	pageRows    = 500  // rows of one scan
	gatherLimit = 1000 // mutations gathered before they are sent
)

// derivation turns keys that changed into mutations, from the rows as they are.
type derivation struct {
	rows      store.Rows
	out       *outbox
	backfill  int
	pushLimit int
	reads     context.Context // what the truth is read in
	again     bool            // the mutations may have been made before
	gathered  []store.Mutation
	inboxes   map[string]bool // of users, that may have got too full
}

func (d *derivation) derive(ctx context.Context, keys []store.Key) error {
	for _, k := range keys {
		row, late, err := d.late(ctx, k)
		if err != nil {
			return fmt.Errorf("whether %s is of a deleted account: %w", k, err)
		}
		if late {
			continue
		}
		if err := d.follow(ctx, k, row); err != nil {
			return fmt.Errorf("consequences of %s: %w", k, err)
		}
		if err := d.tell(ctx, k); err != nil {
			return fmt.Errorf("whom to tell of %s: %w", k, err)
		}
	}
	if err := d.flush(ctx); err != nil {
		return err
	}
	return d.trimInboxes(ctx)
}

// follow derives what follows from a row.
func (d *derivation) follow(ctx context.Context, k store.Key, row crdt.Row) error {
	owner, other, _ := schema.Split(k)
	switch k.Family {
	case schema.FamilyFollowing, schema.FamilyFollower, schema.FamilyAgreed, schema.FamilyAsked,
		schema.FamilyEnded, schema.FamilyBlock, schema.FamilyMute:
		return d.relation(ctx, k, row)
	case schema.FamilyAuthorPost:
		return d.post(ctx, owner, other, row)
	case schema.FamilyLiked, schema.FamilyReposted:
		return d.mark(ctx, k, row)
	case schema.FamilyLike, schema.FamilyRepost, schema.FamilyReply, schema.FamilyUncounted, schema.FamilyEdit:
		return d.attached(ctx, k, row)
	case schema.FamilyBroad:
		return d.broadened(ctx, owner, row.Exists())
	case schema.FamilyMerged:
		return d.merged(ctx, owner, other, row.Exists())
	case schema.FamilyList:
		return d.list(ctx, owner, other, row.Exists())
	case schema.FamilyListMember:
		return d.listMember(ctx, k, row.Exists())
	case schema.FamilyListed:
		return d.listed(ctx, k, row.Exists())
	case schema.FamilyPublished:
		return d.published(ctx, k, row)
	case schema.FamilyChannelMessage:
		return d.message(ctx, k, row)
	case schema.FamilyWebhook:
		return d.webhook(ctx, owner, other, row.Exists())
	case schema.FamilyWebhookChannel:
		return d.webhookChannel(ctx, k, row.Exists())
	case schema.FamilyWebhookListener:
		return d.webhookListener(ctx, k, row.Exists())
	case schema.FamilyCredential:
		return d.account(ctx, k.Sort, row)
	case schema.FamilyDeparted:
		return d.depart(ctx, k.Sort)
	case schema.FamilyName:
		return d.claims(ctx, k, row)
	case schema.FamilyFormerName:
		return d.former(ctx, owner, other)
	}
	return nil
}

// post delivers a post to its readers, or takes a deleted one back.
func (d *derivation) post(ctx context.Context, author, id string, row crdt.Row) error {
	if !row.Exists() {
		return nil // taken back before
	}
	if schema.IsGone(row) {
		if err := d.withdraw(ctx, author, id, row); err != nil {
			return err
		}
		// The rows that tell of the deletion go last.
		if err := d.flush(ctx); err != nil {
			return err
		}
		return d.bury(ctx, author, id)
	}
	audience, err := schema.DecodeAudience(row)
	if err != nil {
		return err
	}
	if err := d.deliver(ctx, author, id, audience, true); err != nil {
		return err
	}
	return d.link(ctx, author, id, row, true)
}

// present is the mutation after which a row that says nothing but that it exists
// does, or does not.
func present(k store.Key, exists bool) store.Mutation {
	if exists {
		return store.Mutation{Key: k, Op: store.Put}
	}
	return store.Mutation{Key: k, Op: store.Remove}
}

// each visits the rows of a two-part family that belong to owner.
func (d *derivation) each(f store.Family, owner string, visit func(store.Entry) error) error {
	for after := ""; ; {
		entries, err := d.rows.Scan(d.reads, schema.Of(f, owner, after, false, pageRows))
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := visit(e); err != nil {
				return err
			}
		}
		if len(entries) < pageRows {
			return nil
		}
		after = schema.Other(entries[len(entries)-1].Key)
	}
}

// add gathers mutations, and sends them when they are many.
func (d *derivation) add(ctx context.Context, ms ...store.Mutation) error {
	d.gathered = append(d.gathered, ms...)
	if len(d.gathered) < gatherLimit {
		return nil
	}
	return d.flush(ctx)
}

// flush sends what was gathered and waits for its durable copies.
func (d *derivation) flush(ctx context.Context) error {
	ms := d.gathered
	d.gathered = nil
	if d.again {
		var err error
		if ms, err = d.lacking(ms); err != nil {
			return err
		}
	}
	return d.out.send(ctx, ms)
}

// lacking gives those of the mutations that would change whether their row exists, or
// what it says: a mirror of an earlier act may be about to go with that. A row that is
// put anew is replaced, at the cost of a write.
func (d *derivation) lacking(ms []store.Mutation) ([]store.Mutation, error) {
	keys := make([]store.Key, len(ms))
	for i, m := range ms {
		keys[i] = m.Key
	}
	rows, err := d.rows.GetMany(d.reads, keys)
	if err != nil {
		return nil, err
	}
	var lacking []store.Mutation
	for i, m := range ms {
		if changes(m, rows[i]) {
			lacking = append(lacking, m)
		}
	}
	return lacking, nil
}

// changes says whether a mutation would change whether a row exists, or what it says.
func changes(m store.Mutation, row crdt.Row) bool {
	last, exists := row.Last()
	other := m.Op == store.Put && m.Value != nil && !bytes.Equal(last.Value, m.Value)
	return m.Op == store.Update || exists != (m.Op == store.Put) || other
}
