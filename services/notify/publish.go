package notify

import (
	"context"
	"errors"
	"fmt"
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
	once := schema.Once{Rows: s.rows, Now: s.now, User: m.Author, Key: "message\x00" + n.Key} // posts have keys of their own
	switch first, known, err := s.claimed(ctx, once); {
	case err != nil:
		return m, err
	case known:
		return first, once.Renew(ctx)
	}
	write := store.Write{Mutations: []store.Mutation{put}}
	if err := once.Remember(ctx, &write, m.ID); err != nil {
		return m, err
	}
	if err = s.write(ctx, write); errors.Is(err, store.ErrExists) {
		return s.overtaken(ctx, once)
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

// claimed gives the message that a key was used for, if any.
func (s *Service) claimed(ctx context.Context, once schema.Once) (m social.ChannelMessage, known bool, err error) {
	id, read, known, err := once.Find(ctx)
	if err != nil || !known {
		return m, false, err
	}
	row, err := s.rows.Get(read, schema.Published(once.User, id))
	if errors.Is(err, store.ErrNotFound) {
		return m, false, social.Errorf(social.Conflict, "the message published with this Idempotency-Key is gone")
	}
	if err != nil {
		return m, false, fmt.Errorf("read message %s: %w", id, err)
	}
	m, err = schema.DecodePublished(once.User, id, row)
	return m, err == nil, err
}

// overtaken gives the message of another request with the key, which came first by a
// moment.
func (s *Service) overtaken(ctx context.Context, once schema.Once) (social.ChannelMessage, error) {
	if err := once.Renew(ctx); err != nil {
		return social.ChannelMessage{}, err
	}
	m, known, err := s.claimed(ctx, once)
	if err == nil && !known {
		err = fmt.Errorf("message of a claimed key: %w", store.ErrBehind)
	}
	return m, err
}
