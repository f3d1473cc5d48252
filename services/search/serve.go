package search

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/fxamacker/cbor/v2"

	"grapevine/services/search/text"
	"grapevine/services/social"
	"grapevine/store"
)

// The steps of a search.
const (
	stepCount = 1 // what the ranking depends on
	stepFind  = 2 // hits, or tags
)

// maxHits bounds the hits, and the tags, of one answer.
const maxHits = 500

// request asks a node to answer for some partitions.
type request struct {
	Step       int               `cbor:"1,keyasint"`
	What       what              `cbor:"2,keyasint"`
	Partitions []store.Partition `cbor:"3,keyasint"`
	Stats      text.Statistics   `cbor:"4,keyasint"`
	After      *text.Hit         `cbor:"5,keyasint,omitempty"`
	Limit      int               `cbor:"6,keyasint"`
}

// answer is what a node found. Unanswered are those of the partitions that it does
// not serve, or has not indexed yet.
type answer struct {
	Unanswered []store.Partition `cbor:"1,keyasint,omitempty"`
	Stats      text.Statistics   `cbor:"2,keyasint"`
	Hits       []text.Hit        `cbor:"3,keyasint,omitempty"`
	Tags       []text.Tag        `cbor:"4,keyasint,omitempty"`
}

// Answer answers another node's part of a search, in its encoding.
func (x *Indexer) Answer(ctx context.Context, encoded []byte) ([]byte, error) {
	var r request
	if err := bounded.Unmarshal(encoded, &r); err != nil {
		return nil, fmt.Errorf("search: malformed request: %w", err)
	}
	a, err := x.answer(ctx, r)
	if err != nil {
		return nil, err
	}
	return cbor.Marshal(a)
}

// answer searches this node's index.
func (x *Indexer) answer(ctx context.Context, r request) (answer, error) {
	if r.Limit < 0 || r.Limit > maxHits {
		return answer{}, fmt.Errorf("search: malformed request: limit %d", r.Limit)
	}
	select { // searches take the processor; more at once would all be slower
	case x.turns <- struct{}{}:
		defer func() { <-x.turns }()
	case <-ctx.Done():
		return answer{}, ctx.Err()
	}
	wanted := map[store.Partition]bool{}
	var a answer
	for _, p := range r.Partitions {
		if x.answers(p) {
			wanted[p] = true
		} else {
			a.Unanswered = append(a.Unanswered, p)
		}
	}
	if len(wanted) == 0 {
		return a, nil
	}
	err := x.cfg.Engine.View(func(snap text.Snapshot) error { return x.look(ctx, snap, r, wanted, &a) })
	if errors.Is(err, text.ErrDamaged) {
		x.damaged()
	}
	return a, err
}

func (x *Indexer) look(ctx context.Context, snap text.Snapshot, r request, wanted map[store.Partition]bool, a *answer) error {
	if r.What.Type == social.SearchTags {
		return x.lookForTags(snap, r, wanted, a)
	}
	q, err := r.What.parse()
	if err != nil {
		return err
	}
	if r.Step == stepCount {
		a.Stats, err = q.Statistics(snap)
		return err
	}
	a.Hits, err = q.Search(ctx, snap, r.Stats, text.Cut{
		Limit: r.Limit, After: r.After, Newest: r.What.Newest,
		Wanted: func(id string) bool {
			slot, ok := social.SlotOf(id)
			return ok && wanted[x.cfg.PartitionOf(store.Slot(slot))] && r.What.made(id)
		},
	})
	return err
}

// lookForTags answers with the tags of most posts. Another node may know of more
// posts of a tag that is not among them; with maxHits tags of each node, the first
// pages are right all the same.
func (x *Indexer) lookForTags(snap text.Snapshot, r request, wanted map[store.Partition]bool, a *answer) error {
	prefix, err := text.ParseTag(r.What.Query)
	if err != nil {
		return err
	}
	tags, err := text.Tags(snap, prefix, func(p uint16) bool { return wanted[store.Partition(p)] })
	slices.SortFunc(tags, compareTags)
	a.Tags = tags[:min(len(tags), maxHits)]
	return err
}

// verify refuses an answer that is none to the request.
func (a *answer) verify(r request) error {
	if len(a.Hits) > r.Limit || len(a.Tags) > maxHits || len(a.Stats.Found) > len(r.Stats.Found) && r.Step == stepFind {
		return errors.New("the answer is beyond what was asked for")
	}
	for _, h := range a.Hits {
		if _, ok := social.SlotOf(h.ID); !ok || math.IsNaN(h.Score) || math.IsInf(h.Score, 0) {
			return fmt.Errorf("the answer has a malformed hit %.40q", h.ID)
		}
	}
	for _, t := range a.Tags {
		if social.FoldTag(t.Name) != t.Name || t.Posts < 0 {
			return fmt.Errorf("the answer has a malformed tag %.40q", t.Name)
		}
	}
	return nil
}
