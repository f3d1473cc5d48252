package replica

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/store"
)

// snapshotRequest asks for the rows of a partition that follow a key.
type snapshotRequest struct {
	Partition store.Partition `cbor:"1,keyasint"`
	After     []byte          `cbor:"2,keyasint,omitempty"` // engine key; empty for the first page
	Stable    []byte          `cbor:"3,keyasint,omitempty"` // vector: what the snapshot began with
}

// snapshotReply is a page of rows in the order of their keys, in their present
// state, with the context of that state.
type snapshotReply struct {
	Context []byte   `cbor:"1,keyasint"`
	Base    []byte   `cbor:"2,keyasint"` // the sender's base, on the first page
	Rows    [][]byte `cbor:"3,keyasint"` // key, row
	Last    []byte   `cbor:"4,keyasint"` // every key up to this one is covered; empty for all
}

// handleSnapshot gathers a page. As in handleFetch the context is taken before the
// rows are read.
func (s *Store) handleSnapshot(_ context.Context, _ p2p.NodeID, request snapshotRequest) (snapshotReply, error) {
	if int(request.Partition) >= len(s.partitions) {
		return snapshotReply{}, errMalformed
	}
	p := s.partitions[request.Partition]
	rec := p.record()
	mine, trusts := p.context()
	reply := snapshotReply{Context: mine.Append(nil)}
	if len(request.Stable) > 0 {
		stable, _, err := causal.ConsumeVector(request.Stable)
		if err != nil {
			return snapshotReply{}, err
		}
		if !mine.Covers(stable) {
			return snapshotReply{}, errNotServing
		}
	} else {
		reply.Base = rec.base.Append(nil)
	}
	size := 0
	err := s.engine.View(func(snapshot store.Snapshot) error {
		return s.scanPartition(snapshot, request.Partition, request.After, func(key, value []byte) (bool, error) {
			if size > maxPage {
				return false, nil
			}
			k, err := parseDataKey(key)
			if err != nil {
				return false, err
			}
			reply.Rows = append(reply.Rows, append(appendKey(nil, k), value...))
			reply.Last = bytes.Clone(key)
			size += len(key) + len(value) + rowOverhead
			return true, nil
		})
	})
	if size <= maxPage {
		reply.Last = nil
	}
	if err == nil && !p.isStill(trusts) {
		err = errNotServing
	}
	return reply, err
}

// scanPartition visits the stored rows of a partition behind a key, in order.
func (s *Store) scanPartition(snapshot store.Snapshot, p store.Partition, after []byte, visit func(key, value []byte) (bool, error)) error {
	first, last := s.placement.Load().ring.Slots(p)
	from := dataPrefix(nil, first, 0)
	if len(after) > 0 {
		from = after
	}
	end := dataPrefix(nil, last, 255)
	var failed error
	err := snapshot.Scan([]byte{spaceData}, from, false, func(key, value []byte) bool {
		if bytes.Equal(key, after) {
			return true
		}
		if len(key) < len(end) || bytes.Compare(key[:len(end)], end) > 0 {
			return false
		}
		more, err := visit(key, value)
		failed = err
		return more && err == nil
	})
	return errors.Join(err, failed)
}

// takeSnapshot takes a partition over from a peer row by row: some of what is
// missing is no longer logged there. It goes on where an earlier one broke off,
// whoever sent that.
func (s *Store) takeSnapshot(ctx context.Context, peer p2p.NodeID, id store.Partition, transfer *transfer) error {
	transfer.isSnapshot()
	s.metrics.snapshots.Inc()
	for {
		began := time.Now()
		request := snapshotRequest{Partition: id}
		if sn := s.partitions[id].record().snapshot; sn != nil {
			if sn.phase != copying {
				return s.finishSnapshot(ctx, id)
			}
			request.After, request.Stable = sn.after, sn.stable.Append(nil)
		}
		w, err := s.snapshotPage(ctx, peer, request)
		if errors.Is(err, errNotServing) && len(request.After) > 0 {
			// This peer has not all of what the snapshot began with: begin anew.
			w, err = s.snapshotPage(ctx, peer, snapshotRequest{Partition: id})
		}
		if err != nil {
			return err
		}
		if err := s.do(ctx, w); err != nil {
			return err
		}
		s.metrics.fetchedBytes.Add(float64(w.bytes))
		transfer.note(len(w.rows), w.bytes)
		s.yield(ctx, began)
	}
}

