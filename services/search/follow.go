package search

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/search/text"
	"grapevine/services/social"
	"grapevine/store"
)

// take indexes the next changes of the log.
func (x *Indexer) take(ctx context.Context, changes []store.Change) error {
	x.metrics.lag.Set(float64(len(changes) + x.waits))
	now := map[store.Key]bool{}
	for _, c := range changes {
		if !x.isIndexed(c.Partition) {
			continue // it is read as a whole when it is served here
		}
		for _, k := range c.Keys {
			switch {
			case k.Family != schema.FamilyPost && k.Family != schema.FamilyUser:
			case x.cfg.Serves(c.Partition):
				now[k] = true
			default:
				x.hold(c, k)
			}
		}
	}
	if err := x.index(ctx, slices.Collect(maps.Keys(now))); err != nil {
		return err
	}
	x.metrics.lag.Set(float64(x.waits))
	return nil
}

// hold keeps a row for later: here it may be newer than on the owners that a read
// would ask now.
func (x *Indexer) hold(c store.Change, k store.Key) {
	h := x.held[c.Partition]
	if h == nil {
		h = &heldKeys{first: c.Seq, keys: map[store.Key]bool{}}
		x.held[c.Partition] = h
	}
	if !h.keys[k] {
		h.keys[k] = true
		x.waits++
	}
}

// index makes the index equal to rows as they are.
func (x *Indexer) index(ctx context.Context, keys []store.Key) error {
	for chunk := range slices.Chunk(keys, applyChunk) {
		rows, err := x.cfg.Rows.GetMany(ctx, chunk)
		if err != nil {
			return err
		}
		var b text.Batch
		for i, k := range chunk {
			x.add(&b, store.Entry{Key: k, Row: rows[i]})
		}
		if err := x.cfg.Engine.Apply(b); err != nil {
			return err
		}
	}
	return nil
}

// add adds what a row is in the index to a batch.
func (x *Indexer) add(b *text.Batch, e store.Entry) {
	d, ok, err := x.document(e.Key, e.Row)
	if err != nil {
		x.cfg.Logger.Error("a row cannot be indexed", "key", e.Key, "error", err)
	}
	if ok {
		b.Put = append(b.Put, d)
	} else {
		b.Remove = append(b.Remove, e.Key.Sort)
	}
}

// document gives what is indexed of a row, if anything: nothing of what is gone,
// nothing of a post that is for few, and nothing of one that passes on another.
func (x *Indexer) document(k store.Key, row crdt.Row) (d text.Document, ok bool, err error) {
	if !row.Exists() {
		return d, false, nil
	}
	partition := uint16(x.cfg.PartitionOf(k.Slot))
	if k.Family == schema.FamilyUser {
		u, err := schema.DecodeUser(k.Sort, row)
		if err != nil {
			return d, false, err
		}
		return text.User{ID: u.ID, Name: u.Username, DisplayName: u.DisplayName, Partition: partition}.Document(), true, nil
	}
	p, err := schema.DecodePost(k.Sort, row)
	if err != nil || p.Visibility == social.Direct || p.RepostOf != "" {
		return d, false, err
	}
	return text.Post{
		ID: p.ID, Author: p.Author, Text: p.Text, Tags: p.Tags,
		Public: p.Visibility == social.Public, Partition: partition,
	}.Document(), true, nil
}

// tend brings the set of indexed partitions in line with what this node serves.
func (x *Indexer) tend(ctx context.Context) error {
	for i := range x.cfg.Partitions() {
		p := store.Partition(i)
		var err error
		switch h := x.held[p]; {
		case ctx.Err() != nil || x.broken.Load():
			return ctx.Err()
		case x.cfg.Serves(p) && !x.isIndexed(p):
			err = x.build(ctx, p)
		case x.isIndexed(p) && (!x.cfg.Owns(p) || h != nil && x.waits > maxHeld):
			err = x.drop(p)
		case h != nil && x.cfg.Serves(p):
			if err = x.index(ctx, slices.Collect(maps.Keys(h.keys))); err == nil {
				x.release(p)
			}
		}
		if err != nil {
			return err
		}
	}
	x.metrics.lag.Set(float64(x.waits))
	return nil
}

func (x *Indexer) release(p store.Partition) {
	if h := x.held[p]; h != nil {
		x.waits -= len(h.keys)
		delete(x.held, p)
	}
}

func partNote(p store.Partition) string { return notePart + strconv.Itoa(int(p)) }

// build indexes a partition from its rows. Changes that come meanwhile are in the
// log beyond what was read of it.
func (x *Indexer) build(ctx context.Context, p store.Partition) error {
	if err := x.sweep(p); err != nil {
		return err
	}
	var b text.Batch
	err := x.cfg.Scan(ctx, p, func(e store.Entry) error {
		if e.Key.Family != schema.FamilyPost && e.Key.Family != schema.FamilyUser {
			return ctx.Err()
		}
		if x.add(&b, e); len(b.Put) < applyChunk {
			return nil
		}
		full := b
		b = text.Batch{}
		return x.cfg.Engine.Apply(full)
	})
	if errors.Is(err, store.ErrUnavailable) {
		return nil // it is not served here any more
	}
	if err != nil {
		return err
	}
	b.Notes = map[string][]byte{partNote(p): {1}}
	if err := x.cfg.Engine.Apply(b); err != nil {
		return err
	}
	x.setIndexed(p, true)
	return nil
}

// drop forgets a partition that is no longer this node's.
func (x *Indexer) drop(p store.Partition) error {
	x.setIndexed(p, false)
	x.release(p)
	if err := x.cfg.Engine.Apply(text.Batch{Notes: map[string][]byte{partNote(p): {0}}}); err != nil {
		return err
	}
	return x.sweep(p)
}

// sweep removes the documents of a partition.
func (x *Indexer) sweep(p store.Partition) error {
	for {
		var ids []string
		err := x.cfg.Engine.View(func(s text.Snapshot) (err error) {
			ids, err = text.Of(s, uint16(p), applyChunk)
			return err
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		if err := x.cfg.Engine.Apply(text.Batch{Remove: ids}); err != nil {
			return err
		}
	}
}
