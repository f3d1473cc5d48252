package posts

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"grapevine/services/social"
)

func TestMentionsAreFoundInText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                            nil,
		"no one":                      nil,
		"@":                           nil,
		"@ ann":                       nil,
		"@ann":                        {"ann"},
		"hi @Ann, (@bob_2)!":          {"ann", "bob_2"},
		"@ann @ANN @ann":              {"ann"},
		"ann@example.com":             nil,
		"@@ann":                       {"ann"},
		"@ann@bob":                    {"ann"},
		"é@ann":                       {"ann"},
		"@" + strings.Repeat("x", 33): nil,
	} {
		if got := named(text); !slices.Equal(got, want) {
			t.Errorf("%q mentions %q, want %q", text, got, want)
		}
	}
}

func TestMentionsAreBounded(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 100 {
		fmt.Fprintf(&text, "@user%d ", i)
	}
	if got := named(text.String()); len(got) != social.MaxMentions || got[0] != "user0" {
		t.Errorf("%d mentions from %q on", len(got), got[0])
	}
}
