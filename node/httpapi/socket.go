package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/coder/websocket"

	"grapevine/node/client"
	"grapevine/services/live"
)

// socket is a WebSocket that events are written to. What the client sends is not
// looked at.
type socket struct {
	conn *websocket.Conn
	gone context.Context // ends with the connection
}

// wantsUpgrade says whether a request asks for a WebSocket.
func wantsUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// newSocket accepts a WebSocket.
func newSocket(x *exchange) (*socket, error) {
	if f := checkHandshake(x.r); f != nil {
		return nil, f
	}
	// Pages of any origin may connect: what lets them in is a token that they hold,
	// never one that the browser adds.
	conn, err := websocket.Accept(x, x.r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return nil, fmt.Errorf("WebSocket: %w", err)
	}
	return &socket{conn: conn, gone: conn.CloseRead(x.client)}, nil
}

// checkHandshake names what is wrong with a handshake, for which the library has only
// text.
func checkHandshake(r *http.Request) *fault {
	key, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-WebSocket-Key"))
	connection := strings.ToLower(strings.Join(r.Header.Values("Connection"), ","))
	switch {
	case r.Method != http.MethodGet || !r.ProtoAtLeast(1, 1):
		return newFault(badRequest, "Upgrade", "a WebSocket begins with GET of HTTP/1.1")
	case !strings.Contains(connection, "upgrade"):
		return newFault(badRequest, "Connection", "must be Upgrade to begin a WebSocket")
	case r.Header.Get("Sec-WebSocket-Version") != "13":
		return newFault(badRequest, "Sec-WebSocket-Version", "must be 13")
	case err != nil || len(key) != 16:
		return newFault(badRequest, "Sec-WebSocket-Key", "must be 16 bytes in base64")
	}
	return nil
}

func (s *socket) done() context.Context { return s.gone }

func (s *socket) write(events []live.Event) error {
	for _, e := range events {
		frame, err := json.Marshal(client.StreamEvent{ID: e.ID, Event: string(e.Kind), Channel: e.Channel, Data: e.Data})
		if err != nil {
			return err
		}
		if err := s.bounded(func(ctx context.Context) error { return s.conn.Write(ctx, websocket.MessageText, frame) }); err != nil {
			return err
		}
	}
	return nil
}

// beat asks for a pong, which tells of a client that is gone without a word.
func (s *socket) beat() error { return s.bounded(s.conn.Ping) }

func (s *socket) bounded(do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(s.gone, stall)
	defer cancel()
	return do(ctx)
}

func (s *socket) close(reason string) {
	switch reason {
	case "":
		_ = s.conn.CloseNow() // the client is gone
	case "token":
		_ = s.conn.Close(websocket.StatusPolicyViolation, reason)
	default:
		_ = s.conn.Close(websocket.StatusGoingAway, reason)
	}
}
