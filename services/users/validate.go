package users

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"grapevine/services/social"
)

func validateNew(n social.NewUser) error {
	if !validName(n.Username) {
		return social.InvalidField("username", "must be 1 to %d of a-z, 0-9 and _", social.MaxUsername)
	}
	if err := validatePassword(n.Password); err != nil {
		return err
	}
	return validatePatch(social.UserPatch{DisplayName: &n.DisplayName, Bio: &n.Bio})
}

func validatePassword(p string) error {
	if !utf8.ValidString(p) {
		return social.InvalidField("password", "must be valid UTF-8")
	}
	if n := utf8.RuneCountInString(p); n < social.MinPassword || n > social.MaxPassword {
		return social.InvalidField("password", "must have %d to %d characters", social.MinPassword, social.MaxPassword)
	}
	return nil
}

func validatePatch(p social.UserPatch) error {
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
