package httpapi

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"grapevine/services/social"
)

func TestHalfOfASurrogatePairIsRefusedNotReplaced(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	for text, want := range map[string]int{
		`\ud83c\udf47`:         201,
		`\uD83C\uDF47 \u00e9`:  201,
		`\\ud800`:              201, // a backslash and five letters
		`\\\\\ud83c\udf47\\`:   201,
		`\ud800`:               400,
		`a\udc00b`:             400,
		`\udf47\ud83c`:         400,
		`\ud83c\ud83c\udf47`:   400,
		`\ud83c\\udf47`:        400,
		`\\\ud83c`:             400,
		`\ud83c \udf47`:        400,
		`\u12`:                 400, // not JSON
		`\ud83c\u`:             400,
		`\`:                    400,
		`\ud83c\udf47\ud83c\u`: 400,
	} {
		rec := send(a, "POST", "/v1/posts", `{"visibility":"public","text":"`+text+`"}`, asAlice...)
		if rec.Code != want {
			t.Errorf("%s: status %d, want %d; %s", text, rec.Code, want, rec.Body)
		}
	}
	rec := send(a, "POST", "/v1/posts", `{"visibility":"public","text":"a\ud800"}`, asAlice...)
	if p := problemOf(t, rec); p.Field != "text" {
		t.Errorf("the field at fault is %q, want text", p.Field)
	}
}

func FuzzTextReachesAPostAsItWasSent(f *testing.F) {
	f.Add("plain")
	f.Add(`\ud83c\udf47`)
	f.Add(`\\\ud83c\u00e9` + "\xff")
	a, w := newAPI(f, nil)
	f.Fuzz(func(t *testing.T, text string) {
		rec := send(a, "POST", "/v1/posts", `{"text":"`+text+`"}`, asAlice...)
		if rec.Code != http.StatusCreated {
			return
		}
		if strings.Count(w.new.Text, "\ufffd") > strings.Count(text, "\ufffd")+strings.Count(strings.ToLower(text), `\ufffd`) {
			t.Errorf("%q became %q", text, w.new.Text)
		}
	})
}

func TestTheLongestTextFitsABodyHoweverItIsEscaped(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, nil)
	for _, grape := range []string{"🍇", `\ud83c\udf47`} {
		body := `{"visibility":"followers","reply_to":"` + postID + `","text":"` + strings.Repeat(grape, social.MaxText) + `"}`
		rec := send(a, "POST", "/v1/posts", body, asAlice...)
		if rec.Code != 201 || w.new.Text != strings.Repeat("🍇", social.MaxText) {
			t.Errorf("%s: status %d", grape, rec.Code)
		}
		longer, _ := json.Marshal(map[string]string{"text": strings.Repeat("🍇", social.MaxText+1)})
		if rec := send(a, "POST", "/v1/posts", string(longer), asAlice...); rec.Code != 422 || problemOf(t, rec).Field != "text" {
			t.Errorf("one character more: status %d", rec.Code)
		}
	}
}
