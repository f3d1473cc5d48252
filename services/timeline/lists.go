package timeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// List lists the posts of the members of one of who's lists, of those that who may
// see. To others there is no such list.
func (s *Service) List(ctx context.Context, who social.Identity, list string, f social.PostFilter, cut social.Cut) (social.Page[json.RawMessage], error) {
	none := social.Page[json.RawMessage]{}
	if who.Anonymous() {
		return none, social.Errorf(social.Unauthenticated, "log in to see your lists")
	}
	members, err := schema.Confirm(ctx, func(ctx context.Context) ([]string, error) { return s.members(ctx, who.User, list) })
	if err != nil {
		return none, err
	}
	return s.page(ctx, who, f, cut, func(ctx context.Context, after string, older bool, limit int) ([]string, error) {
		lists, err := s.byAuthors(ctx, who.User, members, after, older, limit)
		if err != nil {
			return nil, err
		}
		return merge(lists, older, limit), nil
	})
}

// members gives who is in a list, or NotFound.
func (s *Service) members(ctx context.Context, owner, list string) ([]string, error) {
	_, err := s.rows.Get(ctx, schema.UserList(owner, list))
	if errors.Is(err, store.ErrNotFound) {
		return nil, social.Errorf(social.NotFound, "you have no list %.40q", list)
	}
	if err != nil {
		return nil, fmt.Errorf("read list %s: %w", list, err)
	}
	entries, err := s.rows.Scan(ctx, schema.ListMembers(owner, list, "", social.MaxListMembers))
	if err != nil {
		return nil, fmt.Errorf("read members of list %s: %w", list, err)
	}
	members := make([]string, len(entries))
	for i, e := range entries {
		_, _, members[i] = schema.SplitListMember(e.Key)
	}
	return members, nil
}
