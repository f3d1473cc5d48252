package social_test

import (
	"strings"
	"testing"
	"time"

	"grapevine/services/social"
)

func TestASubstituteForANameIsAlwaysTheSameAndFits(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ann, bob := social.NewID(1, at), social.NewID(1, at)
	for _, lost := range []string{"a", "ada", strings.Repeat("x", social.MaxUsername)} {
		seen := map[string]bool{}
		for i := range 8 {
			for _, user := range []string{ann, bob} {
				name := social.SubstituteName(lost, user, i)
				if name != social.SubstituteName(lost, user, i) || len(name) > social.MaxUsername || seen[name] || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz234567_") != "" {
					t.Errorf("%s for %s", name, lost)
				}
				if !strings.HasPrefix(name, lost[:min(len(lost), social.MaxUsername-5)]+"_") {
					t.Errorf("%s does not tell of %s", name, lost)
				}
				seen[name] = true
			}
		}
	}
}

func TestADerivedIDFollowsFromAllItIsMadeOf(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	id := social.DerivedID(7, at, "a", "b")
	slot, ok := social.SlotOf(id)
	if !ok || slot != 7 || !social.TimeOf(id).Equal(at) || id != social.DerivedID(7, at, "a", "b") {
		t.Errorf("id %s of slot %d, %v", id, slot, ok)
	}
	for _, other := range []string{social.DerivedID(7, at, "ab"), social.DerivedID(8, at, "a", "b"), social.DerivedID(7, at.Add(time.Millisecond), "a", "b")} {
		if other == id {
			t.Errorf("%s of something else", id)
		}
	}
}

func TestAReservedNameIsOneInAnySpelling(t *testing.T) {
	for name, want := range map[string]bool{"admin": true, "ADM1N": true, "5yst3m": true, "administrator": false, "root": false, "admin_": false, "": false} {
		if social.Reserved(name) != want {
			t.Errorf("%q is reserved: %v", name, !want)
		}
	}
}
