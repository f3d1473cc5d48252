package graph

import (
	"context"
	"fmt"

	"grapevine/services/schema"
	"grapevine/store"
)

// kind is a reason for which a reader does not see what an author posts. It lies in
// rows of the reader's slot that name the author.
type kind uint8

const (
	blocks kind = iota // one of the two blocks the other
	mutes              // the reader mutes the author
	kinds
)

// families gives the families of a kind.
func (k kind) families() []store.Family {
	if k == mutes {
		return []store.Family{schema.FamilyMute}
	}
	return []store.Family{schema.FamilyBlock, schema.FamilyBlockedBy}
}

// keys gives the rows that may bar an author from a reader.
func (k kind) keys(reader, author string) []store.Key {
	if k == mutes {
		return []store.Key{schema.Mute(reader, author)}
	}
	return []store.Key{schema.Block(reader, author), schema.BlockedBy(reader, author)}
}

// barred is whose posts a reader does not see, by kind. It names all of them, or is
// marked as too many to be kept.
type barred struct {
	ids  [kinds]map[string]struct{}
	many bool
}

// maxBarred bounds the rows of each family that are kept for a reader. Hardly any
// reader has more, but one may be blocked by thousands.
const maxBarred = 500

// barredOverhead and barredBytes estimate what is kept for a reader, and for each
// account that it names.
const (
	barredOverhead = 192
	barredBytes    = 64
)

func weighBarred(_ string, b barred) uint32 {
	return uint32(barredOverhead + barredBytes*(len(b.ids[blocks])+len(b.ids[mutes])))
}

// Barred gives those of the authors of whom the reader sees nothing, because one of
// the two blocks the other.
//
// Like Muted, it costs at most one call to the store, however many authors there
// are; and none where the reader's slot is this node's and the reader was asked
// about before. An empty reader is nobody and sees everybody.
func (s *Service) Barred(ctx context.Context, reader string, authors []string) (map[string]bool, error) {
	return s.named(ctx, reader, authors, blocks)
}

// Muted gives those of the authors whom the reader mutes.
func (s *Service) Muted(ctx context.Context, reader string, authors []string) (map[string]bool, error) {
	return s.named(ctx, reader, authors, mutes)
}

// named gives those of the authors whom rows of a kind name.
func (s *Service) named(ctx context.Context, reader string, authors []string, k kind) (map[string]bool, error) {
	if reader == "" || len(authors) == 0 {
		return nil, nil
	}
	if !s.current(ctx, schema.User(reader).Slot) {
		return s.askFor(ctx, reader, authors, k)
	}
	b, ok := s.barred.Get(reader)
	if !ok {
		drops := s.barred.Drops(reader)
		var err error
		if b, err = s.allBarred(ctx, reader); err != nil {
			return nil, err
		}
		s.barred.Put(reader, b, drops)
	}
	if b.many {
		return s.askFor(ctx, reader, authors, k)
	}
	if len(b.ids[k]) == 0 {
		return nil, nil
	}
	found := map[string]bool{}
	for _, author := range authors {
		if _, ok := b.ids[k][author]; ok {
			found[author] = true
		}
	}
	return found, nil
}

// allBarred reads whose posts a reader does not see.
func (s *Service) allBarred(ctx context.Context, reader string) (barred, error) {
	var b barred
	for k := range kinds {
		b.ids[k] = map[string]struct{}{}
		for _, family := range k.families() {
			entries, err := s.rows.Scan(ctx, schema.Of(family, reader, "", false, maxBarred+1))
			if err != nil {
				return barred{}, fmt.Errorf("read blocks of %s: %w", reader, err)
			}
			if len(entries) > maxBarred {
				return barred{many: true}, nil
			}
			for _, id := range schema.Others(entries) {
				b.ids[k][id] = struct{}{}
			}
		}
	}
	return b, nil
}

// askFor asks the reader's slot about the authors.
func (s *Service) askFor(ctx context.Context, reader string, authors []string, k kind) (map[string]bool, error) {
	var keys []store.Key
	for _, author := range authors {
		keys = append(keys, k.keys(reader, author)...)
	}
	rows, err := s.rows.GetMany(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read blocks of %s: %w", reader, err)
	}
	found := map[string]bool{}
	for i, row := range rows {
		if row.Exists() {
			found[authors[i*len(authors)/len(keys)]] = true
		}
	}
	return found, nil
}
