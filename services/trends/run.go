package trends

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"grapevine/services/schema"
	"grapevine/store"
)

const (
	readChunk  = 1000                  // changes, or posts, read at once
	pause      = 50 * time.Millisecond // for changes to gather
	idleFactor = 5                     // how much longer than it works the counter rests
	beat       = time.Second           // between looks at the partitions, and the longest rest
)

// Run counts until ctx ends.
func (c *Counter) Run(ctx context.Context) {
	appended, stop := c.cfg.Log.Appended()
	defer stop()
	for !c.try(ctx, "begin", c.begin) {
		if !sleep(ctx, beat) {
			return
		}
	}
	looked := time.Time{}
	for ctx.Err() == nil {
		began := time.Now()
		more := false
		ok := c.try(ctx, "follow the change log", func(ctx context.Context) (err error) {
			more, err = c.follow(ctx)
			return err
		})
		if ok && began.Sub(looked) >= beat {
			ok = c.try(ctx, "read partitions", c.tend) && c.try(ctx, "save its cursor", c.save)
			looked = began
		}
		// What clients wait for comes first: under load the counts are late.
		sleep(ctx, min(idleFactor*time.Since(began), beat))
		if !ok {
			sleep(ctx, beat)
		} else if !more {
			c.rest(ctx, appended)
		}
	}
}

// rest waits for something to do.
func (c *Counter) rest(ctx context.Context, appended <-chan struct{}) {
	timer := time.NewTimer(beat)
	defer timer.Stop()
	select {
	case <-appended:
		sleep(ctx, pause)
	case <-timer.C:
	case <-ctx.Done():
	}
}

// sleep says whether ctx is still on after a time.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// try does a step, and says whether it succeeded. What failed is done again later.
func (c *Counter) try(ctx context.Context, what string, step func(context.Context) error) bool {
	err := step(ctx)
	if err != nil && ctx.Err() == nil {
		c.cfg.Logger.Warn("the count of trends cannot "+what, "error", err)
	}
	return err == nil
}

// begin takes up the log where it is kept from. What was changed before is read with
// the partitions.
func (c *Counter) begin(ctx context.Context) (err error) {
	if c.after, err = c.cfg.Log.Cursor(ctx, consumer); err != nil {
		return err
	}
	// A cursor, of whatever value, keeps the log from here on.
	return c.cfg.Log.SaveCursor(ctx, consumer, c.after)
}

func (c *Counter) save(ctx context.Context) error {
	saved, err := c.cfg.Log.Cursor(ctx, consumer)
	if err != nil || saved == c.after {
		return err
	}
	return c.cfg.Log.SaveCursor(ctx, consumer, c.after)
}

// follow counts the next changes of the log. More says that there are others.
func (c *Counter) follow(ctx context.Context) (more bool, err error) {
	changes, err := c.cfg.Log.Changes(ctx, c.after, readChunk)
	if err != nil || len(changes) == 0 {
		return false, err
	}
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
	if err := c.refresh(ctx, slices.Collect(maps.Keys(changed))); err != nil {
		return true, err
	}
	c.after = changes[len(changes)-1].Seq
	return len(changes) == readChunk, nil
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
