package timeline

import (
	"context"

	"grapevine/services/schema"
	"grapevine/store"
)

// head is the newest entries of a home timeline, as a scan of limit gave them.
type head struct {
	ids   []string
	limit int
}

// idBytes estimates what an id takes in a head, and headOverhead the head itself.
const (
	idBytes      = 48
	headOverhead = 128
)

func weigh(reader string, h head) uint32 {
	return uint32(len(reader) + headOverhead + idBytes*len(h.ids))
}

// Invalidate is a store.Invalidator: it must be told of every change applied on
// this node.
func (s *Service) Invalidate(keys []store.Key) {
	for _, k := range keys {
		if k.Family != schema.FamilyHome {
			continue
		}
		if reader, _, ok := schema.Split(k); ok {
			s.heads.Drop(reader)
		}
	}
}

// home gives entries of a home timeline. The newest are what is read most, and
// are cached where this node is told of all that changes them.
func (s *Service) home(ctx context.Context, reader, after string, older bool, limit int) ([]string, error) {
	cached := after == "" && older && s.current(ctx, schema.User(reader).Slot)
	if !cached {
		return s.scanHome(ctx, reader, after, older, limit)
	}
	if h, ok := s.heads.Get(reader); ok && h.limit >= limit {
		return h.ids[:min(limit, len(h.ids))], nil
	}
	drops := s.heads.Drops(reader)
	ids, err := s.scanHome(ctx, reader, after, older, limit)
	if err == nil {
		s.heads.Put(reader, head{ids, limit}, drops)
	}
	return ids, err
}
