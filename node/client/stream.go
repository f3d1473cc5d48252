package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// HeaderLastEventID says where a stream is to go on.
const HeaderLastEventID = "Last-Event-ID"

// StreamEvent is one event of a stream. ID, when not empty, is where to go on after
// it. Data is the item of a post, notification or message, and for the other events
// an object that says more.
type StreamEvent struct {
	ID      string          `json:"id,omitempty"`
	Event   string          `json:"event"`
	Channel string          `json:"channel,omitempty"`
	Data    json.RawMessage `json:"data"`
}

// StreamClosed is the data of the event closed. Reason is token or draining.
type StreamClosed struct {
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

// maxEvent bounds the bytes of a line of a stream.
const maxEvent = 1 << 20

// Stream calls take for each event of the channels until ctx ends, take fails, or the
// node ends the stream, which is io.EOF. After, when not empty, is the ID of the last
// event that was taken, from any node; ctx bounds the whole stream.
func (c *Client) Stream(ctx context.Context, channels []string, after string, take func(StreamEvent) error) error {
	query := url.Values{"channels": {strings.Join(channels, ",")}}
	if after != "" {
		query.Set("last_event_id", after)
	}
	resp, err := c.stream(ctx, http.MethodGet, "/v1/stream?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxEvent)
	var e StreamEvent
	for lines.Scan() {
		name, value, _ := bytes.Cut(lines.Bytes(), []byte(": "))
		switch string(name) {
		case "id":
			e.ID = string(value)
		case "event":
			e.Event = string(value)
		case "data":
			e.Data = bytes.Clone(value)
		case "":
			if err := e.deliver(take); err != nil {
				return err
			}
			e = StreamEvent{}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("client: reading a stream: %w", err)
	}
	return io.EOF
}

// deliver passes an event on, once it has one: a comment has none.
func (e StreamEvent) deliver(take func(StreamEvent) error) error {
	if e.Event == "" {
		return nil
	}
	var of struct {
		Channel string `json:"channel"`
	}
	if err := json.Unmarshal(e.Data, &of); err != nil {
		return errors.Join(errors.New("client: malformed event"), err)
	}
	if e.Channel = of.Channel; e.Event == "message" {
		e.Channel = "channel:" + of.Channel
	}
	return take(e)
}
