package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/p2p"
	"grapevine/store"
)

// readRequest is a read on behalf of another node: one of Keys, Range, Index or
// Counted.
type readRequest struct {
	Partition store.Partition   `cbor:"1,keyasint"`
	Demand    demand            `cbor:"2,keyasint"`
	Keys      [][]byte          `cbor:"3,keyasint,omitempty"`
	Range     *store.Range      `cbor:"4,keyasint,omitempty"`
	Index     *store.IndexRange `cbor:"5,keyasint,omitempty"`
	Wanted    []bool            `cbor:"6,keyasint,omitempty"` // partitions of Index
	Needs     []partitionDemand `cbor:"7,keyasint,omitempty"`
	Count     bool              `cbor:"8,keyasint,omitempty"` // of Range: its rows are counted, not sent
	Seen      []byte            `cbor:"9,keyasint,omitempty"` // of Range: a vector; only what it lacks is sent
	ID        string            `cbor:"10,keyasint,omitempty"`
	Counted   []store.Range     `cbor:"11,keyasint,omitempty"` // their rows are counted
}

type partitionDemand struct {
	Partition store.Partition `cbor:"1,keyasint"`
	Demand    demand          `cbor:"2,keyasint"`
}

// readReply holds rows: for Keys one each in their order without the key, else
// key and row.
type readReply struct {
	Rows   [][]byte `cbor:"1,keyasint"`
	Count  int      `cbor:"2,keyasint,omitempty"`
	Now    []byte   `cbor:"3,keyasint,omitempty"` // the vector beside which Seen was compared
	Counts []int    `cbor:"4,keyasint,omitempty"` // of Counted
}

// maxRead bounds the rows that one request may ask of another node.
const maxRead = 4096

func (s *Store) handleRead(ctx context.Context, from p2p.NodeID, request readRequest) (reply readReply, err error) {
	if int(request.Partition) >= len(s.partitions) || len(request.Keys) > maxRead || len(request.Counted) > maxRead || len(request.ID) > store.MaxRequestID {
		return readReply{}, errMalformed
	}
	defer func(began time.Time) { s.traceServed(ctx, "read", request.ID, from, began, err) }(time.Now())
	switch {
	case request.Range != nil:
		r := *request.Range
		if s.partitionOf(r.Slot) != request.Partition || r.Limit < 1 || r.Limit > maxRead && !request.Count {
			return readReply{}, errMalformed
		}
		return s.handleRange(ctx, r, request)
	case request.Index != nil:
		return s.handleIndex(ctx, request)
	case len(request.Counted) > 0:
		return s.handleCounts(ctx, request)
	default:
		return s.handleGet(ctx, request)
	}
}

func (s *Store) handleRange(ctx context.Context, r store.Range, request readRequest) (reply readReply, err error) {
	err = s.readHere(ctx, request.Partition, request.Demand, func() error {
		switch {
		case request.Count:
			var counts []int
			if counts, err = s.countLocal([]store.Range{r}); err == nil {
				reply.Count = counts[0]
			}
		case request.Seen != nil:
			reply, err = s.handleNews(r, request)
		default:
			reply, err = entriesReply(s.scanLocal(r))
		}
		return err
	})
	return reply, err
}

func (s *Store) handleGet(ctx context.Context, request readRequest) (readReply, error) {
	ks := make([]store.Key, len(request.Keys))
	for i, b := range request.Keys {
		k, _, err := consumeKey(b)
		if err != nil || s.partitionOf(k.Slot) != request.Partition {
			return readReply{}, errMalformed
		}
		ks[i] = k
	}
	var rows []crdt.Row
	err := s.readHere(ctx, request.Partition, request.Demand, func() (err error) {
		rows, err = s.getLocal(ks)
		return err
	})
	var reply readReply
	for _, row := range rows {
		reply.Rows = append(reply.Rows, row.Append(nil))
	}
	return reply, err
}

func (s *Store) handleCounts(ctx context.Context, request readRequest) (reply readReply, err error) {
	for _, r := range request.Counted {
		if s.partitionOf(r.Slot) != request.Partition || r.Limit < 1 {
			return readReply{}, errMalformed
		}
	}
	err = s.readHere(ctx, request.Partition, request.Demand, func() error {
		reply.Counts, err = s.countLocal(request.Counted)
		return err
	})
	return reply, err
}

