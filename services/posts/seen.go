package posts

import (
	"context"

	"grapevine/services/social"
)

// Seen says, in a slice as long as ids, which posts Encoded would give to a viewer, at
// a smaller cost.
func (s *Service) Seen(ctx context.Context, viewer social.Identity, ids []string) ([]bool, error) {
	seen, err := s.sights(ctx, viewer, ids)
	if err != nil {
		return nil, err
	}
	all := make([]bool, len(ids))
	for i, v := range seen {
		all[i] = v.view != nil
	}
	return all, nil
}
