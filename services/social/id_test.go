package social_test

import (
	"strings"
	"testing"
	"time"

	"grapevine/services/social"
)

func TestAnIDCarriesItsSlotAndItsTime(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	for _, slot := range []uint16{0, 1, 0x8000, 0xffff} {
		id := social.NewID(slot, at)
		if got, ok := social.SlotOf(id); !ok || got != slot {
			t.Errorf("slot %d, %v; want %d", got, ok, slot)
		}
		if got := social.TimeOf(id); !got.Equal(at) {
			t.Errorf("made at %s, want %s", got, at)
		}
		if len(id) != 26 || id == social.NewID(slot, at) {
			t.Errorf("%s is not an id of its own", id)
		}
	}
}

func TestIDsSortByTimeWhateverTheirSlots(t *testing.T) {
	t.Parallel()
	at := time.Now()
	earlier, later := social.NewID(0xffff, at), social.NewID(0, at.Add(time.Millisecond))
	if earlier >= later {
		t.Errorf("%s is not before %s", earlier, later)
	}
}

func TestWhatIsSpelledOtherwiseIsNoID(t *testing.T) {
	t.Parallel()
	id := social.NewID(1, time.Now())
	for _, other := range []string{
		"", "@ada", id[1:], id + "0", " " + id[1:], strings.ToLower(id), "8" + strings.Repeat("Z", 25),
		id[:25] + "U", id[:25] + "/", strings.Repeat("\x00", 26), strings.Repeat("é", 13),
	} {
		if slot, ok := social.SlotOf(other); ok {
			t.Errorf("%q is an id on slot %d", other, slot)
		}
		if at := social.TimeOf(other); strings.ToUpper(other) != id && !at.IsZero() {
			t.Errorf("%q was made at %s", other, at)
		}
	}
}

func TestNamesFoldTheLettersOfASCIIAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Ada_99": "ada_99", "ÀB": "Àb", "\u212aelvin": "\u212aelvin", "\u0130": "\u0130", "@Z[": "@z[", "": "",
	} {
		if got := social.FoldName(name); got != want {
			t.Errorf("%q folds to %q, want %q", name, got, want)
		}
	}
	if social.NameSlot("ADA") != social.NameSlot("ada") {
		t.Error("spellings of one name lie on different slots")
	}
}

// What passes for an id is spelled in one way only, and nothing else has a time.
func FuzzSlotOf(f *testing.F) {
	f.Add(social.NewID(7, time.Now()))
	f.Add("7ZZZZZZZZZZZZZZZZZZZZZZZZZ")
	f.Add("01arz3ndektsv4rrffq69g5fav")
	f.Fuzz(func(t *testing.T, id string) {
		slot, ok := social.SlotOf(id)
		if !ok {
			return
		}
		if len(id) != 26 || strings.ToUpper(id) != id {
			t.Errorf("%q is an id", id)
		}
		same := social.NewID(slot, social.TimeOf(id))
		if again, ok := social.SlotOf(same); !ok || again != slot || same[:10] != id[:10] {
			t.Errorf("%s and %s are of one slot and time", id, same)
		}
	})
}
