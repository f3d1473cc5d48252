// Package client is the typed Go client of a Grapevine node's HTTP API, and the
// home of the JSON types of that API which are not words of the domain
// (services/social). The server, node/httpapi, is written with the same types.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"grapevine/store"
)

// Names of the API's own headers.
const (
	HeaderSession     = "Grapevine-Session" // session token: read your own writes on any node
	HeaderCopies      = "Grapevine-Copies"  // durable copies of a write when it was acknowledged
	HeaderIdempotency = "Idempotency-Key"   // makes a retried POST safe
	HeaderRequestID   = "X-Request-Id"      // names a request in the node's log
)

// maxReply bounds the bytes of a reply that the client reads.
const maxReply = 64 << 20

// Client speaks to one node. It is safe for concurrent use. It keeps the session
// token of every reply and sends it back, so that it reads its own writes.
type Client struct {
	base        string
	http        *http.Client
	token       string
	durability  string
	consistency string
	session     *session
}

// session is shared by the clients that With derives from one another.
type session struct {
	mu    sync.Mutex
	token string
}

// Option sets up a Client.
type Option func(*Client)

// WithToken acts for the account of a token from SignUp or LogIn, or, with the
// operator token, for the operator.
func WithToken(token string) Option { return func(c *Client) { c.token = token } }

// WithHTTPClient replaces the HTTP client and its connections.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// WithDurability asks for "1", "2", "3" or "all" durable copies of each write.
func WithDurability(copies string) Option { return func(c *Client) { c.durability = copies } }

// WithConsistency asks for reads of "one" owner or a "quorum".
func WithConsistency(level string) Option { return func(c *Client) { c.consistency = level } }

// WithSession starts from a session token got elsewhere, sharing it with no
// other client.
func WithSession(token string) Option {
	return func(c *Client) { c.session = &session{token: token} }
}

// New makes a client of the node at baseURL, such as http://127.0.0.1:7400. A
// malformed URL is reported by the first call.
func New(baseURL string, opts ...Option) *Client {
	c := &Client{
		base:    strings.TrimRight(baseURL, "/"),
		http:    &http.Client{Transport: newTransport(), Timeout: 30 * time.Second},
		session: &session{},
	}
	return c.With(opts...)
}

// With gives a copy of the client with options applied. Both share connections
// and, unless WithSession is among the options, the session.
func (c *Client) With(opts ...Option) *Client {
	derived := *c
	for _, o := range opts {
		o(&derived)
	}
	return &derived
}

// newTransport allows a few hundred idle connections to the one host that a
// client speaks to; the default of two makes a busy client dial for most
// requests.
func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns = 256
	t.MaxIdleConnsPerHost = 256
	t.ForceAttemptHTTP2 = false
	return t
}

// Base is the URL of the node.
func (c *Client) Base() string { return c.base }

// Session gives the token that names the writes this client has made.
func (c *Client) Session() string {
	c.session.mu.Lock()
	defer c.session.mu.Unlock()
	return c.session.token
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Reply tells what a reply's headers said.
type Reply struct {
	Status    int
	Copies    int // durable copies of a write, 0 when the reply named none
	Session   string
	RequestID string
}

type replyKey struct{}

// Capture returns a context under which a call notes its reply's headers in r,
// also when the call fails with a *Problem.
func Capture(ctx context.Context, r *Reply) context.Context {
	return context.WithValue(ctx, replyKey{}, r)
}

// call sends a request with an optional JSON body and reads the JSON reply into
// out, when out is not nil.
func (c *Client) call(ctx context.Context, method, path string, in, out any, header ...string) error {
	req, err := c.request(ctx, method, path, in)
	if err != nil {
		return err
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i+1] != "" {
			req.Header.Set(header[i], header[i+1])
		}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err // a *url.Error, which names method and URL
	}
	defer resp.Body.Close()
	c.note(ctx, resp)
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return fmt.Errorf("client: reading reply of %s %s: %w", method, path, err)
	}
	if resp.StatusCode >= 400 {
		return parseProblem(resp, body)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("client: reply of %s %s: %w", method, path, err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, method, path string, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("client: encoding request: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if s := c.Session(); s != "" {
		req.Header.Set(HeaderSession, s)
	}
	c.prefer(req)
	return req, nil
}

// prefer adds the query parameters that override the node's defaults.
func (c *Client) prefer(req *http.Request) {
	if c.durability == "" && c.consistency == "" {
		return
	}
	q := req.URL.Query()
	if c.durability != "" {
		q.Set("durability", c.durability)
	}
	if c.consistency != "" {
		q.Set("consistency", c.consistency)
	}
	req.URL.RawQuery = q.Encode()
}

// note keeps the reply's session token and fills the Reply of Capture.
func (c *Client) note(ctx context.Context, resp *http.Response) {
	token := resp.Header.Get(HeaderSession)
	if token != "" {
		c.session.merge(token)
	}
	if r, ok := ctx.Value(replyKey{}).(*Reply); ok {
		copies, err := strconv.Atoi(resp.Header.Get(HeaderCopies))
		if err != nil {
			copies = 0
		}
		*r = Reply{
			Status: resp.StatusCode, Copies: copies, Session: token,
			RequestID: resp.Header.Get(HeaderRequestID),
		}
	}
}

// merge joins the token of a reply with what is held, since the reply of a
// concurrent request need not name the writes of this one. A token that does not
// parse replaces what is held: the server knows best what it issues.
func (s *session) merge(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == "" || s.token == token {
		s.token = token
		return
	}
	var both store.Request
	if both.Resume(s.token) != nil || both.Resume(token) != nil {
		s.token = token
		return
	}
	s.token = both.Token()
}
