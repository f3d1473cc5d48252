package trends

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"grapevine/services/follow"
	"grapevine/services/schema"
	"grapevine/store"
)

const (
	readChunk  = 1000                  // changes, or posts, read at once
	pause      = 50 * time.Millisecond // for changes to gather
	idleFactor = 5                     // how much longer than it works the counter rests: under load the counts are late
)

// Run counts until ctx ends. What was changed before the cursor is read with the
// partitions.
func (c *Counter) Run(ctx context.Context) {
	follow.New(follow.Config{
		Log: c.cfg.Log, Consumer: consumer, Name: "the count of trends", Logger: c.cfg.Logger,
		Chunk: readChunk, Take: c.take, Tend: c.tend, Gather: pause, Idle: idleFactor,
	}).Run(ctx)
}

// take counts the next changes of the log.
func (c *Counter) take(ctx context.Context, changes []store.Change) error {
	changed := map[store.Key]bool{}
	for _, change := range changes {
		for _, k := range change.Keys {
			switch {
			case k.Family != schema.FamilyPost:
			case c.cfg.Serves(change.Partition):
				changed[k] = true
			default:
				// Here the post may be newer than on the owners that a read would ask:
				// the partition is read anew when it is served again.
				c.drop(change.Partition)
			}
		}
	}
	return c.refresh(ctx, slices.Collect(maps.Keys(changed)))
}

// refresh counts posts as they are.
func (c *Counter) refresh(ctx context.Context, keys []store.Key) error {
	for chunk := range slices.Chunk(keys, readChunk) {
		rows, err := c.cfg.Rows.GetMany(ctx, chunk)
		if err != nil {
			return err
		}
		c.mu.Lock()
		for i, k := range chunk {
			if err := c.set(k, rows[i]); err != nil {
				c.cfg.Logger.Error("a post cannot be counted", "key", k, "error", err)
			}
		}
		c.mu.Unlock()
	}
	return nil
}

func (c *Counter) drop(id store.Partition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.parts[id]; p != nil {
		c.size -= len(p.uses)
		delete(c.parts, id)
	}
}

// tend brings the partitions that are counted in line with those that this node
// serves, and forgets what is too old.
func (c *Counter) tend(ctx context.Context) error {
	var wanted []store.Partition
	for i := range c.cfg.Partitions() {
		id := store.Partition(i)
		c.mu.Lock()
		has := c.parts[id] != nil
		c.mu.Unlock()
		switch serves := c.cfg.Serves(id); {
		case serves && !has:
			wanted = append(wanted, id)
		case has && !serves:
			c.drop(id)
		}
	}
	c.age()
	if len(wanted) == 0 {
		return nil
	}
	err := c.build(ctx, wanted)
	c.age()
	if errors.Is(err, store.ErrUnavailable) {
		return nil // one of them is not served here any more
	}
	return err
}

// build reads the posts of partitions, newest first, back to the beginning of the
// baseline or until there are too many. Changes that come meanwhile are in the log
// beyond what was read of it.
func (c *Counter) build(ctx context.Context, wanted []store.Partition) error {
	fresh := map[store.Partition]*part{}
	for _, id := range wanted {
		fresh[id] = newPart()
	}
	read, size, err := c.readBack(ctx, wanted, fresh)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.Copy(c.parts, fresh)
	c.size += size
	c.from = max(c.from, read)
	return nil
}

// readBack fills parts, and gives the first hour that they have all posts of.
func (c *Counter) readBack(ctx context.Context, wanted []store.Partition, into map[store.Partition]*part) (from int64, size int, err error) {
	from = hour(c.cfg.Now()) - allHours + 1
	for before := ""; ctx.Err() == nil; {
		entries, err := c.cfg.Posts(wanted, before, readChunk)
		if err != nil {
			return 0, 0, err
		}
		for _, e := range entries {
			use, counts, err := read(e.Key, e.Row)
			switch {
			case err != nil:
				c.cfg.Logger.Error("a post cannot be counted", "key", e.Key, "error", err)
			case !counts:
			case use.hour < from:
				return from, size, nil
			default:
				size += into[c.cfg.PartitionOf(e.Key.Slot)].put(e.Key.Sort, use)
			}
		}
		if len(entries) < readChunk {
			return from, size, nil
		}
		before = entries[len(entries)-1].Key.Sort
		if oldest := hour(timeOf(before)); oldest < from || size > c.cfg.MaxPosts {
			return max(from, oldest), size, nil
		}
	}
	return 0, 0, ctx.Err()
}
