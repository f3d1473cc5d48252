package posts

import (
	"slices"
	"strings"

	"grapevine/services/social"
)

// named gives the usernames that a text mentions as @name, folded, each once, at
// most social.MaxMentions. An @ within a word, as in an e-mail address, mentions
// nobody, nor does a name that is too long to be one.
func named(text string) []string {
	var names []string
	for at := 0; len(names) < social.MaxMentions; {
		i := strings.IndexByte(text[at:], '@')
		if i < 0 {
			break
		}
		i += at
		at = i + 1
		for at < len(text) && isNameByte(text[at]) {
			at++
		}
		if i > 0 && isNameByte(text[i-1]) || at == i+1 || at-i-1 > social.MaxUsername {
			continue
		}
		if name := social.FoldName(text[i+1 : at]); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}
