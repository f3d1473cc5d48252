package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

func channelOf(name string) (string, error) {
	folded := social.FoldChannel(name)
	if folded == "" {
		return "", social.InvalidField("channel", "must be 1 to %d of a-z, 0-9, point, - and _", social.MaxChannel)
	}
	return folded, nil
}

// History lists the messages of a channel that the viewer may see, newest first: those
// of the last social.ChannelHistory that are among the newest social.MaxChannelHistory.
// Messages of accounts that the viewer mutes, or with a block between the two, are left
// out.
func (s *Service) History(ctx context.Context, viewer social.Identity, channel string, cut social.Cut) (social.Page[social.ChannelMessage], error) {
	if err := loggedIn(viewer, "read channels"); err != nil {
		return social.Page[social.ChannelMessage]{}, err
	}
	channel, err := channelOf(channel)
	if err != nil {
		return social.Page[social.ChannelMessage]{}, err
	}
	rows := map[string]crdt.Row{}
	return schema.Timeline[social.ChannelMessage]{
		Scan: func(ctx context.Context, after string, older bool, limit int) ([]string, error) {
			entries, err := s.rows.Scan(ctx, schema.InChannel(channel, after, older, limit))
			if err != nil {
				return nil, fmt.Errorf("read channel %s: %w", channel, err)
			}
			for _, e := range entries {
				rows[schema.Other(e.Key)] = e.Row
			}
			return schema.Others(entries), nil
		},
		Load: func(ctx context.Context, ids []string) ([]social.ChannelMessage, error) {
			return s.messages(ctx, viewer, channel, ids, func(i int) crdt.Row { return rows[ids[i]] })
		},
		Hidden: func(m social.ChannelMessage) bool { return m.ID == "" },
		Since:  s.now().Add(-social.ChannelHistory),
	}.Page(ctx, cut)
}

// Messages gives messages of a channel as the JSON of social.ChannelMessage, in a slice
// as long as ids: nil stands for one that is gone or that the viewer does not see.
func (s *Service) Messages(ctx context.Context, viewer social.Identity, channel string, ids []string) ([]json.RawMessage, error) {
	if err := loggedIn(viewer, "read channels"); err != nil {
		return nil, err
	}
	channel, err := channelOf(channel)
	if err != nil {
		return nil, err
	}
	keys := make([]store.Key, len(ids))
	for i, id := range ids {
		keys[i] = schema.ChannelMessage(channel, id)
	}
	rows, err := s.rows.GetMany(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read %d messages of channel %s: %w", len(ids), channel, err)
	}
	found, err := s.messages(ctx, viewer, channel, ids, func(i int) crdt.Row { return rows[i] })
	if err != nil {
		return nil, err
	}
	return encodeEach(ids, found, func(m social.ChannelMessage) string { return m.ID })
}

// messages gives what a viewer sees of messages, in a slice as long as ids: the zero
// message for one that is gone or not to be shown.
func (s *Service) messages(ctx context.Context, viewer social.Identity, channel string, ids []string, row func(i int) crdt.Row) ([]social.ChannelMessage, error) {
	found := make([]social.ChannelMessage, len(ids))
	var authors []string
	oldest := s.now().Add(-social.ChannelHistory)
	for i, id := range ids {
		if r := row(i); r.Exists() && !social.TimeOf(id).Before(oldest) {
			m, err := schema.DecodeMessage(channel, id, r)
			if err != nil {
				return nil, err
			}
			found[i] = m
			if !slices.Contains(authors, m.Author) {
				authors = append(authors, m.Author)
			}
		}
	}
	hidden, err := s.hidden(ctx, viewer, authors)
	if err != nil {
		return nil, err
	}
	for i, m := range found {
		if hidden(m.Author) {
			found[i] = social.ChannelMessage{}
		}
	}
	return found, nil
}
