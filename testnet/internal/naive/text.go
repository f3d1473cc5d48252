package naive

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"

	"grapevine/services/social"
)

// mention is an @ that no name is before, and a name.
var mention = regexp.MustCompile(`(?:^|[^A-Za-z0-9_])@([A-Za-z0-9_]+)`)

// mentioned gives the names that a text mentions, as far as they count.
func mentioned(text string) []string {
	var names []string
	for _, found := range mention.FindAllStringSubmatch(text, -1) {
		name := strings.ToLower(found[1])
		if len(name) <= social.MaxUsername && !slices.Contains(names, name) && len(names) < social.MaxMentions {
			names = append(names, name)
		}
	}
	return names
}

// The vocabulary. Words of digits are stemmed by no language.
const (
	words = 40
	tags  = 8
)

func word(n int) string { return fmt.Sprintf("w%03dx", n) }
func tag(n int) string  { return fmt.Sprintf("tag%dx", n) }

// text makes a post out of words, tags and names.
func text(r *rand.Rand, names []string) string {
	var parts []string
	for range 2 + r.IntN(5) {
		parts = append(parts, word(r.IntN(words)))
	}
	for r.IntN(3) == 0 {
		parts = append(parts, "#"+tag(r.IntN(tags)))
	}
	for len(names) > 0 && r.IntN(4) == 0 {
		parts = append(parts, "@"+names[r.IntN(len(names))])
	}
	return strings.Join(parts, " ")
}
