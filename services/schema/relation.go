package schema

import (
	"fmt"

	"grapevine/crdt"
	"grapevine/store"
)

// The families of how accounts stand to one another beside follows.
const (
	FamilyAgreed    store.Family = 30
	FamilyAsked     store.Family = 31
	FamilyEnded     store.Family = 32
	FamilyBlock     store.Family = 33
	FamilyBlockedBy store.Family = 34
	FamilyMute      store.Family = 35
	FamilyMutedBy   store.Family = 36
)

// Agreed is the key of the fact that a user wants to be friends with another. Two
// who both do are friends.
func Agreed(user, other string) store.Key { return pair(FamilyAgreed, user, other) }

// Asked is the key of Agreed's mirror on the other's side.
func Asked(user, other string) store.Key { return pair(FamilyAsked, user, other) }

// Ended is the key of an act, an id, by which a user ended what another had agreed
// to with the user before. Each act has a row of its own, so that fan-out can
// remove the row of one it has seen to and never that of a later one.
func Ended(user, other, act string) store.Key {
	return pair(FamilyEnded, user, other+separator+act)
}

// EndedBetween selects the acts by which a user ended what another had agreed to and
// that fan-out has not seen to, up to a limit.
func EndedBetween(user, other string, limit int) store.Range {
	return store.Range{Slot: slot(user), Family: FamilyEnded, Prefix: user + separator + other + separator, Limit: limit}
}

// SplitEnded gives the parts of the key of an act.
func SplitEnded(k store.Key) (user, other string) {
	user, rest, _ := Split(k)
	other, _, _ = Split(store.Key{Sort: rest})
	return user, other
}

// Block is the key of the fact that a user blocks another.
func Block(blocker, blocked string) store.Key { return pair(FamilyBlock, blocker, blocked) }

// BlockedBy is the key of Block's mirror on the blocked one's side.
func BlockedBy(blocked, blocker string) store.Key { return pair(FamilyBlockedBy, blocked, blocker) }

// Mute is the key of the fact that a user does not want another in timelines.
func Mute(muter, muted string) store.Key { return pair(FamilyMute, muter, muted) }

// MutedBy is the key of Mute's mirror on the muted one's side. Nobody is shown it:
// it tells what to remove with an account.
func MutedBy(muted, muter string) store.Key { return pair(FamilyMutedBy, muted, muter) }

// Ending is what an act ends: the other's agreement to be friends or, beyond that,
// also the other's follow.
type Ending uint8

// The endings. Their numbers are on disk.
const (
	EndsFriendship Ending = 1
	EndsAll        Ending = 2
)

// EncodeEnding gives the value of the row of an act.
func EncodeEnding(e Ending) []byte { return []byte{byte(e)} }

// DecodeEnding reads the row of an act.
func DecodeEnding(row crdt.Row) (Ending, error) {
	value, err := birthValue(row)
	if err != nil {
		return 0, err
	}
	if len(value) != 1 || Ending(value[0]) != EndsFriendship && Ending(value[0]) != EndsAll {
		return 0, fmt.Errorf("%w: ending %x", ErrMalformed, value)
	}
	return Ending(value[0]), nil
}
