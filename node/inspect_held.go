package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fxamacker/cbor/v2"
	"golang.org/x/sync/errgroup"

	"grapevine/crdt"
	"grapevine/crdt/causal"
	"grapevine/node/client"
	"grapevine/p2p"
	"grapevine/store"
)

const (
	// protoHeld asks a node what it holds of rows: heldRequest -> heldReply, in CBOR.
	protoHeld = "node/held"
	// heldTimeout bounds the wait for a node's answer.
	heldTimeout = 2 * time.Second
	// maxHeld bounds the rows that are asked for at once.
	maxHeld = 16
	// heldOthers bounds the nodes that are asked beside owners, for what they keep for
	// them.
	heldOthers = 16
	heldAtOnce = 16
)

type heldRequest struct {
	Partition store.Partition `cbor:"1,keyasint"`
	Keys      []heldKey       `cbor:"2,keyasint"`
}

type heldKey struct {
	Slot   store.Slot   `cbor:"1,keyasint"`
	Family store.Family `cbor:"2,keyasint"`
	Sort   string       `cbor:"3,keyasint"`
}

type heldReply struct {
	Rows     [][]byte `cbor:"1,keyasint"` // in the order of the request
	Seen     []byte   `cbor:"2,keyasint"`
	CaughtUp bool     `cbor:"3,keyasint"`
}

// answerHeld is the handler of protoHeld.
func (i *inspector) answerHeld(_ context.Context, _ p2p.NodeID, request []byte) ([]byte, error) {
	var in heldRequest
	if err := cbor.Unmarshal(request, &in); err != nil || len(in.Keys) > maxHeld {
		return nil, &p2p.RemoteError{Code: "malformed", Message: "the question cannot be read: it is of another version"}
	}
	keys := make([]store.Key, len(in.Keys))
	for n, k := range in.Keys {
		keys[n] = store.Key{Slot: k.Slot, Family: k.Family, Sort: k.Sort}
	}
	rows, seen, err := i.store.Held(in.Partition, keys)
	if err != nil {
		return nil, &p2p.RemoteError{Code: "unavailable", Message: err.Error()}
	}
	out := heldReply{Seen: seen.Append(nil), CaughtUp: i.owns(in.Partition) && !i.store.Lags(in.Partition)}
	for _, row := range rows {
		out.Rows = append(out.Rows, row.Append(nil))
	}
	return cbor.Marshal(out)
}

// held is what one node has of some rows of a partition.
type held struct {
	client.ExplainedOwner
	seen *causal.Vector
	rows []crdt.Row
}

// gather asks every node that has or may have something of rows of one partition.
// The answers are in the order of preference: owners first.
func (i *inspector) gather(ctx context.Context, p store.Partition, keys []store.Key) []*held {
	request := heldRequest{Partition: p}
	for _, k := range keys {
		request.Keys = append(request.Keys, heldKey{k.Slot, k.Family, k.Sort})
	}
	answers := i.holders(p)
	var all errgroup.Group
	all.SetLimit(heldAtOnce)
	for _, h := range answers {
		all.Go(func() error {
			if err := i.askHeld(ctx, h, request); err != nil {
				h.Error = err.Error()
			}
			return nil
		})
	}
	_ = all.Wait() // what failed is in the answers
	return slices.DeleteFunc(answers, func(h *held) bool {
		return h.Role == roleOther && (!h.Answers || h.Writes == 0)
	})
}

// The roles of a holder.
const (
	roleOwner  = "owner"
	roleComing = "coming"
	roleOther  = "other"
)

// holders lists who is to be asked.
func (i *inspector) holders(p store.Partition) (out []*held) {
	ring := i.store.Ring()
	add := func(id p2p.NodeID, role string) {
		known := slices.ContainsFunc(out, func(h *held) bool { return h.Node == string(id) })
		if !known {
			out = append(out, &held{ExplainedOwner: client.ExplainedOwner{Node: string(id), Role: role, Alive: i.deps.Members.Alive(id)}})
		}
	}
	for _, id := range ring.Owners(p) {
		add(id, roleOwner)
	}
	for _, id := range ring.Coming(p) {
		add(id, roleComing)
	}
	others := 0
	for _, m := range i.deps.Members.Members() {
		if m.Alive && others < heldOthers {
			add(m.ID, roleOther)
			others++
		}
	}
	return out
}

func (i *inspector) askHeld(ctx context.Context, h *held, request heldRequest) error {
	if !h.Alive {
		return errors.New("it is down")
	}
	ctx, cancel := context.WithTimeout(ctx, heldTimeout)
	defer cancel()
	question, err := cbor.Marshal(request)
	if err != nil {
		return err
	}
	answer, err := i.deps.Transport.Call(ctx, p2p.NodeID(h.Node), protoHeld, question)
	if err != nil {
		return err
	}
	var reply heldReply
	if err := cbor.Unmarshal(answer, &reply); err != nil || len(reply.Rows) != len(request.Keys) {
		return errors.New("its answer cannot be read: it runs another version")
	}
	if h.seen, _, err = causal.ConsumeVector(reply.Seen); err != nil {
		return fmt.Errorf("which writes it has seen: %w", err)
	}
	for _, b := range reply.Rows {
		row, _, err := crdt.ConsumeRow(b)
		if err != nil {
			return fmt.Errorf("a row: %w", err)
		}
		h.rows = append(h.rows, row)
	}
	h.Answers, h.CaughtUp, h.Writes = true, reply.CaughtUp, h.seen.Len()
	return nil
}
