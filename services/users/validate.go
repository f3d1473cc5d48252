package users

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"grapevine/services/social"
)

func validateNew(n social.NewUser) error {
	if err := validateName(n.Username); err != nil {
		return err
	}
	if err := validatePassword("password", n.Password); err != nil {
		return err
	}
	if len(n.Key) > social.MaxKey {
		return social.InvalidField("Idempotency-Key", "must have at most %d bytes", social.MaxKey)
	}
	return validatePatch(social.UserPatch{DisplayName: &n.DisplayName, Bio: &n.Bio})
}

// validateName checks a folded name that somebody wants.
func validateName(name string) error {
	if !validName(name) {
		return social.InvalidField("username", "must be 1 to %d of a-z, 0-9 and _", social.MaxUsername)
	}
	if social.Reserved(name) {
		return social.InvalidField("username", "%s is reserved; choose another", name)
	}
	return nil
}

func validatePassword(field, p string) error {
	if !utf8.ValidString(p) {
		return social.InvalidField(field, "must be valid UTF-8")
	}
	if n := utf8.RuneCountInString(p); n < social.MinPassword || n > social.MaxPassword {
		return social.InvalidField(field, "must have %d to %d characters", social.MinPassword, social.MaxPassword)
	}
	return nil
}

// validateAvatar takes what a page can show without harm: an https URL, or an id
// that cannot be read as a URL of another scheme.
func validateAvatar(avatar string) error {
	if avatar == "" {
		return nil
	}
	if len(avatar) > social.MaxAvatar {
		return social.InvalidField("avatar", "must have at most %d bytes, has %d", social.MaxAvatar, len(avatar))
	}
	if !strings.ContainsFunc(avatar, func(r rune) bool { return !isIDRune(r) }) {
		return nil
	}
	u, err := url.Parse(avatar)
	odd := strings.ContainsFunc(avatar, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("\"'<>\\`{}|^", r) })
	if err != nil || odd || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return social.InvalidField("avatar", "must be an https URL, or an id of letters, digits and . _ ~ -")
	}
	return nil
}

func isIDRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._~-", r)
}

func validatePatch(p social.UserPatch) error {
	if p.Username != nil {
		if err := validateName(*p.Username); err != nil {
			return err
		}
	}
	if p.Avatar != nil {
		if err := validateAvatar(*p.Avatar); err != nil {
			return err
		}
	}
	if p.DisplayName != nil {
		if err := validateText("display_name", *p.DisplayName, social.MaxDisplayName, unicode.IsControl); err != nil {
			return err
		}
		if *p.DisplayName != "" && strings.TrimSpace(*p.DisplayName) == "" {
			return social.InvalidField("display_name", "must not be only white space")
		}
	}
	if p.Bio != nil {
		return validateText("bio", *p.Bio, social.MaxBio, func(r rune) bool {
			return unicode.IsControl(r) && r != '\n' && r != '\t'
		})
	}
	return nil
}

func validateText(field, text string, most int, refused func(rune) bool) error {
	if !utf8.ValidString(text) {
		return social.InvalidField(field, "must be valid UTF-8")
	}
	if n := utf8.RuneCountInString(text); n > most {
		return social.InvalidField(field, "must have at most %d characters, has %d", most, n)
	}
	if strings.ContainsFunc(text, refused) {
		return social.InvalidField(field, "must not contain control characters")
	}
	return nil
}
