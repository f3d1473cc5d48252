package bench

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"grapevine/node/client"
	"grapevine/services/social"
	"grapevine/testnet/internal/stats"
)

const (
	followers     = 44  // the mean degree of the ego-Facebook graph
	socialSamples = 200 // posts delivered, and notifications
	heardTimeout  = 10 * time.Second
)

// heard is that a stream gave a post or a notification of a post.
type heard struct {
	post string
	at   time.Time
}

// social measures, by streams, how long after its acknowledgement a post is in the
// homes of all its author's followers, who are spread over the nodes, and how long
// after a like its author is told on another node.
func (b *bench) social(ctx context.Context) error {
	b.Say(fmt.Sprintf("delivery to %d followers, and notifications", followers))
	run := strings.ToLower(rand.Text()[:8])
	author, err := b.member(ctx, 0, "author_"+run)
	if err != nil {
		return err
	}
	readers := make([]*client.Client, followers)
	for i := range readers {
		if readers[i], err = b.member(ctx, i, fmt.Sprintf("reader_%s_%d", run, i)); err != nil {
			return err
		}
		if err := readers[i].Follow(ctx, "@reader_"+run+fmt.Sprint("_", i), "@author_"+run); err != nil {
			return fmt.Errorf("bench: social: %w", err)
		}
	}
	listening, stop := context.WithCancel(ctx)
	streams, listening := errgroup.WithContext(listening)
	posts, told, ready := make(chan heard, followers), make(chan heard, 1), make(chan struct{}, followers+1)
	for _, reader := range readers {
		streams.Go(func() error { return listen(listening, reader, "home", ready, posts) })
	}
	elsewhere := author.At("http://" + b.Nodes[1%len(b.Nodes)].Addr)
	streams.Go(func() error { return listen(listening, elsewhere, "notifications", ready, told) })
	defer func() { stop(); _ = streams.Wait() }()
	for range followers + 1 {
		if err := await(ctx, ready, func(struct{}) {}); err != nil {
			return err
		}
	}
	return b.deliveries(ctx, author, readers, posts, told)
}

// deliveries posts, awaits that all readers have the post, and has one of them like it.
func (b *bench) deliveries(ctx context.Context, author *client.Client, readers []*client.Client, posts, told <-chan heard) error {
	var first, last, notices []time.Duration
	for n := range socialSamples {
		p, err := author.Post(ctx, client.NewPost{Text: text(n)})
		if err != nil {
			return fmt.Errorf("bench: social: %w", err)
		}
		acknowledged, count := time.Now(), 0
		for count < len(readers) {
			if err := await(ctx, posts, func(h heard) {
				if count++; count == 1 {
					first = append(first, max(0, h.at.Sub(acknowledged)))
				}
				if count == len(readers) {
					last = append(last, max(0, h.at.Sub(acknowledged)))
				}
			}); err != nil {
				return err
			}
		}
		begun := time.Now()
		if err := readers[n%len(readers)].Like(ctx, p.ID); err != nil {
			return fmt.Errorf("bench: social: %w", err)
		}
		if err := await(ctx, told, func(h heard) { notices = append(notices, h.at.Sub(begun)) }); err != nil {
			return err
		}
	}
	b.latency("post in the first follower's stream", first)
	b.latency(fmt.Sprintf("post in the streams of all %d followers", len(readers)), last)
	b.latency("like to notification, by SSE", notices)
	return nil
}

func (b *bench) latency(what string, took []time.Duration) {
	s := stats.Summarise(took)
	b.report.add(Line{
		What: what, Value: s.P50.Seconds() * 1000, Unit: "ms", P50: s.P50, P99: s.P99,
		Note: fmt.Sprintf("max %s, %d of them", stats.Short(s.Max), s.Count),
	})
}

// member signs up on a node, and stays with it.
func (b *bench) member(ctx context.Context, node int, name string) (*client.Client, error) {
	c := client.New("http://" + b.Nodes[node%len(b.Nodes)].Addr)
	made, err := c.SignUp(ctx, client.SignUp{Username: name, Password: password})
	if err != nil {
		return nil, fmt.Errorf("bench: sign up %s: %w", name, err)
	}
	return c.With(client.WithToken(made.Session.Token)), nil
}

// listen tells of each post or notification of a stream, until ctx ends.
func listen(ctx context.Context, c *client.Client, channel string, ready chan<- struct{}, out chan<- heard) error {
	begun := false
	return c.Stream(ctx, []string{channel}, "", func(e client.StreamEvent) error {
		if !begun {
			begun = true
			ready <- struct{}{} // there is room for one of each
		}
		at := time.Now()
		var item struct {
			ID   string
			Kind social.NotificationKind
		}
		if e.Event != "post" && e.Event != "notification" || json.Unmarshal(e.Data, &item) != nil ||
			e.Event == "notification" && item.Kind != social.NotifyLike {
			return nil
		}
		select {
		case out <- heard{item.ID, at}:
		case <-ctx.Done():
		}
		return ctx.Err()
	})
}

// await takes what comes within heardTimeout.
func await[T any](ctx context.Context, from <-chan T, take func(T)) error {
	patience := time.NewTimer(heardTimeout)
	defer patience.Stop()
	select {
	case v := <-from:
		take(v)
		return nil
	case <-patience.C:
		return fmt.Errorf("bench: social: a stream gave nothing for %s", heardTimeout)
	case <-ctx.Done():
		return ctx.Err()
	}
}
