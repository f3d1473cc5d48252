package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"grapevine/testnet/internal/stats"
)

// lagTimeout bounds the wait for one post to arrive.
const lagTimeout = 5 * time.Second

// lag measures how long after its acknowledgement by one node a post can be read
// on another by somebody without the author's session.
func (b *bench) lag(ctx context.Context) error {
	if len(b.Nodes) < 2 {
		return nil
	}
	b.Say("replication lag")
	conns := make([]*conn, len(b.Nodes))
	for i, n := range b.Nodes {
		conns[i] = &conn{addr: n.Addr}
		defer conns[i].close()
	}
	var took []time.Duration
	for n := range lagSamples {
		if err := ctx.Err(); err != nil {
			return err
		}
		d, err := b.arrive(conns[n%len(conns)], conns[(n+1)%len(conns)], n)
		if err != nil {
			return fmt.Errorf("bench: lag: %w", err)
		}
		took = append(took, d)
	}
	s := stats.Summarise(took)
	b.report.add(Line{
		What: "replication lag", Value: s.P50.Seconds() * 1000, Unit: "ms", P50: s.P50, P99: s.P99,
		Note: fmt.Sprintf("max %s, %d posts", stats.Short(s.Max), s.Count),
	})
	return nil
}

// arrive posts on one node and reads on another until the post is there.
func (b *bench) arrive(from, to *conn, n int) (time.Duration, error) {
	r, err := from.call(b.writePost(n%len(b.people), n))
	acknowledged := time.Now()
	if err != nil {
		return 0, err
	}
	if err := b.copied(r); err != nil {
		return 0, err
	}
	var post struct{ ID string }
	if err := json.Unmarshal(r.body, &post); err != nil {
		return 0, err
	}
	request := render("GET", "/v1/posts/"+post.ID, "", nil)
	for {
		r, err := to.call(request)
		arrived := time.Since(acknowledged)
		switch {
		case err != nil:
			return 0, err
		case r.status == http.StatusOK:
			return arrived, nil
		case r.status != http.StatusNotFound:
			return 0, wantStatus(http.StatusOK)(r)
		case arrived > lagTimeout:
			return 0, fmt.Errorf("post %s has not arrived after %s", post.ID, arrived)
		}
	}
}
