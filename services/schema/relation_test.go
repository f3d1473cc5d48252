package schema_test

import (
	"testing"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

func TestHowTwoAccountsStandLiesInTheSlotOfTheFirst(t *testing.T) {
	user, other := social.NewID(7, at), social.NewID(9, at)
	act := social.NewID(7, at)
	for _, k := range []store.Key{
		schema.Agreed(user, other), schema.Asked(user, other), schema.Ended(user, other, act), schema.Block(user, other),
		schema.BlockedBy(user, other), schema.Mute(user, other), schema.MutedBy(user, other),
	} {
		if owner, _, _ := schema.Split(k); k.Slot != 7 || owner != user || len(k.Sort) > store.MaxSort {
			t.Errorf("%v", k)
		}
	}
}

func TestTheActsThatEndedSomethingAreFoundByTheTwoTheyParted(t *testing.T) {
	user, other := social.NewID(7, at), social.NewID(9, at)
	k := schema.Ended(user, other, social.NewID(7, at))
	if u, o := schema.SplitEnded(k); u != user || o != other {
		t.Errorf("%s and %s", u, o)
	}
	r := schema.EndedBetween(user, other, 1)
	if r.Slot != k.Slot || r.Family != k.Family || k.Sort[:len(r.Prefix)] != r.Prefix {
		t.Errorf("%+v does not select %v", r, k)
	}
}

func FuzzDecodeEnding(f *testing.F) {
	f.Add(schema.EncodeEnding(schema.EndsFriendship))
	f.Add(schema.EncodeEnding(schema.EndsAll))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, value []byte) {
		e, err := schema.DecodeEnding(born(value))
		if refused(t, err) {
			return
		}
		again, err := schema.DecodeEnding(born(schema.EncodeEnding(e)))
		same(t, e, again, err)
	})
}
