package replica

import (
	"context"
	"errors"
	"time"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/store"
)

// maxPage bounds one page of catch-up, in bytes that it takes in the engine of
// who fetches it: the entry of a small dot there is several times its encoding.
const (
	maxPage     = 192 << 10
	rowOverhead = 256 // of a row in a page, beside its encoding
	dotOverhead = 192 // of a dot
)

type fetchRequest struct {
	Partition store.Partition `cbor:"1,keyasint"`
	Missing   []byte          `cbor:"2,keyasint"` // a vector of the dots wanted
}

// fetchReply is a page: as many of the wanted dots as fit, the rows they touched
// in their present state, and the context of that state. Or it says that some of
// the dots are no longer logged, and a snapshot must come first.
type fetchReply struct {
	Context []byte   `cbor:"1,keyasint"`
	Rows    [][]byte `cbor:"2,keyasint"` // key, row
	Dots    [][]byte `cbor:"3,keyasint"` // dot, what it touched
	Pruned  bool     `cbor:"4,keyasint,omitempty"`
}

var (
	// errNoProgress ends a fetch whose peer has nothing of what it said it had.
	errNoProgress = errors.New("replica: the peer sent none of the missing dots")
	// errBusy is returned where another peer is being fetched from.
	errBusy = errors.New("replica: the partition is being fetched from another peer")
)

// fetch brings the dots of theirs that are missing here, page by page. Progress is
// in the vector: one that breaks off goes on where it was.
func (s *Store) fetch(ctx context.Context, peer p2p.NodeID, id store.Partition, theirs *causal.Vector) error {
	p := s.partitions[id]
	if p.missing(theirs).Empty() {
		return nil
	}
	if !p.fetching.TryLock() {
		return errBusy
	}
	defer p.fetching.Unlock()
	transfer := p.beginTransfer(peer, time.Now())
	defer p.endTransfer()
	for {
		missing := p.missing(theirs)
		if missing.Empty() {
			return nil
		}
		began := time.Now()
		pg, err := s.fetchPage(ctx, peer, id, missing)
		if errors.Is(err, errPruned) {
			if err := s.takeSnapshot(ctx, peer, id, transfer); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		if len(pg.dots) == 0 {
			return errNoProgress
		}
		if err := s.submit(ctx, pg); err != nil {
			return err
		}
		if err := <-pg.done; err != nil {
			return err
		}
		s.metrics.fetched.Add(float64(len(pg.dots)))
		s.metrics.fetchedBytes.Add(float64(pg.bytes))
		transfer.note(len(pg.rows), pg.bytes)
		s.yield(ctx, began)
	}
}

// yield lets the clients' writes pass: while there are any, catching up takes half
// of the time at most.
func (s *Store) yield(ctx context.Context, began time.Time) {
	idle := time.Since(s.started) - time.Duration(s.lastLocal.Load())
	if len(s.queue) > 0 || idle < time.Second {
		sleep(ctx, min(time.Since(began), maxYield))
	}
}

// maxYield bounds the pause after a page.
const maxYield = 250 * time.Millisecond

// errPruned is returned for dots that a peer has but no longer logs.
var errPruned = errors.New("replica: a snapshot must come first")

func (s *Store) fetchPage(ctx context.Context, peer p2p.NodeID, p store.Partition, missing *causal.Vector) (*page, error) {
	ctx, cancel := context.WithTimeout(ctx, syncTimeout)
	defer cancel()
	var reply fetchReply
	request := fetchRequest{Partition: p, Missing: missing.Append(nil)}
	if err := s.call(ctx, peer, protoFetch, request, &reply); err != nil {
		return nil, err
	}
	if reply.Pruned {
		return nil, errPruned
	}
	pg, err := readPage(p, reply, s.partitionOf)
	if err != nil {
		return nil, err
	}
	for _, d := range pg.dots {
		if !missing.Contains(d.dot) {
			return nil, errMalformed // it would never end
		}
	}
	return pg, nil
}

// readPage checks a page: its rows lie in the partition, and its dots name them.
func readPage(p store.Partition, reply fetchReply, partitionOf func(store.Slot) store.Partition) (*page, error) {
	pg := &page{partition: p, done: make(chan error, 1)}
	var err error
	if pg.theirs, _, err = causal.ConsumeVector(reply.Context); err != nil {
		return nil, err
	}
	if pg.rows, pg.bytes, err = readRows(p, reply.Rows, partitionOf); err != nil {
		return nil, err
	}
	for _, b := range reply.Dots {
		dot, rest, err := causal.ConsumeDot(b)
		if err != nil || !pg.theirs.Contains(dot) {
			return nil, errMalformed
		}
		rows, err := consumeTouched(rest)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if partitionOf(r.key.Slot) != p {
				return nil, errMalformed
			}
		}
		pg.dots = append(pg.dots, pageDot{dot, rows})
		pg.bytes += int64(len(b))
	}
	return pg, nil
}

