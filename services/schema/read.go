package schema

import (
	"context"
	"errors"

	"grapevine/services/social"
	"grapevine/store"
)

// Majority gives a context in which reads ask a majority of owners and still see
// what ctx's session wrote. It is for reads alone: a write in it would not be
// reported to the client.
func Majority(ctx context.Context) context.Context {
	confirm := &store.Request{Consistency: store.Quorum}
	if r := store.RequestOf(ctx); r != nil {
		if err := confirm.Resume(r.Token()); err != nil {
			return ctx // a Request's own token is well formed
		}
	}
	return store.WithRequest(ctx, confirm)
}

// Confirm calls read, and once more with a majority where it says NotFound: a
// write that was acknowledged a moment ago, through another node, may not have
// reached the owner that was asked first. Where no majority can be reached, the
// first answer stands.
func Confirm[T any](ctx context.Context, read func(context.Context) (T, error)) (T, error) {
	v, err := read(ctx)
	if social.KindOf(err) != social.NotFound {
		return v, err
	}
	confirmed, again := read(Majority(ctx))
	if errors.Is(again, store.ErrUnavailable) {
		return v, err
	}
	return confirmed, again
}
