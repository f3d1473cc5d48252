package schema

import (
	"fmt"

	"grapevine/crdt"
	"grapevine/services/social"
)

type publishedRecord struct {
	_       struct{} `cbor:",toarray"`
	Version uint8
	Channel string
	Text    string
}

type messageRecord struct {
	_       struct{} `cbor:",toarray"`
	Version uint8
	Author  string
	Text    string
}

// EncodePublished gives the value of the row of a message in its author's slot.
func EncodePublished(m social.ChannelMessage) []byte {
	return encode(publishedRecord{Version: publishedVersion, Channel: m.Channel, Text: m.Message})
}

// DecodePublished reads the row of a message in its author's slot.
func DecodePublished(author, id string, row crdt.Row) (social.ChannelMessage, error) {
	value, err := birthValue(row)
	if err != nil {
		return social.ChannelMessage{}, err
	}
	var rec publishedRecord
	if err := decode(value, &rec, &rec.Version, publishedVersion); err != nil {
		return social.ChannelMessage{}, fmt.Errorf("published message %s: %w", id, err)
	}
	return social.ChannelMessage{ID: id, Channel: rec.Channel, Author: author, Message: rec.Text, CreatedAt: social.TimeOf(id)}, nil
}

// EncodeMessage gives the value of the row of a message in its channel.
func EncodeMessage(m social.ChannelMessage) []byte {
	return encode(messageRecord{Version: messageVersion, Author: m.Author, Text: m.Message})
}

// DecodeMessage reads the row of a message in its channel.
func DecodeMessage(channel, id string, row crdt.Row) (social.ChannelMessage, error) {
	value, err := birthValue(row)
	if err != nil {
		return social.ChannelMessage{}, err
	}
	var rec messageRecord
	if err := decode(value, &rec, &rec.Version, messageVersion); err != nil {
		return social.ChannelMessage{}, fmt.Errorf("message %s: %w", id, err)
	}
	return social.ChannelMessage{ID: id, Channel: channel, Author: rec.Author, Message: rec.Text, CreatedAt: social.TimeOf(id)}, nil
}