// readRows reads rows with their keys, all of one partition, and gives their size.
func readRows(p store.Partition, encoded [][]byte, partitionOf func(store.Slot) store.Partition) ([]store.Entry, int64, error) {
	var rows []store.Entry
	var size int64
	for _, b := range encoded {
		size += int64(len(b))
		k, rest, err := consumeKey(b)
		if err != nil {
			return nil, 0, err
		}
		row, _, err := crdt.ConsumeRow(rest)
		if err != nil {
			return nil, 0, err
		}
		if partitionOf(k.Slot) != p {
			return nil, 0, errMalformed
		}
		rows = append(rows, store.Entry{Key: k, Row: row})
	}
	return rows, size, nil
}

// handleFetch gathers a page. The context is taken before the rows are read: it
// may be older than they are, but never newer, for then a birth that they do not
// show yet would pass for removed.
func (s *Store) handleFetch(_ context.Context, _ p2p.NodeID, request fetchRequest) (fetchReply, error) {
	if int(request.Partition) >= len(s.partitions) {
		return fetchReply{}, errMalformed
	}
	wanted, _, err := causal.ConsumeVector(request.Missing)
	if err != nil {
		return fetchReply{}, err
	}
	p := s.partitions[request.Partition]
	if !p.record().base.Intersect(wanted).Empty() && !mutated(skipStability) {
		return fetchReply{Pruned: true}, nil
	}
	mine, trusts := p.context()
	b := pageBuilder{partition: request.Partition, mine: mine, sent: map[store.Key]bool{}}
	b.reply.Context = b.mine.Append(nil)
	err = s.engine.View(func(snapshot store.Snapshot) error {
		for _, replica := range wanted.Replicas() {
			for _, r := range wanted.Ranges(replica) {
				if b.bytes > maxPage {
					return nil
				}
				if err := b.addRange(snapshot, replica, r); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil && !p.isStill(trusts) {
		err = errNotServing
	}
	return b.reply, err
}

type pageBuilder struct {
	partition store.Partition
	mine      *causal.Vector
	reply     fetchReply
	sent      map[store.Key]bool // the keys in reply.Rows
	bytes     int
}

// addRange adds the dots of a range that are logged here, while there is room.
func (b *pageBuilder) addRange(snapshot store.Snapshot, replica causal.Replica, r causal.Range) error {
	first := dotKey(b.partition, causal.Dot{Replica: replica, Seq: r.First})
	prefix := first[:len(first)-8]
	var failed error
	err := snapshot.Scan(prefix, first, false, func(key, value []byte) bool {
		_, dot, err := parseDotKey(key)
		if err == nil && (dot.Seq > r.Last || b.bytes > maxPage) {
			return false
		}
		if err == nil && b.mine.Contains(dot) {
			err = b.addDot(snapshot, dot, value)
		}
		failed = err
		return err == nil
	})
	if err == nil {
		err = failed
	}
	return err
}

func (b *pageBuilder) addDot(snapshot store.Snapshot, dot causal.Dot, logged []byte) error {
	rows, err := consumeTouched(logged)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if b.sent[r.key] {
			continue
		}
		row, _, err := readRow(snapshot, r.key)
		if err != nil {
			return err
		}
		encoded := row.Append(appendKey(nil, r.key))
		b.sent[r.key] = true
		b.reply.Rows = append(b.reply.Rows, encoded)
		b.bytes += len(encoded) + rowOverhead
	}
	entry := append(causal.AppendDot(nil, dot), logged...)
	b.bytes += 2*len(entry) + dotOverhead // in the log of dots and that of changes
	b.reply.Dots = append(b.reply.Dots, entry)
	return nil
}
