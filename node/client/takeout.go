package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"grapevine/services/social"
)

// Export writes the client's own account to w as a file that Import takes. A file
// that was cut, as by an error, lacks its last line.
func (c *Client) Export(ctx context.Context, ref string, w io.Writer) error {
	resp, err := c.stream(ctx, http.MethodGet, userPath(ref)+"/export", nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("client: reading an export: %w", err)
	}
	return nil
}

// Import takes an exported account into the client's own. It reads r to its end, as
// fast as the node takes it.
func (c *Client) Import(ctx context.Context, ref string, r io.Reader) (out social.Imported, err error) {
	resp, err := c.stream(ctx, http.MethodPost, userPath(ref)+"/import", r)
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxReply)).Decode(&out); err != nil {
		return out, fmt.Errorf("client: reply of an import: %w", err)
	}
	return out, nil
}

// stream sends a request that takes as long as it takes; ctx bounds it. The caller
// closes the reply's body.
func (c *Client) stream(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	req, err := c.request(ctx, method, path, nil)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Body = io.NopCloser(body)
		req.Header.Set("Content-Type", "application/x-ndjson")
	}
	patient := *c.http
	patient.Timeout = 0
	resp, err := patient.Do(req)
	if err != nil {
		return nil, err // a *url.Error, which names method and URL
	}
	c.note(ctx, resp)
	if resp.StatusCode < 400 {
		return resp, nil
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return nil, fmt.Errorf("client: reading reply of %s %s: %w", method, path, err)
	}
	return nil, parseProblem(resp, reply)
}
