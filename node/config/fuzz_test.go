package config_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"grapevine/node/config"
)

func FuzzParseSecret(f *testing.F) {
	f.Add(strings.Repeat("0f", 32) + "\n")
	f.Add(strings.Repeat("g", 64))
	f.Fuzz(func(t *testing.T, text string) {
		s, err := config.ParseSecret(text)
		if err != nil {
			if digits := strings.TrimSpace(text); digits != "" && strings.Contains(err.Error(), digits) && len(digits) > 8 {
				t.Errorf("the error repeats the secret: %v", err)
			}
			return
		}
		if again, err := config.ParseSecret(hex.EncodeToString(s[:])); err != nil || again != s {
			t.Errorf("%q comes back as another secret, %v", text, err)
		}
	})
}
