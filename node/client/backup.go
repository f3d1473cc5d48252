package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"grapevine/store/archive"
)

// Restored answers POST /v1/cluster/restore.
type Restored struct {
	Rows     int `json:"rows" doc:"Rows in the block."`
	Restored int `json:"restored" doc:"Of them, those that were not there before."`
	Copies   int `json:"copies" doc:"The fewest durable copies of any of those; 0 when there are none."`
}

// silence bounds how long a stream may bring nothing.
const silence = 30 * time.Second

// Backup streams partitions from the node, in the order asked for, in the form
// that archive.Writer takes. AsIs asks for what the node holds though it owns the
// partition no longer, or has not caught up with it. It needs the operator token.
// The caller closes the stream.
func (c *Client) Backup(ctx context.Context, partitions []int, asIs bool) (io.ReadCloser, error) {
	ids := make([]string, len(partitions))
	for i, p := range partitions {
		ids[i] = strconv.Itoa(p)
	}
	path := "/v1/cluster/backup?partitions=" + strings.Join(ids, ",")
	if asIs {
		path += "&as_is=true"
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &stream{cancel: cancel, watch: time.AfterFunc(silence, cancel)}
	resp, err := c.open(ctx, http.MethodGet, path, nil) //nolint:bodyclose // stream.Close does
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.body = resp.Body
	return s, nil
}

// Restore writes a block of an archive, as archive.Block holds it, into the
// cluster. Rows that exist are passed over. A cluster that has users refuses with
// 409 unless resume is set. It needs the operator token.
func (c *Client) Restore(ctx context.Context, block []byte, resume bool) (out Restored, err error) {
	path := "/v1/cluster/restore"
	if resume {
		path += "?resume=true"
	}
	ctx, cancel := context.WithTimeout(ctx, silence)
	defer cancel()
	resp, err := c.open(ctx, http.MethodPost, path, block)
	if err != nil {
		return Restored{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return Restored{}, fmt.Errorf("client: reading reply of POST %s: %w", path, err)
	}
	if err := json.Unmarshal(body, &out); err != nil {
		return Restored{}, fmt.Errorf("client: reply of POST %s: %w", path, err)
	}
	return out, nil
}

// open sends a request whose time is bounded by ctx alone, and reads the header
// of the reply.
func (c *Client) open(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := c.request(ctx, method, path, nil)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		req.Header.Set("Content-Type", archive.MediaType)
	}
	patient := *c.http
	patient.Timeout = 0
	resp, err := patient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < 400 {
		return resp, nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return nil, fmt.Errorf("client: reading reply of %s %s: %w", method, path, err)
	}
	return nil, parseProblem(resp, text)
}

// stream is a reply that ends when it brings nothing for too long.
type stream struct {
	body   io.ReadCloser
	watch  *time.Timer
	cancel context.CancelFunc
}

func (s *stream) Read(b []byte) (int, error) {
	n, err := s.body.Read(b)
	s.watch.Reset(silence)
	return n, err
}

func (s *stream) Close() error {
	s.watch.Stop()
	defer s.cancel()
	if s.body == nil {
		return nil
	}
	return s.body.Close()
}