func (s *Store) snapshotPage(ctx context.Context, peer p2p.NodeID, request snapshotRequest) (*snapshotPage, error) {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	var reply snapshotReply
	if err := s.call(ctx, peer, protoSnapshot, request, &reply); err != nil {
		return nil, err
	}
	w := &snapshotPage{partition: request.Partition, after: request.After, last: reply.Last, done: make(chan error, 1)}
	var err error
	if w.theirs, _, err = causal.ConsumeVector(reply.Context); err != nil {
		return nil, err
	}
	stable := request.Stable
	if len(stable) == 0 {
		stable = reply.Base
	}
	if w.stable, _, err = causal.ConsumeVector(stable); err != nil {
		return nil, err
	}
	if !w.theirs.Covers(w.stable) || len(w.last) > 0 && bytes.Compare(w.last, w.after) <= 0 {
		return nil, errMalformed
	}
	if w.rows, w.bytes, err = readRows(request.Partition, reply.Rows, s.partitionOf); err != nil {
		return nil, err
	}
	for i, e := range w.rows {
		key := dataKey(e.Key)
		inOrder := bytes.Compare(key, w.after) > 0 && (len(w.last) == 0 || bytes.Compare(key, w.last) <= 0)
		if i > 0 {
			inOrder = inOrder && bytes.Compare(key, dataKey(w.rows[i-1].Key)) > 0
		}
		if !inOrder {
			return nil, errMalformed
		}
	}
	return w, nil
}

// do submits work that reports on a channel, and waits for it.
func (s *Store) do(ctx context.Context, w interface {
	work
	wait() error
}) error {
	if err := s.submit(ctx, w); err != nil {
		return err
	}
	return w.wait()
}

// snapshotPage is the work of taking over the rows of a page, and of removing
// what lies here between them: the sender, who has seen its births, has it no
// more.
type snapshotPage struct {
	partition store.Partition
	stable    *causal.Vector
	theirs    *causal.Vector
	after     []byte // the page begins behind this engine key
	last      []byte // and ends with this one; empty: with the partition
	rows      []store.Entry
	bytes     int64
	rowsOnly  bool   // of a repair, which takes over rows and nothing else
	reached   []byte // up to this key all is done, when the work has been; empty for all
	err       error
	done      chan error
}

func (w *snapshotPage) size() int64      { return w.bytes }
func (w *snapshotPage) finish(err error) { w.done <- errors.Join(err, w.err) }
func (w *snapshotPage) wait() error      { return <-w.done }

func (w *snapshotPage) add(t *txn) error {
	if w.err = w.refused(t); w.err != nil {
		return nil
	}
	local, cut, err := t.localRows(w.partition, w.after, w.last)
	if err != nil {
		return err
	}
	reached := w.last
	if cut != nil {
		reached = cut
	}
	budget := t.size() + t.s.engine.MaxBatch()/3
	var changed []store.Key
	remote, done := w.rows, w.after
	for len(remote)+len(local) > 0 && t.size() <= budget {
		e := nextEntry(&local, &remote)
		key := dataKey(e.Key)
		if len(reached) > 0 && bytes.Compare(key, reached) > 0 {
			break
		}
		done = key
		dirty, err := t.mergeState(e.Key, t.context(w.partition), e.Row, w.theirs)
		if err != nil {
			return err
		}
		if dirty {
			changed = append(changed, e.Key)
		}
	}
	t.derive(w.partition, changed)
	if len(local) == 0 && len(remote) == 0 {
		done = reached
	}
	if w.reached = done; !w.rowsOnly {
		w.progress(t, done)
	}
	return nil
}

// refused says why the page cannot be used, nil if it can: the snapshot may have
// gone on, or the partition away, while the page was on its way.
func (w *snapshotPage) refused(t *txn) error {
	sn := t.peek(w.partition).snapshot
	follows := w.rowsOnly || len(w.after) == 0 || sn != nil && bytes.Equal(sn.after, w.after)
	if !t.stores(w.partition) || sn != nil && sn.phase != copying || !follows {
		return errNotMine
	}
	return nil
}