func (s *Store) handleIndex(ctx context.Context, request readRequest) (readReply, error) {
	r := *request.Index
	if len(request.Wanted) != len(s.partitions) || r.Limit < 1 || r.Limit > maxRead {
		return readReply{}, errMalformed
	}
	if !s.servesAll(request.Wanted) {
		return readReply{}, errNotServing
	}
	for _, n := range request.Needs {
		if int(n.Partition) >= len(s.partitions) {
			return readReply{}, errMalformed
		}
		if err := s.meet(ctx, n.Partition, n.Demand); err != nil {
			return readReply{}, err
		}
	}
	return entriesReply(s.scanIndexLocal(r, request.Wanted))
}

// servesAll says whether this node may answer reads of all wanted partitions.
func (s *Store) servesAll(wanted []bool) bool {
	for i, w := range wanted {
		if w && !s.serves(store.Partition(i)) {
			return false
		}
	}
	return true
}

func entriesReply(entries []store.Entry, err error) (readReply, error) {
	var reply readReply
	for _, e := range entries {
		reply.Rows = append(reply.Rows, e.Row.Append(appendKey(nil, e.Key)))
	}
	return reply, err
}

func (r readReply) entries() ([]store.Entry, error) {
	out := make([]store.Entry, len(r.Rows))
	for i, b := range r.Rows {
		k, rest, err := consumeKey(b)
		if err != nil {
			return nil, err
		}
		row, _, err := crdt.ConsumeRow(rest)
		if err != nil {
			return nil, err
		}
		out[i] = store.Entry{Key: k, Row: row}
	}
	return out, nil
}

const (
	readAttempt = time.Second // then another owner is asked
	// writeAttempt is long, whatever copies the client has asked for: who gives up on a
	// coordinator knows nothing of the write.
	writeAttempt = durableWait + time.Second
)

// ask sends a read to a node. A node that does not answer in time counts as one
// that cannot be reached.
func (s *Store) ask(ctx context.Context, node p2p.NodeID, request readRequest, reply *readReply) error {
	request.ID = store.RequestOf(ctx).Name()
	attempt, cancel := context.WithTimeout(ctx, readAttempt)
	defer cancel()
	err := s.call(attempt, node, protoRead, request, reply)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("%w: no answer within %s", p2p.ErrUnreachable, readAttempt)
	}
	return err
}

func (s *Store) getRemote(ctx context.Context, node p2p.NodeID, p store.Partition, d demand, ks []store.Key) ([]crdt.Row, error) {
	request := readRequest{Partition: p, Demand: d}
	for _, k := range ks {
		request.Keys = append(request.Keys, appendKey(nil, k))
	}
	var reply readReply
	if err := s.ask(ctx, node, request, &reply); err != nil {
		return nil, err
	}
	if len(reply.Rows) != len(ks) {
		return nil, errMalformed
	}
	rows := make([]crdt.Row, len(ks))
	for i, b := range reply.Rows {
		row, _, err := crdt.ConsumeRow(b)
		if err != nil {
			return nil, err
		}
		rows[i] = row
	}
	return rows, nil
}

// countRemote counts ranges on another node.
func (s *Store) countRemote(ctx context.Context, node p2p.NodeID, p store.Partition, d demand, rs []store.Range) ([]int, error) {
	var reply readReply
	err := s.ask(ctx, node, readRequest{Partition: p, Demand: d, Counted: rs}, &reply)
	if err != nil || len(reply.Counts) == len(rs) {
		return reply.Counts, err
	}
	// A node of the build before reads no Counted: it counts one range at a time.
	counts := make([]int, len(rs))
	for i, r := range rs {
		var one readReply
		if err := s.ask(ctx, node, readRequest{Partition: p, Demand: d, Range: &r, Count: true}, &one); err != nil {
			return nil, err
		}
		counts[i] = one.Count
	}
	return counts, nil
}

func (s *Store) scanRemote(ctx context.Context, node p2p.NodeID, p store.Partition, d demand, r store.Range) ([]store.Entry, error) {
	var reply readReply
	if err := s.ask(ctx, node, readRequest{Partition: p, Demand: d, Range: &r}, &reply); err != nil {
		return nil, err
	}
	return reply.entries()
}

