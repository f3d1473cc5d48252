package takeout

import (
	"context"
	"encoding/json"
	"slices"

	"grapevine/services/social"
)

// relation is a way to stand to others, with those who wait to be stood to so.
type relation struct {
	kind    string
	act     func(ctx context.Context, who social.Identity, ref, other string) error
	taken   *int
	waiting waiting[person]
}

// newRelations gives the relations in the order in which they are taken at the end.
func (im *importing) newRelations() []*relation {
	befriend := func(ctx context.Context, who social.Identity, ref, other string) error {
		_, err := im.graph.Befriend(ctx, who, ref, other)
		return err
	}
	return []*relation{
		{kind: typeFollowing, act: im.graph.Follow, taken: &im.done.Following},
		{kind: typeFriend, act: befriend, taken: &im.done.Friends},
		{kind: typeBlock, act: im.graph.Block, taken: &im.done.Blocks},
		{kind: typeMute, act: im.graph.Mute, taken: &im.done.Mutes},
	}
}

// relate takes a line of a relation.
func (im *importing) relate(ctx context.Context, kind string, b []byte) error {
	r := im.relations[slices.IndexFunc(im.relations, func(r *relation) bool { return r.kind == kind })]
	if wait(im, &r.waiting, kind, b, func(l personLine) person { return l.person }) {
		return im.flushPeople(ctx, r)
	}
	return nil
}

func (im *importing) flushPeople(ctx context.Context, r *relation) error {
	ids, err := im.here(ctx, r.waiting.items)
	if err != nil {
		return err
	}
	reasons := make([]string, len(ids))
	for i, id := range ids {
		switch id {
		case "":
			reasons[i] = social.SkipNoSuchUser
		case im.who.User:
			reasons[i] = social.SkipYourself
		default:
			if reasons[i], err = refused(r.act(ctx, im.who, im.who.User, id), social.SkipNoSuchUser); err != nil {
				return err
			}
		}
	}
	settle(im, &r.waiting, r.kind, reasons, r.taken)
	return nil
}

// refused gives the reason to pass over what failed with err, absent for what is not
// there, or an error that ends the import.
func refused(err error, absent string) (reason string, _ error) {
	switch social.KindOf(err) {
	case social.NotFound:
		return absent, nil
	case social.Invalid, social.Forbidden, social.Conflict:
		return social.SkipInvalid, nil
	}
	return "", err
}

// flushLikes takes likes after the posts, some of which they may be of.
func (im *importing) flushLikes(ctx context.Context) error {
	if err := im.flushPosts(ctx); err != nil {
		return err
	}
	reasons := make([]string, len(im.waitingLikes.items))
	for i, id := range im.waitingLikes.items {
		var err error
		if reasons[i], err = refused(im.posts.ImportLike(ctx, im.who, id), social.SkipNoSuchPost); err != nil {
			return err
		}
	}
	settle(im, &im.waitingLikes, typeLike, reasons, &im.done.Likes)
	return nil
}

// list makes a list. There are few, and their members follow.
func (im *importing) list(ctx context.Context, b []byte) error {
	var l listLine
	if err := json.Unmarshal(b, &l); err != nil {
		im.skip(typeList, social.SkipMalformed, "", im.line)
		return nil
	}
	made, err := im.lists.Import(ctx, im.who, l.List)
	reason, failed := refused(err, social.SkipNoSuchList)
	switch {
	case failed != nil:
		return failed
	case reason != "":
		im.skip(typeList, reason, err.Error(), im.line)
	case made:
		im.done.Lists++
	default:
		im.skip(typeList, social.SkipExists, "", im.line)
	}
	return nil
}

// member is an account in a list of an archive.
type member struct {
	list string
	person
}

func (im *importing) flushMembers(ctx context.Context) error {
	people := make([]person, len(im.waitingMembers.items))
	for i, m := range im.waitingMembers.items {
		people[i] = m.person
	}
	ids, err := im.here(ctx, people)
	if err != nil {
		return err
	}
	reasons := make([]string, len(ids))
	for i, id := range ids {
		if reasons[i], err = im.add(ctx, im.waitingMembers.items[i].list, id); err != nil {
			return err
		}
	}
	settle(im, &im.waitingMembers, typeMember, reasons, &im.done.Members)
	return nil
}

// add puts a user into a list of an archive, or says why not.
func (im *importing) add(ctx context.Context, list, user string) (reason string, err error) {
	if user == "" {
		return social.SkipNoSuchUser, nil
	}
	id, err := im.lists.Imported(ctx, im.who, list)
	if err != nil {
		return refused(err, social.SkipNoSuchList)
	}
	return refused(im.lists.Add(ctx, im.who, id, user), social.SkipNoSuchUser)
}

// here gives the ids by which people are known here, "" for one who is not.
func (im *importing) here(ctx context.Context, people []person) ([]string, error) {
	if len(people) == 0 {
		return nil, nil
	}
	ids, names := make([]string, len(people)), make([]string, len(people))
	for i, p := range people {
		if _, isID := social.SlotOf(p.ID); isID {
			ids[i] = p.ID
		}
		names[i] = social.FoldName(p.Username)
	}
	users, err := im.users.GetMany(ctx, ids)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, u := range users {
		known[u.ID] = true
	}
	byName, err := im.users.IDs(ctx, names)
	if err != nil {
		return nil, err
	}
	for i := range ids {
		if !known[ids[i]] {
			ids[i] = byName[i]
		}
	}
	return ids, nil
}
