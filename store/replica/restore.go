package replica

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/crdt/hlc"
	"grapevine/p2p"
	"grapevine/store"
)

// maxRestore bounds the bytes of rows that are restored under one dot, but for a
// single row that is larger.
const maxRestore = 64 << 10

// restoreRequest asks an owner to restore rows of a backup: key and row each.
type restoreRequest struct {
	Partition  store.Partition `cbor:"1,keyasint"`
	Rows       [][]byte        `cbor:"2,keyasint"`
	Durability int             `cbor:"3,keyasint,omitempty"`
}

type restoreReply struct {
	Restored int  `cbor:"1,keyasint"` // rows that were not there before
	Copies   int  `cbor:"2,keyasint"` // the fewest of any of them; 0 when there are none
	TooFew   bool `cbor:"3,keyasint"` // store.ErrDurability
}

// Restore writes rows of a backup, of this cluster or any other, and says how
// many were not there before. Each birth of a row becomes a birth again, with its
// fields and at its time, but under a dot of this cluster; a counter becomes the
// share of one replica. Of a row that exists already nothing is changed, unless
// it came of the same backup and lacks a birth: Restore may be repeated.
//
// It needs a majority of the owners of each row. Repeated after the loss of a node
// that alone had restored something, it restores that twice: such a restore begins
// again with an empty cluster.
//
// It is no write of the context's session. Its durability is that of the
// context's Request; copies are the fewest that any of the rows has.
func (s *Store) Restore(ctx context.Context, rows []store.Entry) (restored, copies int, err error) {
	if s.placement.Load() == nil {
		return 0, 0, store.ErrUnavailable
	}
	durability := store.Default
	if r := store.RequestOf(ctx); r != nil {
		durability = r.Durability
	}
	pieces, err := s.pieces(rows, durability)
	if err != nil {
		return 0, 0, err
	}
	replies := make([]restoreReply, len(pieces))
	group, ctx := groupWithLimit(ctx, gatherers)
	for i, piece := range pieces {
		group.Go(func() (err error) {
			replies[i], err = s.restoreAt(ctx, piece)
			return err
		})
	}
	err = group.Wait()
	for _, reply := range replies {
		restored += reply.Restored
		if reply.Copies > 0 && (copies == 0 || reply.Copies < copies) {
			copies = reply.Copies
		}
		if reply.TooFew && err == nil {
			err = store.ErrDurability
		}
	}
	return restored, copies, err
}

// pieces cuts rows into requests of one partition each.
func (s *Store) pieces(rows []store.Entry, durability int) ([]restoreRequest, error) {
	var out []restoreRequest
	sizes := map[store.Partition]int{} // of the open request of a partition
	open := map[store.Partition]int{}  // its place in out
	for _, e := range rows {
		if len(e.Key.Sort) > store.MaxSort || !e.Row.Exists() {
			return nil, fmt.Errorf("replica: %v is no row of a backup", e.Key)
		}
		p := s.partitionOf(e.Key.Slot)
		encoded := e.Row.Append(appendKey(nil, e.Key))
		at, ok := open[p]
		if !ok || sizes[p]+len(encoded) > maxRestore {
			at = len(out)
			out = append(out, restoreRequest{Partition: p, Durability: durability})
			open[p], sizes[p] = at, 0
		}
		out[at].Rows = append(out[at].Rows, encoded)
		sizes[p] += len(encoded)
	}
	return out, nil
}

// restoreAt has an owner restore rows: for all who restore into one partition the
// same, as long as it lives. One that is lost before it has answered makes this
// fail.
func (s *Store) restoreAt(ctx context.Context, request restoreRequest) (restoreReply, error) {
	return job[restoreReply]{
		s: s, op: OpWrite, partition: request.Partition, order: s.serialOrder(request.Partition),
		serial:   true,
		unjudged: true, // it is much larger than other writes
		local: func(ctx context.Context) (restoreReply, error) {
			return s.restoreHere(ctx, request)
		},
		remote: func(ctx context.Context, node p2p.NodeID) (reply restoreReply, err error) {
			ctx, cancel := context.WithTimeout(ctx, writeAttempt)
			defer cancel()
			err = s.call(ctx, node, protoRestore, request, &reply)
			if errors.Is(err, p2p.ErrLost) || errors.Is(err, context.DeadlineExceeded) {
				err = store.ErrUncertain
			}
			return reply, err
		},
	}.run(ctx)
}

func (s *Store) handleRestore(ctx context.Context, _ p2p.NodeID, request restoreRequest) (restoreReply, error) {
	if int(request.Partition) >= len(s.partitions) {
		return restoreReply{}, errMalformed
	}
	return s.restoreHere(ctx, request)
}

// restoreHere coordinates the restoration of rows.
func (s *Store) restoreHere(ctx context.Context, request restoreRequest) (restoreReply, error) {
	p := request.Partition
	if !s.placement.Load().own[p] {
		return restoreReply{}, errNotServing
	}
	// What was restored through another owner must be seen here, or it would be
	// born twice, and its counters count twice.
	if err := s.meet(ctx, p, demand{Quorum: true}); err != nil {
		return restoreReply{}, err
	}
	if err := s.awaitProof(ctx, p); err != nil {
		return restoreReply{}, err
	}
	rows, size, err := s.readBackup(request)
	if err != nil {
		return restoreReply{}, err
	}
	var reply restoreReply
	for r := (revival{rows: rows}); len(r.rows) > 0; r = r.next() {
		if err := s.reviveHere(ctx, p, r, size, request.Durability, &reply); err != nil {
			return reply, err
		}
	}
	return reply, nil
}

