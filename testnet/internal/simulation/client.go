package simulation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/store"
)

const (
	// family is one that no service knows.
	family    store.Family = 200
	fieldID   uint8        = 1
	counterID uint8        = 1

	// callTime bounds a client's call; a node that has not answered after
	// hangTime more has hung.
	callTime = 10 * time.Second
	hangTime = time.Minute

	queueLen  = 1024 // acts that may wait for a client
	bulkBytes = 100 << 10
)

// key is the key of a row of a schedule. The rows lie in three of the eight
// partitions.
func key(row int) store.Key {
	return store.Key{Slot: store.Slot(row%3<<14 | row), Family: family, Sort: fmt.Sprint("row-", row)}
}

// session is a client that does one thing after another and hands back the token
// that it was given.
type session struct {
	w     *world
	name  string
	queue chan func()
	token string
	own   []own
}

// own is a row that the session has written to, and the write.
type own struct {
	key  store.Key
	seen store.Seen
}

func newSession(w *world, number int) *session {
	s := &session{w: w, name: fmt.Sprint("session ", number), queue: make(chan func(), queueLen)}
	w.clients.Go(func() {
		for act := range s.queue {
			act()
		}
	})
	return s
}

func (w *world) session(a Act) *session { return w.sessions[(max(a.Session, 1)-1)%len(w.sessions)] }

func (w *world) put(a Act) {
	m := store.Mutation{Key: key(a.Row), Op: store.Put, Value: w.value()}
	w.write(a, m, false)
}

// bulk writes a row so large that few of them fill a message.
func (w *world) bulk(a Act) {
	value := append(w.value(), bytes.Repeat([]byte{'.'}, bulkBytes)...)
	w.write(a, store.Mutation{Key: key(a.Row), Op: store.Put, Value: value}, false)
}

// flash puts a row on one node and removes it on another, as soon as can be: the
// removal may be anywhere before the birth is.
func (w *world) flash(a Act) {
	k, value := key(a.Row), w.value()
	s := w.session(a)
	s.queue <- func() {
		a.N = 1
		s.write(a, store.Mutation{Key: k, Op: store.Put, Value: value}, false)
		a.Node = a.Peer
		s.write(a, store.Mutation{Key: k, Op: store.Remove}, false)
	}
}

func (w *world) claim(a Act) {
	m := store.Mutation{Key: key(a.Row), Op: store.Put, If: store.IfAbsent, Value: w.value()}
	w.write(a, m, true)
}

func (w *world) edit(a Act) {
	m := store.Mutation{Key: key(a.Row), Op: store.Update, Fields: []store.FieldValue{{ID: fieldID, Value: w.value()}}}
	w.write(a, m, false)
}

func (w *world) remove(a Act) {
	w.write(a, store.Mutation{Key: key(a.Row), Op: store.Remove}, false)
}

func (w *world) count(a Act) {
	m := store.Mutation{Key: key(a.Row), Op: store.Add, Counts: []store.CountDelta{{ID: counterID, N: 1 + int64(a.Session)}}}
	w.write(a, m, false)
}

// value gives a value that no other write has.
func (w *world) value() []byte {
	w.values++
	return fmt.Append(nil, "value-", w.values)
}

func (w *world) write(a Act, m store.Mutation, serial bool) {
	s := w.session(a)
	s.queue <- func() { s.write(a, m, serial) }
}

func (w *world) read(a Act)   { s := w.session(a); s.queue <- func() { s.read(a, store.One) } }
func (w *world) quorum(a Act) { s := w.session(a); s.queue <- func() { s.read(a, store.Quorum) } }

// call runs a call of a session on a node, and gives false when the node was down
// or went down meanwhile: nobody got the reply.
func (s *session) call(a Act, request *store.Request, what string, do func(context.Context, store.Rows) error) (bool, error) {
	n, life := s.w.peer(a.Node).running()
	if n == nil {
		return false, nil
	}
	if err := request.Resume(s.token); s.token != "" && err != nil {
		s.w.trace.fail(SessionMonotonic, "%s: its token is refused: %v", s.name, err)
	}
	ctx, cancel := context.WithTimeout(store.WithRequest(context.Background(), request), callTime)
	defer cancel()
	hung := time.AfterFunc(callTime+hangTime, func() {
		s.w.trace.fail(Terminates, "%s: %s on %s has hung", s.name, what, n.ID())
	})
	defer hung.Stop()
	err := do(ctx, n.Store())
	if life.Err() != nil {
		return false, nil
	}
	s.token = request.Token()
	return true, err
}

