package notify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
	"unicode/utf8"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// Publish says something in a channel as who. It is in the channel a moment later.
// With a Key it gives the first message that who published with that key, if any.
func (s *Service) Publish(ctx context.Context, who social.Identity, n social.NewChannelMessage) (social.ChannelMessage, error) {
	m, err := s.compose(who, n)
	if err != nil {
		return m, err
	}
	put := store.Mutation{Key: schema.Published(m.Author, m.ID), Op: store.Put, Value: schema.EncodePublished(m)}
	if n.Key == "" {
		return m, s.write(ctx, store.Write{Mutations: []store.Mutation{put}})
	}
	claim := schema.Idempotency(m.Author, "message\x00"+n.Key) // posts have keys of their own
	switch first, known, err := s.claimed(ctx, m.Author, claim); {
	case err != nil:
		return m, err
	case known:
		return first, s.renew(ctx, claim)
	}
	write := store.Write{Serial: true, Mutations: []store.Mutation{
		put, {Key: claim, Op: store.Put, If: store.IfAbsent, Value: []byte(m.ID)},
	}}
	if err := s.sweep(ctx, &write, claim); err != nil {
		return m, err
	}
	if err = s.write(ctx, write); errors.Is(err, store.ErrExists) {
		return s.overtaken(ctx, m.Author, claim)
	}
	return m, err
}

// compose makes the message, or says what is wrong with it.
func (s *Service) compose(who social.Identity, n social.NewChannelMessage) (social.ChannelMessage, error) {
	none := social.ChannelMessage{}
	if err := loggedIn(who, "publish to a channel"); err != nil {
		return none, err
	}
	channel, err := channelOf(n.Channel)
	switch {
	case err != nil:
		return none, err
	case len(n.Key) > social.MaxKey:
		return none, social.InvalidField("Idempotency-Key", "must have at most %d bytes", social.MaxKey)
	case !utf8.ValidString(n.Message):
		return none, social.InvalidField("message", "must be valid UTF-8")
	case len(n.Message) > social.MaxMessage:
		return none, social.InvalidField("message", "must have at most %d bytes, has %d", social.MaxMessage, len(n.Message))
	case strings.TrimSpace(n.Message) == "":
		return none, social.InvalidField("message", "must not be empty")
	}
	now := s.now()
	slot, _ := social.SlotOf(who.User)
	return social.ChannelMessage{
		ID: social.NewID(slot, now), Channel: channel, Author: who.User, Message: n.Message,
		CreatedAt: now.UTC().Truncate(time.Millisecond),
	}, nil
}

func (s *Service) write(ctx context.Context, w store.Write) error {
	if _, err := s.rows.Write(ctx, w); err != nil {
		return fmt.Errorf("publish a message: %w", err)
	}
	return nil
}

// claimed gives the message that a key was used for, if any. It asks a majority,
// because a client repeats itself just when a node has failed; where no majority can
// be reached, what is here decides.
func (s *Service) claimed(ctx context.Context, author string, claim store.Key) (m social.ChannelMessage, known bool, err error) {
	confirm := schema.Majority(ctx)
	row, err := s.rows.Get(confirm, claim)
	if errors.Is(err, store.ErrUnavailable) {
		confirm = ctx
		row, err = s.rows.Get(confirm, claim)
	}
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrUnavailable) {
		return m, false, nil
	}
	if err != nil {
		return m, false, fmt.Errorf("read idempotency key: %w", err)
	}
	last, _ := row.Last()
	id := string(last.Value)
	row, err = s.rows.Get(confirm, schema.Published(author, id))
	if errors.Is(err, store.ErrNotFound) {
		return m, false, social.Errorf(social.Conflict, "the message published with this Idempotency-Key is gone")
	}
	if err != nil {
		return m, false, fmt.Errorf("read message %s: %w", id, err)
	}
	m, err = schema.DecodePublished(author, id, row)
	return m, err == nil, err
}

// overtaken gives the message of another request with the key, which came first by a
// moment.
func (s *Service) overtaken(ctx context.Context, author string, claim store.Key) (social.ChannelMessage, error) {
	if err := s.renew(ctx, claim); err != nil {
		return social.ChannelMessage{}, err
	}
	m, known, err := s.claimed(ctx, author, claim)
	if err == nil && !known {
		err = fmt.Errorf("message of a claimed key: %w", store.ErrBehind)
	}
	return m, err
}

// renew makes a repeated request a write like the first: it waits for as many copies
// as its client asks for, and its session sees the message on any node.
func (s *Service) renew(ctx context.Context, claim store.Key) error {
	_, err := s.rows.Write(ctx, store.Write{Serial: true, Mutations: []store.Mutation{{
		Key: claim, Op: store.Update, If: store.IfExists,
		Fields: []store.FieldValue{{ID: schema.FieldRepeated, Value: []byte{1}}},
	}}})
	if errors.Is(err, store.ErrNotFound) {
		err = fmt.Errorf("%w: %w", store.ErrBehind, err) // read just now: the coordinator has not seen it
	}
	if err != nil {
		return fmt.Errorf("renew idempotency key: %w", err)
	}
	return nil
}

// A key is remembered for keyLife at least. Every sweepOdds-th message with a key
// looks at up to sweepRows remembered ones, from a random place, and removes the
// older: more than are added.
const (
	keyLife   = 48 * time.Hour
	sweepOdds = 16
	sweepRows = 64
)

func (s *Service) sweep(ctx context.Context, w *store.Write, claim store.Key) error {
	if rand.N(sweepOdds) != 0 {
		return nil
	}
	author, hash, _ := schema.Split(claim)
	near, err := s.rows.Scan(ctx, schema.Of(schema.FamilyIdempotency, author, hash, false, sweepRows))
	if errors.Is(err, store.ErrUnavailable) {
		return nil // another message will look
	}
	if err != nil {
		return fmt.Errorf("read idempotency keys: %w", err)
	}
	for _, e := range near {
		if last, ok := e.Row.Last(); ok && s.now().Sub(social.TimeOf(string(last.Value))) > keyLife {
			w.Mutations = append(w.Mutations, store.Mutation{Key: e.Key, Op: store.Remove})
		}
	}
	return nil
}
