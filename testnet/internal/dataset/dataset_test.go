package dataset

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func free(string) bool { return false }

func open(t *testing.T, file, content string, limit int, reserved func(string) bool) (*Dataset, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	sets, err := Open(dir, limit, reserved)
	if err != nil {
		return nil, err
	}
	return sets[0], nil
}

func TestAnEdgeMakesTwoFollowsAndARepeatedOneNoMore(t *testing.T) {
	t.Parallel()
	d, err := open(t, "edges.txt", "# who knows whom\n0 7\n7 0\n\n0 3\n3 3\n", 0, free)
	if err != nil {
		t.Fatal(err)
	}
	want := []Follow{{0, 1}, {1, 0}, {0, 2}, {2, 0}}
	if !slices.Equal(d.Follows, want) {
		t.Errorf("follows %v, want %v", d.Follows, want)
	}
	if d.Users[1] != (User{Username: "fb_7", DisplayName: "person0007"}) {
		t.Errorf("second person is %+v", d.Users[1])
	}
}

func TestALineThatIsNoEdgeIsNamed(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"1", "1 2 3", "one two", "-1 2"} {
		_, err := open(t, "edges.txt", "0 1\n"+line+"\n", 0, free)
		if err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: got %v, want an error naming line 2", line, err)
		}
	}
}

const talk = `{"id":"d/0","author":"Ann","text":"hello"}
{"id":"d/1","author":"bob|away","text":"Ann: hi","reply_to":"d/0"}
{"id":"d/2","author":"bob|away","text":"still here","reply_to":"d/1"}
{"id":"d/3","author":"bob|away","text":"Ann: really","reply_to":"d/0"}
{"id":"d/4","author":"ann","text":"who?"}
`

func TestTheAuthorOfAReplyFollowsTheOneAnsweredOnceAndNeverThemselves(t *testing.T) {
	t.Parallel()
	d, err := open(t, "posts.ndjson", talk, 0, free)
	if err != nil {
		t.Fatal(err)
	}
	if want := []Follow{{1, 0}}; !slices.Equal(d.Follows, want) {
		t.Errorf("follows %v, want %v", d.Follows, want)
	}
	if want := (Post{Author: 1, Text: "still here", ReplyTo: 1}); d.Posts[2] != want {
		t.Errorf("third post %+v, want %+v", d.Posts[2], want)
	}
}

func TestUsernamesAreValidAndDistinct(t *testing.T) {
	t.Parallel()
	d, err := open(t, "posts.ndjson", talk, 0, func(name string) bool { return name == "ann" })
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, u := range d.Users {
		names = append(names, u.Username)
	}
	if want := []string{"ann_2", "bob_away", "ann_3"}; !slices.Equal(names, want) {
		t.Errorf("names %v, want %v", names, want)
	}
}

func TestLongNicksThatShareTheirBeginningStayDistinctAndWithinBounds(t *testing.T) {
	t.Parallel()
	n := namer{reserved: free, taken: map[string]bool{}}
	long := strings.Repeat("y", 40)
	a, b, c := n.name(long+"1"), n.name(long+"2"), n.name("fb_12")
	if a == b || len(a) > maxUsername || len(b) > maxUsername {
		t.Errorf("got %s and %s", a, b)
	}
	if c != "xfb_12" {
		t.Errorf("a nick may not take a name of the edges: got %s", c)
	}
}

func TestALimitReadsTheBeginningOfTheSameConversation(t *testing.T) {
	t.Parallel()
	whole, err := open(t, "posts.ndjson", talk, 0, free)
	if err != nil {
		t.Fatal(err)
	}
	part, err := open(t, "posts.ndjson", talk, 2, free)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(part.Posts, whole.Posts[:2]) || part.Limit != 2 {
		t.Errorf("got %+v", part)
	}
	a, errA := whole.Fingerprint()
	b, errB := part.Fingerprint()
	if errA != nil || errB != nil || a == b {
		t.Errorf("fingerprints %s (%v) and %s (%v) must differ", a, errA, b, errB)
	}
}

func TestAReplyToNothingEarlierIsRefused(t *testing.T) {
	t.Parallel()
	for _, lines := range []string{
		`{"id":"a","author":"x","text":"t","reply_to":"b"}` + "\n" + `{"id":"b","author":"x","text":"t"}`,
		`{"id":"a","author":"x","text":"t"}` + "\n" + `{"id":"a","author":"x","text":"t"}`,
		`{"id":"a","author":"x","te`,
	} {
		if d, err := open(t, "posts.ndjson", lines, 0, free); err == nil {
			t.Errorf("%s: read as %+v", lines, d)
		}
	}
}

func TestADirectoryWithoutDataSaysWhatItShouldHold(t *testing.T) {
	t.Parallel()
	_, err := Open(t.TempDir(), 0, free)
	if err == nil || !strings.Contains(err.Error(), "posts.ndjson") {
		t.Fatalf("got %v", err)
	}
}
