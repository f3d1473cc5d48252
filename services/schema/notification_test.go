package schema_test

import (
	"testing"

	"grapevine/crdt/hlc"
	"grapevine/services/schema"
	"grapevine/services/social"
)

func FuzzDecodeTold(f *testing.F) {
	for _, kind := range social.NotificationKinds() {
		f.Add(schema.EncodeTold(schema.Told{Kind: kind, Actor: "a", Post: "p", Answers: "q"}))
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		told, err := schema.DecodeTold(born(value))
		if refused(t, err) {
			return
		}
		again, err := schema.DecodeTold(born(schema.EncodeTold(told)))
		same(t, told, again, err)
	})
}

func FuzzDecodeCause(f *testing.F) {
	f.Add(schema.EncodeCause(schema.Cause{At: hlc.At(at), By: "a", Answers: "p"}))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, value []byte) {
		cause, err := schema.DecodeCause(born(value))
		if refused(t, err) {
			return
		}
		again, err := schema.DecodeCause(born(schema.EncodeCause(cause)))
		same(t, cause, again, err)
		_ = schema.Told{Kind: social.NotifyLike}.ID(social.NewID(1, at), cause.At) // whatever its time
	})
}

func FuzzReadMark(f *testing.F) {
	f.Add(schema.EncodeReadMark([]string{"a", "b"}))
	f.Fuzz(func(t *testing.T, value []byte) {
		var mark schema.ReadMark
		refused(t, mark.Add(born(value)))
	})
}

func TestAReadMarkHasWhatItWasMadeOf(t *testing.T) {
	t.Parallel()
	var mark schema.ReadMark
	if err := mark.Add(born(schema.EncodeReadMark([]string{"b", "a", "b"}))); err != nil {
		t.Fatal(err)
	}
	if !mark.Has("a") || !mark.Has("b") || mark.Has("c") {
		t.Error("the mark says something else")
	}
}
