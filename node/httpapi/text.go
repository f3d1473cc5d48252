package httpapi

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// isText says whether JSON is UTF-8 and names no half of a surrogate pair.
func isText(body []byte) bool {
	if !utf8.Valid(body) {
		return false
	}
	for {
		at := bytes.IndexByte(body, '\\')
		if at < 0 || at+1 == len(body) {
			return true
		}
		body = body[at:]
		unit, ok := escapedUnit(body)
		switch {
		case !ok:
			body = body[2:]
		case !utf16.IsSurrogate(unit):
			body = body[6:]
		default:
			second, _ := escapedUnit(body[6:])
			if utf16.DecodeRune(unit, second) == utf8.RuneError {
				return false
			}
			body = body[12:]
		}
	}
}

// escapedUnit reads the UTF-16 unit that b begins with in the form \uXXXX.
func escapedUnit(b []byte) (unit rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return rune(n), err == nil
}

// badField names the first member of a JSON object that is not text, when that is
// what the body is.
func badField(body []byte) string {
	members := json.NewDecoder(bytes.NewReader(body))
	if t, err := members.Token(); err != nil || t != json.Delim('{') {
		return ""
	}
	for members.More() {
		name, err := members.Token()
		if err != nil {
			return ""
		}
		var value json.RawMessage
		if members.Decode(&value) != nil {
			return ""
		}
		if !isText(value) {
			return name.(string)
		}
	}
	return ""
}
