package bench

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"grapevine/testnet/internal/api"
)

// crowd measures posts and home pages again when everybody follows, and is followed by,
// as many as in the ego-Facebook graph on average: each post goes to so many homes.
func (b *bench) crowd(ctx context.Context) error {
	degree := min(followers, b.Clients-1)
	b.Say(fmt.Sprintf("each of %d clients follows %d others", b.Clients, degree))
	if err := b.acquaint(ctx, degree); err != nil {
		return err
	}
	posts := b.over("posts, each to the homes of "+fmt.Sprint(degree), b.addrs(), b.writePost, b.copied)
	homes := b.over("reads of home, of "+fmt.Sprint(degree)+" authors", b.addrs(), b.readHome, wantStatus(200))
	if err := interleave(ctx, b.Rounds, b.Duration, []*series{posts, homes}, b.Say); err != nil {
		return err
	}
	b.report.rates("1/s", 0, 0, posts)
	b.report.rates("1/s", 0, 0, homes)
	return nil
}

// acquaint has each client follow those that come next.
func (b *bench) acquaint(ctx context.Context, degree int) error {
	pool := api.NewPool(b.urls(), b.Clients)
	defer pool.Close()
	group, ctx := errgroup.WithContext(ctx)
	for i, p := range b.people {
		group.Go(func() error {
			for n := range degree {
				if err := pool.Follow(ctx, i, p.Account, b.people[(i+n+1)%len(b.people)].ID); err != nil {
					return fmt.Errorf("bench: crowd: %w", err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}
