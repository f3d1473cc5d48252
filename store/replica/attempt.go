package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"grapevine/p2p"
	"grapevine/store"
)

// giveUp bounds how long a read or write goes from owner to owner.
const giveUp = 2 * time.Second

// job is a request that any owner of a partition can do: here, by local, or at a
// peer, by remote.
type job[T any] struct {
	s         *Store
	op        Op
	partition store.Partition
	order     []p2p.NodeID
	local     func(context.Context) (T, error)
	remote    func(context.Context, p2p.NodeID) (T, error)
	// unjudged says that how long it takes is the client's wish, not the owner's doing.
	unjudged bool
	// serial says that the order is the same on all nodes and has to be kept.
	serial bool
}

// run has the best owner do the job that will take it. Owners that cannot be
// reached, are not serving, or lack the session's writes are passed over, and asked
// again until giveUp, as far as the budget of repetitions allows. Where no owner is
// believed alive one round is enough.
func (j job[T]) run(ctx context.Context) (T, error) {
	s := j.s
	deadline := time.Now().Add(giveUp)
	out, err := j.round(ctx)
	for pause := 5 * time.Millisecond; ; pause *= 2 {
		over := ctx.Err() != nil || s.ctx.Err() != nil || time.Now().Add(pause).After(deadline)
		if err == nil || !passOver(err) || over || !s.anyOwner(j.partition) {
			return out, err
		}
		if !sleep(ctx, pause) {
			return out, err
		}
		if s.cfg.Router.Again() {
			out, err = j.round(ctx)
		}
	}
}

// round goes through the owners once.
func (j job[T]) round(ctx context.Context) (T, error) {
	var none T
	result := errAllAway
	for rest := j.order; len(rest) > 0; {
		out, asked, err := j.ask(ctx, rest)
		if err == nil || !passOver(err) {
			return out, err
		}
		switch {
		case errors.Is(err, store.ErrEarlierBuild), errors.Is(err, store.ErrBehind), errors.Is(err, store.ErrOverloaded), errors.Is(err, store.ErrNoSpace):
			result = err // says more than that the others are away
		case result == errAllAway && !errors.Is(err, p2p.ErrUnreachable): //nolint:errorlint // this very error
			result = store.ErrUnavailable
		}
		rest = rest[asked:]
	}
	return none, result
}

// ask asks the first of some nodes or, for a read of a peer that takes long, the first
// two. It says how many it has asked.
func (j job[T]) ask(ctx context.Context, nodes []p2p.NodeID) (out T, asked int, err error) {
	if nodes[0] == j.s.cfg.Self || len(nodes) == 1 || !j.s.alive(nodes[1]) || j.serial {
		out, err = j.askOne(ctx, nodes[0])
		return out, 1, err
	}
	if j.op == OpWrite {
		if err = j.s.knock(ctx, nodes[0], j.partition); err == nil {
			out, err = j.askOne(ctx, nodes[0])
		}
		return out, 1, err
	}
	out, both, err := hedge(ctx, j.s, j.op,
		func(ctx context.Context) (T, error) { return j.askOne(ctx, nodes[0]) },
		func(ctx context.Context) (T, error) { return j.askOne(ctx, nodes[1]) })
	if both {
		return out, 2, err
	}
	return out, 1, err
}

// knock asks a peer for nothing, unless it has just been heard of: a write cannot be
// taken back from one that has stopped, nor given to another.
func (s *Store) knock(ctx context.Context, node p2p.NodeID, p store.Partition) (err error) {
	if s.cfg.Router.Heard(node) {
		return nil
	}
	done := s.cfg.Router.Begin(OpRead, node)
	defer func() { done(outcomeOf(err)) }()
	patience, cancel := context.WithTimeout(ctx, knockFactor*s.cfg.Router.HedgeAfter(OpRead))
	defer cancel()
	var reply readReply
	err = s.call(patience, node, protoRead, readRequest{Partition: p}, &reply)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = fmt.Errorf("%w: it does not answer", p2p.ErrUnreachable)
	}
	return err
}

// knockFactor is how many times as long as most reads take an answer to a knock may.
const knockFactor = 4

// askOne has one node do the job.
func (j job[T]) askOne(ctx context.Context, node p2p.NodeID) (out T, err error) {
	if !j.unjudged {
		done := j.s.cfg.Router.Begin(j.op, node)
		defer func() { done(outcomeOf(err)) }()
	}
	if node == j.s.cfg.Self {
		out, err = j.local(ctx)
	} else {
		out, err = j.remote(ctx, node)
	}
	if errors.Is(err, errNotServing) {
		j.s.refusals.note(node, j.partition, time.Now())
	}
	return out, err
}

// attempt is how one went.
type attempt[T any] struct {
	out T
	err error
}

// hedge runs first and, when that has not ended after the time in which most do,
// second as well, if the budget of repetitions allows. It gives the first good answer
// and cancels the other. It says whether both were run.
func hedge[T any](ctx context.Context, s *Store, op Op, first, second func(context.Context) (T, error)) (out T, both bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan attempt[T], 2) // nobody who answers is kept waiting
	start := func(try func(context.Context) (T, error)) {
		s.spawn(func() {
			out, err := try(ctx)
			answers <- attempt[T]{out, err}
		})
	}
	start(first)
	patience := time.NewTimer(s.cfg.Router.HedgeAfter(op))
	defer patience.Stop()
	for waiting := 1; ; {
		select {
		case a := <-answers:
			waiting--
			if waiting == 0 || !passOver(a.err) {
				return a.out, both, a.err
			}
		case <-patience.C:
			if s.cfg.Router.Again() {
				start(second)
				both = true
				waiting++
			}
		case <-s.ctx.Done():
			return out, both, store.ErrEngineClosed
		}
	}
}

// errAllAway is returned where no owner could be reached at all, which a stand-in
// can make up for. One that answers that it does not serve yet is there.
var errAllAway = fmt.Errorf("%w: none could be reached", store.ErrUnavailable)

// passOver says whether another owner may do better.
func passOver(err error) bool {
	return isOneOf(err,
		errNotServing, store.ErrBehind, store.ErrUnavailable, store.ErrOverloaded, store.ErrNoSpace,
		store.ErrEngineClosed, // nothing was applied: the owner is shutting down
		p2p.ErrUnreachable, p2p.ErrOverloaded, p2p.ErrClosed)
}

// outcomeOf is what an error says of the node that was asked.
func outcomeOf(err error) Outcome {
	var remote *p2p.RemoteError
	switch {
	case isOneOf(err, context.Canceled, context.DeadlineExceeded):
		return Abandoned
	case isOneOf(err, p2p.ErrUnreachable, store.ErrUncertain):
		return Unreachable
	case isOneOf(err, store.ErrNoSpace, store.ErrOverloaded, store.ErrEngineClosed, p2p.ErrOverloaded, p2p.ErrClosed),
		errors.As(err, &remote):
		return Refused
	case isOneOf(err, errNotServing, store.ErrBehind, store.ErrUnavailable):
		return NoVerdict
	default:
		return Answered
	}
}

func isOneOf(err error, targets ...error) bool {
	for _, target := range targets {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}
