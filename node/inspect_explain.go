package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"grapevine/crdt/causal"
	"grapevine/node/client"
	"grapevine/p2p"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// The kinds of what is explained.
const (
	kindUser   = "user"
	kindPost   = "post"
	kindName   = "name"
	kindFollow = "follow"
	kindHome   = "home entry"
)

// explanation is an explanation in the making.
type explanation struct {
	*inspector
	ctx     context.Context
	out     client.Explanation
	rows    []mergedRow
	replica map[causal.Replica]bool // that appear
}

// Explain implements httpapi.Inspector.
func (i *inspector) Explain(ctx context.Context, id string) (client.Explanation, error) {
	if i.store.Ring() == nil {
		return client.Explanation{}, store.ErrUnavailable
	}
	e := &explanation{inspector: i, ctx: ctx, replica: map[causal.Replica]bool{}}
	e.out = client.Explanation{
		ID: id, Kind: "unknown", Verdict: []string{}, Places: []client.ExplainedPlace{},
		Rows: []client.ExplainedRow{}, Replicas: map[string]string{},
	}
	first, second, isPair := strings.Cut(id, ":")
	var err error
	switch {
	case isPair:
		err = e.pair(first, second)
	case strings.HasPrefix(id, "@"):
		e.out.Kind = kindName
		_, err = e.name(id)
	default:
		err = e.id(first)
	}
	if err != nil {
		return client.Explanation{}, err
	}
	e.conclude()
	return e.out, nil
}

// badID is the answer to what cannot be explained.
func badID(id string) error {
	return social.InvalidField("id", "%q is neither the id of a user or a post nor an @name; put a colon between a post and its reader, or a follower and whom it follows", id)
}

// look asks for rows, which may lie in several partitions.
func (e *explanation) look(keys ...store.Key) []mergedRow {
	var out []mergedRow
	for len(keys) > 0 {
		p := e.store.Ring().PartitionOf(keys[0].Slot)
		here := slices.DeleteFunc(slices.Clone(keys), func(k store.Key) bool { return e.store.Ring().PartitionOf(k.Slot) != p })
		keys = slices.DeleteFunc(slices.Clone(keys), func(k store.Key) bool { return e.store.Ring().PartitionOf(k.Slot) == p })
		answers := e.gather(e.ctx, p, here)
		e.place(p, here[0].Slot, answers)
		for at, k := range here {
			out = append(out, mergeHeld(k, at, answers))
		}
	}
	e.rows = append(e.rows, out...)
	return out
}

// place tells who has a partition, once.
func (e *explanation) place(p store.Partition, slot store.Slot, answers []*held) {
	if slices.ContainsFunc(e.out.Places, func(place client.ExplainedPlace) bool { return place.Partition == int(p) }) {
		return
	}
	place := client.ExplainedPlace{Slot: int(slot), Partition: int(p), Holders: []client.ExplainedOwner{}}
	for _, h := range answers {
		if place.Leader == "" && h.Role == roleOwner && h.Alive {
			place.Leader = h.Node
		}
		place.Holders = append(place.Holders, h.ExplainedOwner)
	}
	e.out.Places = append(e.out.Places, place)
}

// id explains what an id is of.
func (e *explanation) id(text string) error {
	id := strings.ToUpper(text)
	if _, ok := social.SlotOf(id); !ok {
		return badID(text)
	}
	found := e.look(schema.User(id), schema.Credential(id), schema.Post(id))
	switch {
	case found[2].touched():
		e.out.Kind = kindPost
		if post, err := schema.DecodePost(id, found[2].row); err == nil {
			e.look(schema.AuthorPost(post.Author, id))
		}
	case found[0].touched() || found[1].touched():
		e.out.Kind = kindUser
	}
	return nil
}

// name explains who has a name, and gives the user's id, "" for nobody.
func (e *explanation) name(ref string) (user string, err error) {
	name := social.FoldName(strings.TrimPrefix(ref, "@"))
	if name == "" || len(name) > store.MaxSort/2 {
		return "", badID(ref)
	}
	claim, ok := e.look(schema.Name(name))[0].row.First()
	if !ok {
		return "", nil
	}
	user = string(claim.Value)
	e.look(schema.User(user))
	return user, nil
}

// ref gives the id that an id or an @name stands for.
func (e *explanation) ref(text string) (string, error) {
	if !strings.HasPrefix(text, "@") {
		id := strings.ToUpper(text)
		if _, ok := social.SlotOf(id); !ok {
			return "", badID(text)
		}
		return id, nil
	}
	user, err := e.name(text)
	if err == nil && user == "" {
		missing := social.Errorf(social.NotFound, "no node that answers knows an account named %s; explain the name alone to see why", text)
		missing.Field = "id"
		return "", missing
	}
	return user, err
}

