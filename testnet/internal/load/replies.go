package load

import (
	"context"
	"sync"

	"grapevine/testnet/internal/api"
	"grapevine/testnet/internal/dataset"
)

// replies holds the posts that others answer, until these have been made.
type replies struct {
	mu      sync.Mutex
	parents map[int]*parent
}

// parent is a post that is answered. left counts the answers to come; settled is
// closed when the post is made or refused.
type parent struct {
	settled chan struct{}
	posted  api.Posted
	left    int
}

// awaited gives the posts that posts still to be made answer.
func awaited(posts []dataset.Post, done Done) *replies {
	r := &replies{parents: map[int]*parent{}}
	for i, post := range posts {
		if post.ReplyTo == dataset.NoReply || done.Posts[i] != "" || done.Refused[i] != 0 {
			continue
		}
		p := r.parents[post.ReplyTo]
		if p == nil {
			p = &parent{settled: make(chan struct{})}
			r.parents[post.ReplyTo] = p
			if id := done.Posts[post.ReplyTo]; id != "" || done.Refused[post.ReplyTo] != 0 {
				p.posted.ID = id
				close(p.settled)
			}
		}
		p.left++
	}
	return r
}

// settle records that post i was made, or refused when posted has no ID.
func (r *replies) settle(i int, posted api.Posted) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.parents[i]; p != nil {
		p.posted = posted
		close(p.settled)
	}
}

// wait returns the post of index i once it is settled; what it returns for
// NoReply, or for a post that was refused, has no ID. Posts are handed out in
// order, so the post waited for is made already or in the hands of a worker that
// waits for an earlier one still: there is always one that does not wait.
func (r *replies) wait(ctx context.Context, i int) (api.Posted, error) {
	if i == dataset.NoReply {
		return api.Posted{}, nil
	}
	r.mu.Lock()
	p := r.parents[i]
	r.mu.Unlock()
	select {
	case <-p.settled:
	case <-ctx.Done():
		return api.Posted{}, ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.left--; p.left == 0 {
		delete(r.parents, i)
	}
	return p.posted, nil
}
