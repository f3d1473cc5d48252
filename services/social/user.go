package social

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
	"time"
)

// User is an account as everybody sees it.
type User struct {
	ID          string    `json:"id"`
	Username    string    `json:"username"`
	DisplayName string    `json:"display_name"`
	Bio         string    `json:"bio"`
	Avatar      string    `json:"avatar,omitempty" doc:"An https URL, or the id of a picture kept elsewhere."`
	CreatedAt   time.Time `json:"created_at"`
}

// NewUser is what signing up takes.
type NewUser struct {
	Username    string
	Password    string
	DisplayName string // the username when empty
	Bio         string
	// Key makes the sign-up safe to repeat: with the same key and password it gives
	// the same account. At most MaxKey bytes, none when empty.
	Key string
}

// UserPatch changes the fields that are not nil.
type UserPatch struct {
	Username    *string
	DisplayName *string
	Bio         *string
	Avatar      *string // none when empty
}

// Notice is something that the system did to an account and tells its owner.
type Notice struct {
	ID          string    `json:"id"`
	Kind        string    `json:"kind" enum:"renamed" doc:"renamed: an earlier claim to the username came to light when a split of the cluster healed, and the account was given another."`
	At          time.Time `json:"at"`
	OldUsername string    `json:"old_username"`
	NewUsername string    `json:"new_username" doc:"Log in with it; the password is the same."`
}

// NoticeRenamed is the Kind of a notice that the account lost its name to an
// earlier claim.
const NoticeRenamed = "renamed"

// Bounds of a user's texts, in characters.
//
// A username is 1 to MaxUsername of a-z, 0-9 and _, and not Reserved. Upper case is
// folded, so that no two names differ by it and I does not pass for l. Nothing
// beyond ASCII is taken: each name is its own NFKC form, and no letter of another
// script passes for one of it. Digits are told from letters that resemble them, as
// otherwise user1 would keep out userl.
const (
	MaxUsername    = 32
	MinPassword    = 8
	MaxPassword    = 256
	MaxDisplayName = 64
	MaxBio         = 500
	MaxAvatar      = 500 // bytes
)

// Reserved says whether a name is not to be had: with it an account would pass for
// those who run the service. A digit that looks like a letter counts as that
// letter. The list is short, and holds no name that people on real networks have, as
// some are called root.
func Reserved(name string) bool {
	looks := strings.NewReplacer("0", "o", "1", "i", "3", "e", "4", "a", "5", "s").Replace(FoldName(name))
	switch looks {
	case "admin", "grapevine", "moderator", "official", "security", "staff", "support", "system":
		return true
	}
	return false
}

// SubstituteName gives the i-th name that a user may be given in place of one that
// was lost. The same always follows from the same.
func SubstituteName(lost, user string, i int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", lost, user, i))
	suffix := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:4])
	return lost[:min(len(lost), MaxUsername-len(suffix)-1)] + "_" + suffix
}
