package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"grapevine/node/client"
	"grapevine/services/live"
	"grapevine/services/social"
	"grapevine/store"
)

// Live opens streams, which tell at once what comes to the lists that clients read.
// Its errors are live.ErrCursor and social.Errors.
type Live interface {
	Open(ctx context.Context, who social.Identity, channels []string, after string) (Stream, error)
}

// Stream is a client's. Next fails with live.ErrDraining when the node stops, and with
// ctx's error when that ends first; the stream can go on after.
type Stream interface {
	Next(ctx context.Context) ([]live.Event, error)
	Close()
}

const (
	streamPath = "/v1/stream"
	// heartbeat is between signs of life, at which the token is looked at again too.
	heartbeat = 15 * time.Second
)

const streamText = "`text/event-stream`, or, when the request asks to upgrade to WebSocket, text frames of JSON {id,event,channel,data} with the same. " +
	"The events are `open`, first, with the channels; `post`, `notification` and `message` with the item as its own list has it; " +
	"`gap`, when the client was too far behind to be told all: items of the channel that are older than `before` were left out, and the pages of its list have them; " +
	"and `closed`, last, with a `reason`: `token` when the token is valid no more, `draining` when the node is stopped, and any other node goes on. " +
	"In the data of server-sent events an item has its `channel` among its members; a message has the name of its own there. A comment comes every 15 s. " +
	"Some events have an `id`. Sent back as `Last-Event-ID`, to any node, it brings what came since; items can come twice, so leave out those whose `id` you had: " +
	"above all what came behind the last event that has an `id`. " +
	"A client that takes nothing for 30 s is cut off."

// streamRoutes are not of huma, and have neither the time nor the places of other
// requests.
func (a *api) streamRoutes() {
	text := &huma.Schema{Type: huma.TypeString}
	a.stream(visitor, a.live, huma.Operation{
		OperationID: "stream", Method: http.MethodGet, Path: streamPath, Tags: []string{"timelines"},
		Summary: "Be told at once what comes to timelines, notifications and channels", Description: streamText,
		Parameters: []*huma.Param{
			{Name: "channels", In: "query", Required: true, Schema: text, Description: fmt.Sprintf("1 to %d of home, notifications, public, tag:NAME and channel:NAME, separated by commas. Public and tag need no token.", live.MaxChannels)},
			{Name: "last_event_id", In: "query", Schema: text, Description: "The same as Last-Event-ID, for clients that cannot set headers."},
			{Name: "access_token", In: "query", Schema: text, Description: "The token, for clients that cannot set headers."},
			{Name: client.HeaderLastEventID, In: "header", Schema: text, Description: "The id of the last event that was taken, of any node."},
		},
		Responses: map[string]*huma.Response{
			"200": {Description: "Events until the client ends it.", Content: map[string]*huma.MediaType{eventStream: {}}},
		},
	})
}

const eventStream = "text/event-stream"

// takeToken lets a stream's token come in its query. Nothing logs a query.
func takeToken(r *http.Request) {
	if r.URL.Path != streamPath || r.Header.Get("Authorization") != "" || !strings.Contains(r.URL.RawQuery, "access_token=") {
		return
	}
	if token := r.URL.Query().Get("access_token"); token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
}

// live serves a stream.
func (a *api) live(x *exchange) error {
	query := x.r.URL.Query()
	after := x.r.Header.Get(client.HeaderLastEventID)
	if after == "" {
		after = query.Get("last_event_id")
	}
	s, err := a.Live.Open(x.r.Context(), x.who, strings.Split(query.Get("channels"), ","), after)
	if errors.Is(err, live.ErrCursor) {
		return newFault(badRequest, client.HeaderLastEventID, "no node gave an event this id; send that of the last event, or none to begin anew")
	}
	if err != nil {
		return err
	}
	defer s.Close()
	if x.r.Method == http.MethodHead {
		x.Header().Set("Content-Type", eventStream)
		return nil
	}
	var out wire = newEventWriter(x)
	if wantsUpgrade(x.r) {
		if out, err = newSocket(x); err != nil {
			return err
		}
	}
	return x.pass(s, out)
}

