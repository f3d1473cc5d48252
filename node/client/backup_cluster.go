package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"grapevine/store"
	"grapevine/store/archive"
)

// Progress is told, in one goroutine at a time, how far a backup or a restore is.
type Progress func(done, total int, rows int64)

// rounds is how often the owners of a partition are asked for it before a backup
// is given up, with roundPause between: one may be catching up.
const (
	rounds     = 5
	roundPause = 2 * time.Second
)

// BackUp writes an archive of the whole cluster, each partition from an owner
// that is caught up and, should that fail, from another. With thisNode it writes
// what the asked node stores, as it stands there, and asks nobody else. It needs
// the operator token.
func (c *Client) BackUp(ctx context.Context, f archive.File, thisNode bool, progress Progress) (archive.Summary, error) {
	b := &backup{c: c, asIs: thisNode, progress: progress, last: errors.New("none that has it is alive")}
	header, err := b.plan(ctx)
	if err != nil {
		return archive.Summary{}, err
	}
	if b.out, err = archive.NewWriter(f, header); err != nil {
		return archive.Summary{}, err
	}
	for round := 1; len(b.missing) > 0; round++ {
		if err := b.round(ctx); err != nil {
			return archive.Summary{}, err
		}
		if len(b.missing) == 0 {
			break
		}
		if round == rounds || StatusOf(b.last) == http.StatusUnauthorized {
			return archive.Summary{}, b.lacks()
		}
		select {
		case <-time.After(roundPause):
		case <-ctx.Done():
			return archive.Summary{}, ctx.Err()
		}
	}
	return b.out.Close()
}

// backup is one that is being made.
type backup struct {
	c        *Client
	asIs     bool
	progress Progress
	out      *archive.Writer
	nodes    []*Client        // to be asked, in this order
	stored   []map[int]bool   // what each of them may have
	missing  map[int]struct{} // partitions
	total    int
	rows     int64
	last     error // why the last partition that could not be had could not
}

// plan finds out who may have what.
func (b *backup) plan(ctx context.Context) (archive.Header, error) {
	ring, err := b.c.Ring(ctx)
	if err != nil {
		return archive.Header{}, err
	}
	partitions, err := b.c.Partitions(ctx, false)
	if err != nil {
		return archive.Header{}, err
	}
	members, err := b.c.Members(ctx)
	if err != nil {
		return archive.Header{}, err
	}
	header := archive.Header{Cluster: ring.Cluster, Copies: ring.Copies, Taken: time.Now()}
	for 1<<header.PartitionBits < ring.Partitions {
		header.PartitionBits++
	}
	b.missing = map[int]struct{}{}
	for _, m := range members {
		if b.asIs && !m.Self || !m.Self && (!m.Alive || m.HTTP == "") {
			continue
		}
		b.addNode(m, partitions)
		if b.asIs {
			header.Node = m.ID
		}
	}
	if !b.asIs {
		for _, p := range partitions {
			b.missing[p.ID] = struct{}{}
		}
	}
	b.total = len(b.missing)
	return header, nil
}

// addNode adds a member to those who are asked.
func (b *backup) addNode(m Member, partitions []Partition) {
	node := b.c
	if !m.Self {
		other := *b.c
		other.base = URL(m.HTTP)
		node = &other
	}
	stored := map[int]bool{}
	for _, p := range partitions {
		// Of itself alone the asked node tells what it stores without owning it.
		if slices.Contains(p.Owners, m.ID) || b.asIs && p.Vector != "" {
			stored[p.ID] = true
			if b.asIs {
				b.missing[p.ID] = struct{}{}
			}
		}
	}
	b.nodes, b.stored = append(b.nodes, node), append(b.stored, stored)
}

// round asks for every missing partition whoever may have it, one after another,
// until somebody gives it.
func (b *backup) round(ctx context.Context) error {
	for attempt := range b.nodes {
		for i, node := range b.nodes {
			if err := b.take(ctx, node, b.wanted(i, attempt)); err != nil {
				return err
			}
		}
	}
	return nil
}