// progress notes up to which key the snapshot is here, nil for all of it. Then the
// sender's base is what has been seen: it is closed, so every birth that its dots
// ended is in it, and none of them can come back.
func (w *snapshotPage) progress(t *txn, done []byte) {
	rec := t.record(w.partition)
	rec.snapshot = &snapshotProgress{stable: w.stable, after: done}
	if len(done) == 0 {
		rec.snapshot.phase = settling
		rec.base.Merge(w.stable)
		t.context(w.partition).adding.Merge(w.stable)
	}
}

// nextEntry takes the next key of two ascending lists: its remote row, which is
// the zero Row where the sender has none.
func nextEntry(local *[]store.Key, remote *[]store.Entry) store.Entry {
	switch {
	case len(*local) == 0:
	case len(*remote) == 0 || bytes.Compare(dataKey((*local)[0]), dataKey((*remote)[0].Key)) < 0:
		e := store.Entry{Key: (*local)[0]}
		*local = (*local)[1:]
		return e
	case (*local)[0] == (*remote)[0].Key:
		*local = (*local)[1:]
	}
	e := (*remote)[0]
	*remote = (*remote)[1:]
	return e
}

// localChunk bounds the rows of this node that one page is compared with.
const localChunk = 4096

// localRows gives the keys stored here behind after, up to last (empty: to the
// end of the partition), and where there are too many the key it stopped at.
func (t *txn) localRows(p store.Partition, after, last []byte) (keys []store.Key, cut []byte, err error) {
	if mutated(snapshotKeepsAbsent) {
		return nil, nil, nil
	}
	err = t.s.scanPartition(t.snapshot, p, after, func(key, _ []byte) (bool, error) {
		if len(last) > 0 && bytes.Compare(key, last) > 0 {
			return false, nil
		}
		k, err := parseDataKey(key)
		if err != nil {
			return false, err
		}
		keys = append(keys, k)
		if len(keys) == localChunk {
			cut = bytes.Clone(key)
			return false, nil
		}
		return true, nil
	})
	return keys, cut, err
}

// withEnded marks in the local row what a snapshot under way has shown to have
// ended: births that its sender had seen when it began and that were not in the row
// when its page came. The vector does not tell until the last page is here, and
// others, who do not know of the end, may offer such a birth meanwhile.
func (sn *snapshotProgress) withEnded(k store.Key, local, remote crdt.Row) crdt.Row {
	if sn == nil || sn.phase != copying || bytes.Compare(dataKey(k), sn.after) > 0 {
		return local
	}
	var ended []causal.Dot
	note := func(birth causal.Dot) {
		lives := slices.ContainsFunc(local.Births, func(b crdt.Birth) bool { return b.Dot == birth })
		if sn.stable.Contains(birth) && !lives {
			ended = append(ended, birth)
		}
	}
	for _, b := range remote.Births {
		note(b.Dot)
	}
	for _, f := range remote.Fields {
		note(f.Birth)
	}
	for _, c := range remote.Cells {
		note(c.Birth)
	}
	if len(ended) > 0 {
		ended = append(ended, local.Removed...)
		slices.SortFunc(ended, causal.Dot.Compare)
		local.Removed = slices.Compact(ended)
	}
	return local
}

// mergeState joins a remote state into a row and says whether that changed it.
func (t *txn) mergeState(k store.Key, mine causal.Context, remote crdt.Row, theirs causal.Context) (changed bool, err error) {
	r, err := t.read(k)
	if err != nil {
		return false, err
	}
	merged := crdt.Merge(r.row, mine, remote, theirs)
	if bytes.Equal(merged.Append(nil), r.row.Append(nil)) {
		return false, nil
	}
	return true, t.merge(k, mine, remote, theirs)
}

// derive logs a change without a dot: rows came here that follow from writes which
// the other owners have logged.
func (t *txn) derive(p store.Partition, keys []store.Key) {
	if len(keys) > 0 {
		t.changes = append(t.changes, store.Change{Partition: p, Keys: keys})
	}
}