// pair explains a follow or a post's entry in a home timeline.
func (e *explanation) pair(first, second string) error {
	a, err := e.ref(first)
	if err != nil {
		return err
	}
	b, err := e.ref(second)
	if err != nil {
		return err
	}
	e.rows = nil // what the names stand for is known
	post := e.look(schema.Post(a))[0]
	if !post.touched() {
		e.out.Kind, e.rows = kindFollow, nil
		e.look(schema.Following(a, b), schema.Follower(b, a))
		return nil
	}
	e.out.Kind = kindHome
	keys := []store.Key{schema.Home(b, a)}
	if p, err := schema.DecodePost(a, post.row); err == nil && p.Author != b {
		keys = append(keys, schema.Following(b, p.Author), schema.Follower(p.Author, b))
	}
	e.look(keys...)
	return nil
}

// conclude tells the rows of which anybody has anything, and what they mean.
func (e *explanation) conclude() {
	key := e.deps.Secret.Key("digests of what is explained")
	for _, m := range e.rows {
		e.noteReplicas(m)
		if m.touched() {
			row := m.explain(key)
			row.Partition = int(e.store.Ring().PartitionOf(m.key.Slot))
			e.out.Rows = append(e.out.Rows, row)
		}
	}
	for _, m := range e.store.View().Members() {
		if e.replica[m.Replica] {
			e.out.Replicas[m.Replica.String()] = string(m.Node)
		}
	}
	e.judge()
}

func (e *explanation) noteReplicas(m mergedRow) {
	for _, h := range m.copies {
		row := h.rows[m.at]
		for _, b := range row.Births {
			e.replica[b.Dot.Replica] = true
		}
		for _, f := range row.Fields {
			e.replica[f.Dot.Replica] = true
		}
	}
}

// judge says in words what is seen and why something is not.
func (e *explanation) judge() {
	say := func(format string, args ...any) { e.out.Verdict = append(e.out.Verdict, fmt.Sprintf(format, args...)) }
	for _, m := range e.rows {
		name := familyName(m.key.Family)
		switch {
		case m.row.Exists():
			say("%s: it is there", name)
		case m.touched():
			say("%s: it was removed, or what it is written to has not come", name)
		case e.mattersWhenMissing(m.key.Family):
			say("%s: no node that answers has anything of it: it never was, was deleted everywhere, or is only on a node that does not answer", name)
		}
		e.judgeCopies(m, name, say)
	}
	for _, place := range e.out.Places {
		e.judgePlace(place, say)
	}
}

// mattersWhenMissing says whether a row of the family is part of what was asked
// for, rather than one of the things that an id might have been of.
func (e *explanation) mattersWhenMissing(f store.Family) bool {
	switch e.out.Kind {
	case kindUser:
		return f == schema.FamilyUser
	case kindPost:
		return f == schema.FamilyPost
	}
	return e.out.Kind != "unknown" || f != schema.FamilyCredential
}

// judgeCopies tells which nodes do not show yet what others have.
func (e *explanation) judgeCopies(m mergedRow, name string, say func(string, ...any)) {
	if !m.touched() {
		return
	}
	final := m.row.Append(nil)
	kept, behind := true, []string{}
	for _, h := range m.copies {
		same := slices.Equal(h.rows[m.at].Append(nil), final)
		kept = kept && (h.Role != roleOwner || h.rows[m.at].IsZero())
		if h.Role == roleOwner && !same {
			behind = append(behind, p2p.NodeID(h.Node).Short())
		}
	}
	if len(behind) == 0 {
		return
	}
	say("%s: not yet as it will be on %s: reads served there show an older state; owners compare within seconds, while they reach one another", name, strings.Join(behind, ", "))
	if kept {
		say("%s: no owner has it: another node keeps it until an owner can be reached, and readers do not see it before", name)
	}
}

// judgePlace tells who of a partition does not serve.
func (e *explanation) judgePlace(place client.ExplainedPlace, say func(string, ...any)) {
	answering := 0
	for _, h := range place.Holders {
		short := p2p.NodeID(h.Node).Short()
		switch {
		case !h.Answers:
			say("partition %d: %s node %s does not answer: %s", place.Partition, h.Role, short, cmp.Or(h.Error, "no reason is known"))
		case h.Role == roleOwner && !h.CaughtUp:
			say("partition %d: node %s is catching up and passes reads on to the other owners", place.Partition, short)
		case h.Role == roleOther:
			say("partition %d: node %s is no owner but has %d writes of it: as a stand-in, or until the owners have proved theirs", place.Partition, short, h.Writes)
		}
		if h.Answers && h.Role == roleOwner {
			answering++
		}
	}
	if answering == 0 {
		say("partition %d: no owner answers, so that it cannot be read: start the owners or mend the links to them", place.Partition)
	}
}
