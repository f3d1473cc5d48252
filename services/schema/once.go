package schema

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"grapevine/services/social"
	"grapevine/store"
)

// A key is remembered for keyLife at least. Every sweepOdds-th act with a key looks
// at up to sweepRows remembered ones, from a random place, and removes the older:
// more than are added.
const (
	keyLife   = 48 * time.Hour
	sweepOdds = 16
	sweepRows = 64
)

// Once makes an act of a user happen once for an Idempotency-Key. The row of the key
// lies in the user's slot and is written together with what the act makes there, so
// that there is never one without the other. Where two nodes that could not reach
// each other took the same key, both acts stay: nobody can know of which the client
// was told.
type Once struct {
	Rows store.Rows
	Now  func() time.Time
	User string // who acts
	Key  string // the client's, not empty
}

func (o Once) row() store.Key { return Idempotency(o.User, o.Key) }

// Find gives the id of what the key was used for, if anything, and the context in
// which to read it. It asks a majority, because a client repeats itself just when a
// node has failed; where no majority can be reached, what is here decides.
func (o Once) Find(ctx context.Context) (id string, read context.Context, known bool, err error) {
	read = Majority(ctx)
	row, err := o.Rows.Get(read, o.row())
	if errors.Is(err, store.ErrUnavailable) {
		read = ctx
		row, err = o.Rows.Get(read, o.row())
	}
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrUnavailable) {
		return "", read, false, nil
	}
	if err != nil {
		return "", read, false, fmt.Errorf("read idempotency key: %w", err)
	}
	last, _ := row.Last()
	return string(last.Value), read, true, nil
}

// Remember makes a write in the user's slot, which makes the thing of the id, one
// that happens once for the key: another fails with store.ErrExists. Ids sort by
// time; that of an id says when the key may be forgotten.
func (o Once) Remember(ctx context.Context, w *store.Write, id string) error {
	row := o.row()
	w.Serial = true
	w.Mutations = append(w.Mutations, store.Mutation{Key: row, Op: store.Put, If: store.IfAbsent, Value: []byte(id)})
	if rand.N(sweepOdds) != 0 {
		return nil
	}
	// A fresh hash is a random place: neighbours of this key's are as good as any.
	near, err := o.Rows.Scan(ctx, Of(FamilyIdempotency, o.User, Other(row), false, sweepRows))
	if errors.Is(err, store.ErrUnavailable) {
		return nil // another act will look
	}
	if err != nil {
		return fmt.Errorf("read idempotency keys: %w", err)
	}
	for _, e := range near {
		if last, ok := e.Row.Last(); ok && o.Now().Sub(social.TimeOf(string(last.Value))) > keyLife {
			w.Mutations = append(w.Mutations, store.Mutation{Key: e.Key, Op: store.Remove})
		}
	}
	return nil
}

// Renew makes a repeated request a write like the first: it waits for as many copies
// as its client asks for, and its session sees, on any node, what the first made.
// The births of the row stay as they are, since the latest names that.
func (o Once) Renew(ctx context.Context) error {
	_, err := o.Rows.Write(ctx, store.Write{Serial: true, Mutations: []store.Mutation{{
		Key: o.row(), Op: store.Update, If: store.IfExists,
		Fields: []store.FieldValue{{ID: FieldRepeated, Value: []byte{1}}},
	}}})
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("%w: %w", store.ErrBehind, err) // it was read just now
	}
	if err != nil {
		return fmt.Errorf("renew idempotency key: %w", err)
	}
	return nil
}