func (s *session) write(a Act, m store.Mutation, serial bool) {
	l := s.w.ledger
	for _, c := range m.Counts {
		l.attempt(m.Key, c.N)
	}
	request := &store.Request{Durability: a.N}
	losses := l.now()
	var receipt store.Receipt
	replied, err := s.call(a, request, "a write", func(ctx context.Context, rows store.Rows) (err error) {
		receipt, err = rows.Write(ctx, store.Write{Mutations: []store.Mutation{m}, Serial: serial})
		return err
	})
	seen := store.Seen{Partition: receipt.Partition, Dot: receipt.Dot}
	s.w.trace.event("  %s wrote %s: %v on %d copies, replied %v, error %v", s.name, m.Key.Sort, receipt.Dot, receipt.Copies, replied, err)
	stands := err == nil || errors.Is(err, store.ErrDurability) || errors.Is(err, store.ErrExists)
	if !replied || !stands || receipt.Dot.IsZero() {
		return
	}
	s.acknowledged(m, seen, promise{receipt.Copies, losses})
}

// acknowledged enters what a reply has promised.
func (s *session) acknowledged(m store.Mutation, seen store.Seen, p promise) {
	l := s.w.ledger
	if !l.promised(seen, p) {
		s.w.trace.fail(RowsEqualModel, "%s was told of a write %v that nobody made", s.name, seen.Dot)
	}
	for _, c := range m.Counts {
		l.increment(seen, m.Key, c.N)
	}
	s.own = append(s.own, own{m.Key, seen})
}

func (s *session) read(a Act, consistency store.Consistency) {
	k := key(a.Row)
	request := &store.Request{Consistency: consistency}
	var row crdt.Row
	replied, err := s.call(a, request, "a read", func(ctx context.Context, rows store.Rows) error {
		found, err := rows.GetMany(ctx, []store.Key{k})
		if err == nil {
			row = found[0]
		}
		return err
	})
	s.w.trace.event("  %s read %s: %s, replied %v, error %v", s.name, k.Sort, describe(row), replied, err)
	if !replied || err != nil {
		return
	}
	for _, o := range s.own {
		if o.key == k && named(request.Needs(o.seen.Partition), o.seen.Dot) {
			s.compare(o, row)
		}
	}
}

// named says whether the needs of a session include a write.
func named(needs []store.Need, d causal.Dot) bool {
	return slices.ContainsFunc(needs, func(n store.Need) bool {
		return n.Replica == d.Replica && n.First <= d.Seq && d.Seq <= n.Last
	})
}

// compare looks for a write of the session's own in what it reads.
func (s *session) compare(o own, row crdt.Row) {
	wrote, sure := s.w.ledger.changed(o.seen, o.key)
	if !sure {
		return
	}
	wrong := func(what string, d causal.Dot) {
		s.w.trace.fail(SessionMonotonic, "%s reads %s as %s: its own write %v, %s %v", s.name, o.key.Sort, describe(row), o.seen.Dot, what, d)
	}
	for _, b := range wrote.Births {
		if ended, _ := s.w.ledger.ended(o.key, b.Dot); !ended && birth(row, b.Dot) == nil {
			wrong("is missing the birth", b.Dot)
		}
	}
	for _, d := range wrote.Removed {
		if birth(row, d) != nil {
			wrong("had ended the birth", d)
		}
	}
	for _, f := range wrote.Fields {
		if found := field(row, f.ID, f.Birth); birth(row, f.Birth) != nil && (found == nil || older(*found, f)) {
			wrong("is later than the field under birth", f.Birth)
		}
	}
	for _, c := range wrote.Cells {
		if found := cell(row, c); birth(row, c.Birth) != nil && (found == nil || found.Seq < c.Seq) {
			wrong("is not counted under birth", c.Birth)
		}
	}
}

// describe writes a row for people.
func describe(r crdt.Row) string {
	var parts []string
	for _, b := range r.Births {
		parts = append(parts, fmt.Sprintf("%v=%.12s", b.Dot, b.Value))
	}
	for _, f := range r.Fields {
		parts = append(parts, fmt.Sprintf("field %v=%s", f.Dot, f.Value))
	}
	if len(r.Cells) > 0 {
		parts = append(parts, fmt.Sprint("count ", r.Counter(counterID)))
	}
	if len(parts) == 0 {
		return "absent"
	}
	return fmt.Sprint(parts)
}
