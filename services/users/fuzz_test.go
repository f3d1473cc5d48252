package users

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"testing"
	"time"

	"grapevine/services/social"
)

// A text that opens is of a token that was issued.
func FuzzOpenToken(f *testing.F) {
	key, err := tokenKey([32]byte{1})
	if err != nil {
		f.Fatal(err)
	}
	expires := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	who := social.Identity{User: "01ARZ3NDEKTSV4RRFFQ69G5FAV", TokenID: "token", Expires: expires}
	f.Add(issue(key, grant{who, ""}))
	f.Add(issue(key, grant{who, "second"}))
	f.Add("v4.local.AAAA")
	f.Add("v4.public.")
	f.Fuzz(func(t *testing.T, token string) {
		got, err := open(key, token)
		if err == nil && (got.User != who.User || got.TokenID != who.TokenID || !got.Expires.Equal(who.Expires)) {
			t.Errorf("%q opens as %+v", token, got)
		}
	})
}

// A PHC string that is taken asks for bounded work.
func FuzzParsePHC(f *testing.F) {
	const format = "$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s"
	for _, memory := range []int{64, 1 << 30} {
		f.Add(fmt.Sprintf(format, memory, 1, 1, "AAAAAAAAAAAAAAAAAAAAAA", "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA"))
	}
	f.Fuzz(func(t *testing.T, phc string) {
		c, salt, hash, err := parsePHC(phc)
		if err != nil {
			return
		}
		if c.Memory > 64<<10 || c.Time > 10 || c.Threads > 4 || len(salt) > 64 || len(hash) > 64 {
			t.Errorf("%q asks for %+v", phc, c)
		}
		b64 := base64.RawStdEncoding
		again, salt2, hash2, err := parsePHC(fmt.Sprintf(format, c.Memory, c.Time, c.Threads, b64.EncodeToString(salt), b64.EncodeToString(hash)))
		if err != nil || again != c || !reflect.DeepEqual([][]byte{salt, hash}, [][]byte{salt2, hash2}) {
			t.Errorf("%q comes back as %+v, %v", phc, again, err)
		}
	})
}