// wire takes events to a client. Each call fails when the client takes nothing for
// the time of a stall.
type wire interface {
	write(events []live.Event) error
	beat() error
	// done ends when the client has gone away.
	done() context.Context
	close(reason string)
}

// pass gives on what a stream tells until either end is gone. A client that does not
// take it is no fault of the node's.
func (x *exchange) pass(s Stream, out wire) error {
	// What the reads of a stream must see is told by what wakes it.
	ctx := store.WithRequest(out.done(), nil)
	for next := time.Now().Add(heartbeat); ; {
		events, err := nextBefore(ctx, s, next)
		switch {
		case ctx.Err() != nil:
			out.close("")
			return nil
		case errors.Is(err, live.ErrDraining):
			return x.end(out, "draining", "the node is being stopped; go on at another")
		case err != nil && !errors.Is(err, context.DeadlineExceeded):
			return err
		}
		if len(events) > 0 {
			err = out.write(events)
		} else if err = nil; !time.Now().Before(next) {
			next = time.Now().Add(heartbeat)
			if !x.stillKnown(ctx) {
				return x.end(out, "token", "the token is valid no more; log in again")
			}
			err = out.beat()
		}
		if err != nil {
			x.api.Log.Debug("a stream's client takes no more", "request", x.id, "error", err)
			out.close("")
			return nil
		}
	}
}

func nextBefore(ctx context.Context, s Stream, at time.Time) ([]live.Event, error) {
	ctx, cancel := context.WithDeadline(ctx, at)
	defer cancel()
	return s.Next(ctx)
}

// stillKnown looks at the token again. What cannot be looked up now is let be.
func (x *exchange) stillKnown(ctx context.Context) bool {
	if x.who.Anonymous() {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, x.api.Timeout)
	defer cancel()
	_, token, _ := strings.Cut(x.r.Header.Get("Authorization"), " ")
	_, err := x.api.Users.Authenticate(ctx, strings.TrimSpace(token))
	return social.KindOf(err) != social.Unauthenticated
}

// end tells the client why its stream ends.
func (x *exchange) end(out wire, reason, detail string) error {
	data, err := json.Marshal(client.StreamClosed{Reason: reason, Detail: detail})
	if err != nil {
		return err
	}
	if err := out.write([]live.Event{{Kind: live.KindClosed, Data: data}}); err != nil {
		x.api.Log.Debug("a stream's client could not be told of its end", "request", x.id, "error", err)
	}
	out.close(reason)
	return nil
}

// eventWriter writes server-sent events.
type eventWriter struct {
	x          *exchange
	connection *http.ResponseController
}

func newEventWriter(x *exchange) *eventWriter {
	return &eventWriter{x, http.NewResponseController(x.ResponseWriter)}
}

func (w *eventWriter) done() context.Context { return w.x.client }

func (w *eventWriter) close(string) {}

func (w *eventWriter) beat() error { return w.send([]byte(":\n\n")) }

func (w *eventWriter) write(events []live.Event) error {
	if w.x.status == 0 {
		h := w.x.Header()
		h.Set("Content-Type", eventStream)
		h.Set("X-Accel-Buffering", "no") // a proxy that gathers would hold events back
	}
	var b []byte
	for _, e := range events {
		b = appendEvent(b, e)
	}
	return w.send(b)
}

func (w *eventWriter) send(b []byte) error {
	// A ResponseWriter without deadlines is not one of net/http's server.
	_ = w.connection.SetWriteDeadline(time.Now().Add(stall))
	if _, err := w.x.Write(b); err != nil {
		return err
	}
	err := w.connection.Flush()
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// appendEvent adds an event in the format of server-sent events. JSON as Go encodes it
// has no line breaks.
func appendEvent(b []byte, e live.Event) []byte {
	if e.ID != "" {
		b = append(append(append(b, "id: "...), e.ID...), '\n')
	}
	b = append(append(append(b, "event: "...), e.Kind...), "\ndata: "...)
	if e.Channel == "" || e.Kind == live.KindMessage || len(e.Data) < 3 {
		return append(append(b, e.Data...), "\n\n"...)
	}
	b = append(append(b, `{"channel":`...), quoted(e.Channel)...)
	b = append(append(b, ','), e.Data[1:]...)
	return append(b, "\n\n"...)
}

func quoted(s string) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string
	}
	return b
}
