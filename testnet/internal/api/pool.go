// Package api is the testnet's client of the public HTTP API. It is leaner than
// node/client, which keeps the session of one user against one node: here many
// users speak to many nodes over as many connections as there are workers, and
// a request that a node cannot serve goes to another.
package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// Request is one call. Body, when not nil, is sent as JSON. Key is the
// Idempotency-Key, Session a Grapevine-Session token.
type Request struct {
	Method, Path        string
	Token, Session, Key string
	Body                any
}

// Reply is a successful answer. Copies is 0 where the reply named none.
type Reply struct {
	Status  int
	Copies  int
	Session string
	Body    []byte
}

// StatusError is an answer outside 2xx.
type StatusError struct {
	Method, Path string
	Status       int
	Detail       string
	After        time.Duration // Retry-After, 0 when absent
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s %s: %d %s", e.Method, e.Path, e.Status, e.Detail)
}

// Status gives the HTTP status of an error of Do, 0 when no answer came.
func Status(err error) int {
	var e *StatusError
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// Pool is a set of nodes to ask. It is safe for concurrent use.
type Pool struct {
	nodes []string
	http  *http.Client
}

// Bounds of a call: one attempt lasts at most attemptTimeout, an answer has at
// most maxBody bytes, and Retry gives up after maxAttempts.
const (
	attemptTimeout = 20 * time.Second
	maxBody        = 8 << 20
	maxAttempts    = 14
	minBackoff     = 20 * time.Millisecond
	maxBackoff     = 2 * time.Second
)

// NewPool makes a pool over base URLs, at least one, that keeps up to conns
// connections to each open.
func NewPool(nodes []string, conns int) *Pool {
	transport := &http.Transport{
		MaxIdleConns:        conns * len(nodes),
		MaxIdleConnsPerHost: conns,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true,
	}
	return &Pool{nodes: nodes, http: &http.Client{Transport: transport, Timeout: attemptTimeout}}
}

// Size gives the number of nodes.
func (p *Pool) Size() int { return len(p.nodes) }

// Close drops the idle connections.
func (p *Pool) Close() { p.http.CloseIdleConnections() }

// Do asks one node, counted from 0 and taken modulo Size, once. An answer
// outside 2xx is a *StatusError.
func (p *Pool) Do(ctx context.Context, node int, r Request) (Reply, error) {
	req, err := r.build(ctx, p.nodes[node%len(p.nodes)])
	if err != nil {
		return Reply{}, err
	}
	resp, err := p.http.Do(req)
	if err != nil {
		return Reply{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return Reply{}, fmt.Errorf("%s %s: read answer: %w", r.Method, r.Path, err)
	}
	if resp.StatusCode/100 != 2 {
		return Reply{}, statusError(r, resp, body)
	}
	copies, _ := strconv.Atoi(resp.Header.Get("Grapevine-Copies"))
	return Reply{Status: resp.StatusCode, Copies: copies, Session: resp.Header.Get("Grapevine-Session"), Body: body}, nil
}

func (r Request) build(ctx context.Context, base string) (*http.Request, error) {
	var body io.Reader
	if r.Body != nil {
		b, err := json.Marshal(r.Body)
		if err != nil {
			return nil, fmt.Errorf("%s %s: encode body: %w", r.Method, r.Path, err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, base+r.Path, body)
	if err != nil {
		return nil, err
	}
	set := func(name, value string) {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	if r.Body != nil {
		set("Content-Type", "application/json")
	}
	if r.Token != "" {
		set("Authorization", "Bearer "+r.Token)
	}
	set("Grapevine-Session", r.Session)
	set("Idempotency-Key", r.Key)
	return req, nil
}

func statusError(r Request, resp *http.Response, body []byte) error {
	var problem struct{ Title, Detail string }
	// A body that is no problem document still leaves the status to report.
	_ = json.Unmarshal(body, &problem)
	after, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	detail := problem.Detail
	if detail == "" {
		detail = problem.Title
	}
	return &StatusError{
		Method: r.Method, Path: r.Path, Status: resp.StatusCode, Detail: detail,
		After: time.Duration(after) * time.Second,
	}
}

// Retry asks a node and, when it cannot be reached or cannot serve now, the
// following ones with growing pauses. also names further statuses worth another
// attempt: those that pass when a node has caught up.
func (p *Pool) Retry(ctx context.Context, node int, r Request, also ...int) (Reply, error) {
	for attempt := 0; ; attempt++ {
		reply, err := p.Do(ctx, node+attempt, r)
		if err == nil || attempt+1 == maxAttempts || ctx.Err() != nil || !temporary(err, also) {
			return reply, err
		}
		if err := Pause(ctx, backoff(attempt, err)); err != nil {
			return Reply{}, err
		}
	}
}

// temporary says whether another attempt may succeed.
func temporary(err error, also []int) bool {
	status := Status(err)
	switch status {
	case 0, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable,
		http.StatusGatewayTimeout, http.StatusInsufficientStorage:
		return true
	}
	for _, s := range also {
		if s == status {
			return true
		}
	}
	return false
}

// backoff doubles from minBackoff, jittered so that workers do not return together,
// and is at least what the node asked for, within the bound.
func backoff(attempt int, err error) time.Duration {
	d := min(minBackoff<<min(attempt, 10), maxBackoff)
	var e *StatusError
	if errors.As(err, &e) && e.After > d {
		d = min(e.After, maxBackoff)
	}
	return d/2 + rand.N(d/2)
}

// Pause waits for d, or returns the context's error when it ends before.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