// wanted gives the missing partitions that a node is to be asked for in an
// attempt. In each attempt the load is spread over all who may have them.
func (b *backup) wanted(node, attempt int) (ids []int) {
	for id := range b.missing {
		var able []int
		for i, stored := range b.stored {
			if stored[id] {
				able = append(able, i)
			}
		}
		if len(able) > 0 && able[(id+attempt)%len(able)] == node {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// take adds partitions from a node's stream until it fails. Only a failure to
// write, or the end of ctx, is an error.
func (b *backup) take(ctx context.Context, node *Client, wanted []int) error {
	if len(wanted) == 0 {
		return nil
	}
	in, err := node.Backup(ctx, wanted, b.asIs)
	if err != nil {
		b.last = err
		return ctx.Err()
	}
	defer in.Close()
	for _, id := range wanted {
		rows, err := b.out.Add(in, store.Partition(id))
		if errors.Is(err, archive.ErrWriting) {
			return err
		}
		if err != nil {
			b.last = fmt.Errorf("partition %d from %s: %w", id, node.base, err)
			return ctx.Err()
		}
		delete(b.missing, id)
		b.rows += rows
		if b.progress != nil {
			b.progress(b.total-len(b.missing), b.total, b.rows)
		}
	}
	return nil
}

func (b *backup) lacks() error {
	ids := slices.Sorted(maps.Keys(b.missing))
	return fmt.Errorf("no caught-up owner gave %d of %d partitions, the first of them %d: %w", len(ids), b.total, ids[0], b.last)
}

// Bounds of a restore.
const (
	senders      = 8 // blocks on their way at once
	sendAttempts = 8
	sendPause    = 250 * time.Millisecond // doubled after each attempt
)

// RestoreAll writes an archive into the cluster of the asked node, which may have
// another number of nodes and of partitions. It verifies the whole archive before
// it sends anything. Rows that exist are passed over, so what broke off can be
// resumed; without resume a cluster that has users refuses with 409. It needs the
// operator token.
func (c *Client) RestoreAll(ctx context.Context, file io.ReadSeeker, resume bool, progress Progress) (archive.Summary, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return archive.Summary{}, err
	}
	summary, err := archive.Verify(file)
	if err != nil {
		return summary, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return summary, err
	}
	in, err := archive.NewReader(file)
	if err != nil {
		return summary, err
	}
	defer in.Close()
	r := &restore{c: c, progress: progress, total: summary.Rows, done: make(chan Restored)}
	return summary, r.run(ctx, in, resume)
}

// restore is one under way.
type restore struct {
	c        *Client
	progress Progress
	total    int64
	done     chan Restored
}

func (r *restore) run(ctx context.Context, in *archive.Reader, resume bool) error {
	first, err := in.Next()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	told := make(chan struct{})
	go r.tell(told)
	defer func() {
		close(r.done)
		<-told
	}()
	if err := r.send(ctx, first, resume); err != nil { // the cluster may refuse
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(senders)
	for ctx.Err() == nil {
		block, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return errors.Join(err, group.Wait())
		}
		group.Go(func() error { return r.send(ctx, block, true) })
	}
	return group.Wait()
}

// tell sums up what was sent.
func (r *restore) tell(ended chan<- struct{}) {
	defer close(ended)
	var sent, restored int64
	for d := range r.done {
		sent, restored = sent+int64(d.Rows), restored+int64(d.Restored)
		if r.progress != nil {
			r.progress(int(sent), int(r.total), restored)
		}
	}
}

// send writes a block, and again while the cluster may yet take it.
func (r *restore) send(ctx context.Context, block archive.Block, resume bool) error {
	pause := sendPause
	for attempt := 1; ; attempt++ {
		restored, err := r.c.Restore(ctx, block.Frame, resume)
		if err == nil {
			r.done <- restored
			return nil
		}
		var p *Problem
		again := !errors.As(err, &p) || p.RetryAfter > 0
		if !again || attempt == sendAttempts || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
		pause *= 2
		// It may have been written, and the reply lost.
		resume = resume || !errors.As(err, &p)
	}
}
