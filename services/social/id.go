package social

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/zeebo/xxh3"
)

// Ids are 26-character ULIDs: they sort by time, and the random part begins with
// the 16-bit slot of the ring that the thing lives on, so that any node routes
// any id without a look-up.

// NewID makes an id on a slot. A post takes the slot of its author, a user a
// random one.
func NewID(slot uint16, at time.Time) string {
	var id ulid.ULID
	if err := id.SetTime(ulid.Timestamp(at)); err != nil {
		panic(err) // a wall clock beyond the year 10889
	}
	rand.Read(id[6:])
	binary.BigEndian.PutUint16(id[6:], slot)
	return id.String()
}

// DerivedID makes the id on a slot that always follows from a time and some texts.
func DerivedID(slot uint16, at time.Time, of ...string) string {
	var id ulid.ULID
	if err := id.SetTime(ulid.Timestamp(at)); err != nil {
		panic(err) // a wall clock beyond the year 10889
	}
	sum := sha256.Sum256([]byte(strings.Join(of, "\x00")))
	binary.BigEndian.PutUint16(id[6:], slot)
	copy(id[8:], sum[:])
	return id.String()
}

// RandomSlot gives the slot of a new user.
func RandomSlot() uint16 {
	var b [2]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint16(b[:])
}

// SlotOf gives the slot of an id and whether it is one. Ids are upper case.
func SlotOf(id string) (slot uint16, ok bool) {
	for i := range len(id) {
		if id[i] >= 'a' { // ParseStrict reads lower case too
			return 0, false
		}
	}
	u, err := ulid.ParseStrict(id)
	if err != nil {
		return 0, false
	}
	return binary.BigEndian.Uint16(u[6:]), true
}

// TimeOf gives when a valid id was made, to the millisecond, in UTC.
func TimeOf(id string) time.Time {
	u, err := ulid.ParseStrict(id)
	if err != nil {
		return time.Time{}
	}
	return ulid.Time(u.Time()).UTC()
}

// NameSlot gives the slot of a username.
func NameSlot(name string) uint16 { return uint16(xxh3.HashString("name\x00" + FoldName(name))) }

// FoldName gives the form of a username in which names are compared: a letter of
// ASCII in lower case, and all else as it is, so that no other character, such
// as the sign of the kelvin, passes for one.
func FoldName(name string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		return c
	}, name)
}