// reviveHere makes one birth of each row, and adds to the reply what came of it.
func (s *Store) reviveHere(ctx context.Context, p store.Partition, r revival, size, durability int, reply *restoreReply) error {
	local := newLocalWrite(p, store.Write{}, size)
	local.revival = &r
	if err := s.submit(ctx, local); err != nil {
		return err
	}
	<-local.done
	if local.err != nil || len(local.delta.rows) == 0 {
		return local.err
	}
	receipt, err := s.waitCopies(ctx, store.Receipt{Copies: 1}, local.delivery, durability)
	reply.TooFew = reply.TooFew || errors.Is(err, store.ErrDurability)
	if reply.Copies == 0 || receipt.Copies < reply.Copies {
		reply.Copies = receipt.Copies
	}
	if r.birth == 0 {
		reply.Restored = len(local.delta.rows)
	}
	return nil
}

// readBackup reads the rows of a request.
func (s *Store) readBackup(request restoreRequest) (rows []store.Entry, size int, err error) {
	seen := map[store.Key]bool{}
	for _, b := range request.Rows {
		k, rest, err := consumeKey(b)
		if err != nil || s.partitionOf(k.Slot) != request.Partition || seen[k] {
			return nil, 0, errMalformed
		}
		row, rest, err := crdt.ConsumeRow(rest)
		if err != nil || len(rest) > 0 || !row.Exists() {
			return nil, 0, errMalformed
		}
		slices.SortFunc(row.Births, compareBirths)
		seen[k] = true
		rows = append(rows, store.Entry{Key: k, Row: row})
		size += len(b) + rowOverhead
	}
	return rows, size, nil
}

// compareBirths orders births as they happened: the dots that they get now decide
// between equal times as the old ones did.
func compareBirths(a, b crdt.Birth) int {
	if c := cmp.Compare(a.Time, b.Time); c != 0 {
		return c
	}
	return a.Dot.Compare(b.Dot)
}

// revival makes one birth of each of some rows of a backup anew. A dot makes at
// most one birth of a row, so a row with several takes several revivals.
type revival struct {
	rows  []store.Entry // with their births in the order of compareBirths
	birth int           // which of each
}

// next is the revival of the next birth of those rows that have one.
func (r revival) next() revival {
	later := revival{birth: r.birth + 1}
	for _, e := range r.rows {
		if len(e.Row.Births) > later.birth {
			later.rows = append(later.rows, e)
		}
	}
	return later
}

// revive applies a revival under a new dot. It returns a delta without rows when
// all that it would make is there.
func (t *txn) revive(p store.Partition, r revival) (delta, error) {
	d := delta{partition: p, dot: t.nextDot(p)}
	var newest hlc.Timestamp
	for _, e := range r.rows {
		standing, err := t.read(e.Key)
		if err != nil {
			return delta{}, err
		}
		if lacks(standing.row, e.Row, r.birth) {
			d.rows = append(d.rows, store.Entry{Key: e.Key, Row: reborn(e.Row, r.birth, d.dot)})
			newest = max(newest, e.Row.Time())
		}
	}
	if len(d.rows) == 0 {
		return delta{partition: p}, nil
	}
	t.s.clock.Observe(newest) // so that what is written next is later
	d.time = t.s.clock.Now()
	t.clock = d.time
	return d, t.apply(&d)
}

// lacks says whether a row shows exactly the births of its backup that come before
// the one asked for. Else the birth is there, or the row is another's by now.
func lacks(standing, backup crdt.Row, birth int) bool {
	return len(standing.Births) == birth && !slices.ContainsFunc(standing.Births, func(b crdt.Birth) bool {
		return !slices.ContainsFunc(backup.Births, func(o crdt.Birth) bool { return b.Time == o.Time && bytes.Equal(b.Value, o.Value) })
	})
}

// reborn is the change that makes a birth of a backup's row again, under a new
// dot, with what belongs to it. The shares of a counter become one.
func reborn(backup crdt.Row, birth int, dot causal.Dot) crdt.Row {
	old := backup.Births[birth]
	change := crdt.Row{Births: []crdt.Birth{{Dot: dot, Time: old.Time, Value: old.Value}}}
	for _, f := range backup.Fields {
		if f.Birth == old.Dot {
			change.Fields = append(change.Fields, crdt.Field{ID: f.ID, Birth: dot, Dot: dot, Time: f.Time, Value: f.Value})
		}
	}
	alone := crdt.Row{Births: []crdt.Birth{old}, Cells: backup.Cells}
	for _, c := range backup.Cells {
		last := len(change.Cells) - 1
		if c.Birth == old.Dot && (last < 0 || change.Cells[last].ID != c.ID) {
			change.Cells = append(change.Cells, crdt.Cell{ID: c.ID, Birth: dot, Replica: dot.Replica, Seq: dot.Seq, Value: alone.Counter(c.ID)})
		}
	}
	return change
}