func (s *Store) scanIndexRemote(ctx context.Context, sh *share, r store.IndexRange) ([]store.Entry, error) {
	var reply readReply
	request := readRequest{Index: &r, Wanted: sh.wanted, Needs: sh.needs}
	if err := s.ask(ctx, sh.node, request, &reply); err != nil {
		return nil, err
	}
	return reply.entries()
}

// writeRequest is a client's write that the receiver is to coordinate.
type writeRequest struct {
	Write      store.Write `cbor:"1,keyasint"`
	Demand     demand      `cbor:"2,keyasint"`
	Durability int         `cbor:"3,keyasint"`
	ID         string      `cbor:"4,keyasint,omitempty"`
}

type writeReply struct {
	Partition store.Partition `cbor:"1,keyasint"`
	Dot       []byte          `cbor:"2,keyasint"`
	Copies    int             `cbor:"3,keyasint"`
	TooFew    bool            `cbor:"4,keyasint"` // store.ErrDurability
	Exists    bool            `cbor:"5,keyasint"` // store.ErrExists
}

func (s *Store) handleWrite(ctx context.Context, from p2p.NodeID, request writeRequest) (reply writeReply, err error) {
	if len(request.ID) > store.MaxRequestID {
		return writeReply{}, errMalformed
	}
	defer func(began time.Time) { s.traceServed(ctx, "write", request.ID, from, began, err) }(time.Now())
	p, size, err := s.checkWrite(request.Write)
	if err != nil {
		return writeReply{}, err
	}
	receipt, err := s.writeHere(ctx, p, request.Write, size, request.Demand, request.Durability)
	reply = writeReply{
		Partition: p, Dot: causal.AppendDot(nil, receipt.Dot), Copies: receipt.Copies,
		TooFew: errors.Is(err, store.ErrDurability), Exists: errors.Is(err, store.ErrExists),
	}
	if reply.TooFew || reply.Exists {
		err = nil
	}
	return reply, err
}

func (s *Store) writeRemote(ctx context.Context, node p2p.NodeID, w store.Write, d demand, durability int) (store.Receipt, error) {
	var reply writeReply
	request := writeRequest{Write: w, Demand: d, Durability: durability, ID: store.RequestOf(ctx).Name()}
	ctx, cancel := context.WithTimeout(ctx, writeAttempt)
	defer cancel()
	protocol := s.protocolOf(w)
	if err := s.call(ctx, node, protocol, request, &reply); err != nil {
		if protocol != protoWrite && errors.Is(err, errNotServing) {
			err = store.ErrEarlierBuild
		}
		if errors.Is(err, p2p.ErrLost) || errors.Is(err, context.DeadlineExceeded) {
			// Another owner must not be tried: the row would be born twice, and a
			// removal that saw one birth would leave the other.
			err = store.ErrUncertain
		}
		return store.Receipt{}, err
	}
	dot, _, err := causal.ConsumeDot(reply.Dot)
	if err != nil {
		return store.Receipt{}, err
	}
	receipt := store.Receipt{Partition: reply.Partition, Dot: dot, Copies: reply.Copies}
	switch {
	case reply.TooFew:
		return receipt, store.ErrDurability
	case reply.Exists:
		return receipt, store.ErrExists
	}
	return receipt, nil
}

// protocolOf gives the protocol by which a write is handed to a coordinator. An earlier
// build would leave out Ends, and end what came since; and it would not derive what
// follows from rows of families that it does not know.
func (s *Store) protocolOf(w store.Write) string {
	for _, m := range w.Mutations {
		if m.Ends != nil || m.Op == store.Put && s.cfg.Recent(m.Key.Family) {
			return protoWrite2
		}
	}
	return protoWrite
}

// traceServed logs what was done for a peer, under the id of the client's request.
func (s *Store) traceServed(ctx context.Context, what, id string, from p2p.NodeID, began time.Time, err error) {
	if id == "" || !s.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	s.log.LogAttrs(ctx, slog.LevelDebug, "served a peer", slog.String("what", what), slog.String("request", id),
		slog.String("peer", from.Short()), slog.Duration("took", time.Since(began)), slog.Any("error", err))
}

func groupWithLimit(ctx context.Context, n int) (*errgroup.Group, context.Context) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(n)
	return group, ctx
}
