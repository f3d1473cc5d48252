package takeout

import (
	"context"

	"grapevine/services/social"
)

func (s *Service) exportLikes(ctx context.Context, out *writer, who social.Identity) error {
	for after := ""; ; {
		posts, last, err := s.posts.ArchiveLikes(ctx, who.User, after, batch)
		if err != nil {
			return err
		}
		for _, id := range posts {
			if err := out.line(likeLine{typeLike, id}); err != nil {
				return err
			}
		}
		if after = last; after == "" {
			return nil
		}
	}
}

// exportRelations writes how the account stands to others.
func (s *Service) exportRelations(ctx context.Context, out *writer, who social.Identity) error {
	type list func(context.Context, social.Cut) (social.Page[social.User], error)
	public := func(of func(context.Context, string, social.Cut) (social.Page[social.User], error)) list {
		return func(ctx context.Context, cut social.Cut) (social.Page[social.User], error) {
			return of(ctx, who.User, cut)
		}
	}
	private := func(of func(context.Context, social.Identity, string, social.Cut) (social.Page[social.User], error)) list {
		return func(ctx context.Context, cut social.Cut) (social.Page[social.User], error) {
			return of(ctx, who, who.User, cut)
		}
	}
	for _, relation := range []struct {
		kind string
		list list
	}{
		{typeFollowing, public(s.graph.Following)}, {typeFollower, public(s.graph.Followers)},
		{typeFriend, private(s.graph.Agreed)}, {typeBlock, private(s.graph.Blocks)}, {typeMute, private(s.graph.Mutes)},
	} {
		err := exportPages(ctx, out, relation.list, func(u social.User) any { return personLine{relation.kind, person{u.ID, u.Username}} })
		if err != nil {
			return err
		}
	}
	return nil
}

// exportLists writes lists, each before its members.
func (s *Service) exportLists(ctx context.Context, out *writer, who social.Identity) error {
	var lists []social.List
	for cut := (social.Cut{Limit: batch}); ; {
		page, err := s.lists.List(ctx, who, cut)
		if err != nil {
			return err
		}
		lists = append(lists, page.Items...)
		if cut.Cursor = page.Next; cut.Cursor == "" {
			break
		}
	}
	for _, l := range lists {
		if err := out.line(listLine{typeList, l}); err != nil {
			return err
		}
		members := func(ctx context.Context, cut social.Cut) (social.Page[social.User], error) {
			return s.lists.Members(ctx, who, l.ID, cut)
		}
		err := exportPages(ctx, out, members, func(u social.User) any { return memberLine{typeMember, l.ID, person{u.ID, u.Username}} })
		if err != nil && social.KindOf(err) != social.NotFound { // deleted meanwhile
			return err
		}
	}
	return nil
}

// exportPages writes a line for each item of a list.
func exportPages[T any](ctx context.Context, out *writer, list func(context.Context, social.Cut) (social.Page[T], error), line func(T) any) error {
	for cut := (social.Cut{Limit: batch}); ; {
		page, err := list(ctx, cut)
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			if err := out.line(line(item)); err != nil {
				return err
			}
		}
		if cut.Cursor = page.Next; cut.Cursor == "" {
			return nil
		}
	}
}
