package torture

import (
	"slices"
	"strings"
	"testing"
)

// script makes a journal out of lines such as "post p1 2": an act, what it is
// about, and its copies, where 0 is an unknown outcome. "settled 3" and "disk-lost"
// are marks. All acts are of one user, who follows others by their ids, and every
// edit of a post says "edit N", N being the number of its line, counted from 1.
func script(lines ...string) []Entry {
	entries := []Entry{{Act: SignUp, User: "u", Name: "una", Copies: 3}}
	marks := 0
	for i, line := range lines {
		words := strings.Fields(line)
		e := Entry{Act: Act(words[0]), User: "u", Begun: marks, Copies: int(words[len(words)-1][0] - '0')}
		switch e.Act {
		case Settled:
			marks++
		case DiskLost:
			e.Copies = 0
			marks++
		case Follow, Unfollow:
			e.Other = words[1]
		case Edit:
			e.Post, e.Text = words[1], "edit "+string(rune('1'+i))
		case Post:
			e.Post, e.Text = words[1], "new"
		default:
			e.Post = words[1]
		}
		entries = append(entries, e)
	}
	return entries
}

func TestAPostIsExpectedAsItsAuthorWasTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		journal               string
		stands, gone, excused bool
		texts                 string
	}{
		{"post p 2", true, false, false, "new"},
		{"post p 2; delete p 2", false, true, false, "new"},
		{"post p 2; delete p 0", true, true, false, "new"},
		{"post p 2; delete p 0; delete p 2", false, true, false, "new"},
		{"post p 2; edit p 2", true, false, false, "edit 2"},
		{"post p 2; edit p 0", true, false, false, "new,edit 2"},
		{"post p 2; edit p 0; edit p 2", true, false, false, "edit 3,edit 2"},
		{"post p 2; edit p 0; settled 3; edit p 2", true, false, false, "edit 4"},
		{"post p 1; disk-lost", true, true, true, "new"},
		{"post p 2; disk-lost", true, false, false, "new"},
		{"post p 2; disk-lost; disk-lost", true, true, true, "new"},
		{"post p 1; settled 3; disk-lost", true, false, false, "new"},
		{"post p 1; settled 2; disk-lost; disk-lost", true, true, true, "new"},
		{"disk-lost; post p 1", true, false, false, "new"},
		{"post p 2; delete p 1; disk-lost", true, true, true, "new"},
		{"post p 3; edit p 1; disk-lost", true, false, true, "edit 2,new"},
	} {
		x := Expect(script(strings.Split(c.journal, "; ")...))
		f := x.Users["u"].Posts["p"]
		if f.Stands != c.stands || f.Gone != c.gone || f.Excused != c.excused || strings.Join(f.Texts, ",") != c.texts {
			t.Errorf("%s: %+v", c.journal, *f)
		}
		if (x.Excused > 0) != c.excused {
			t.Errorf("%s: %d excused", c.journal, x.Excused)
		}
	}
}

func TestAFollowIsExpectedAsTheLastAcknowledgedActSaid(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		journal      string
		stands, gone bool
	}{
		{"follow o 2", true, false},
		{"follow o 0", true, true},
		{"follow o 2; unfollow o 2", false, true},
		{"follow o 2; unfollow o 0", true, true},
		{"unfollow o 0; follow o 2", true, true},
		{"follow o 0; unfollow o 2", true, true},
		{"follow o 0; settled 3; unfollow o 2", false, true},
		{"follow o 2; unfollow o 1; disk-lost", true, true},
		{"follow o 1; disk-lost", true, true},
		{"follow o 1; disk-lost; follow o 2", true, false},
		{"follow o 2; disk-lost; unfollow o 2", false, true},
	} {
		f := Expect(script(strings.Split(c.journal, "; ")...)).Users["u"].Follows["o"]
		if f.Stands != c.stands || f.Gone != c.gone {
			t.Errorf("%s: %+v", c.journal, *f)
		}
	}
}

// answer is what a node says that lists these posts, as "id=text".
func answer(node int, posts ...string) Answers {
	a := Answers{Node: node, User: "u", Known: true, Posts: map[string]string{}, Follows: map[string]bool{}, Read: map[string]bool{}}
	for _, p := range posts {
		id, text, _ := strings.Cut(p, "=")
		a.Posts[id] = text
	}
	return a
}

func TestTheVerdictNamesEveryKindOfBrokenPromise(t *testing.T) {
	t.Parallel()
	follows := answer(1)
	follows.Follows["o"] = true
	home := answer(1)
	home.Home = []string{"p"}
	stuck := answer(1, "p=new")
	stuck.Stuck = "503"
	unread := answer(1, "p=new")
	unread.Read["p"] = false
	for _, c := range []struct {
		journal string
		answers []Answers
		want    []string
	}{
		{"post p 2", []Answers{answer(1, "p=new"), answer(2, "p=new")}, nil},
		{"post p 2", []Answers{answer(1)}, []string{Lost}},
		{"post p 2; edit p 2", []Answers{answer(1, "p=new")}, []string{Lost}},
		{"post p 2; delete p 2", []Answers{answer(1)}, nil},
		{"post p 2; delete p 2", []Answers{answer(1, "p=new")}, []string{Resurrected}},
		{"post p 2; delete p 2", []Answers{home}, []string{Resurrected}},
		{"post p 2; delete p 0", []Answers{answer(1, "p=new"), answer(2)}, []string{Divided}},
		{"post p 2; delete p 0", []Answers{answer(1), answer(2)}, nil},
		{"post p 1; disk-lost", []Answers{answer(1), answer(2)}, nil},
		{"follow o 2", []Answers{follows}, nil},
		{"follow o 2", []Answers{answer(1)}, []string{Lost}},
		{"follow o 2; unfollow o 2", []Answers{follows}, []string{Resurrected}},
		{"follow p 2; unfollow p 2", []Answers{follows}, []string{Strange}},
		{"post p 2", []Answers{answer(1, "p=new", "q=what")}, []string{Strange}},
		{"post p 2", []Answers{answer(1, "p=new", "q=new")}, []string{Strange}},
		{"post p 2", []Answers{{Node: 1, User: "u"}}, []string{Lost}},
		{"post p 2", []Answers{stuck}, []string{Stuck}},
		{"post p 2; edit p 1; disk-lost", []Answers{stuck}, nil},
		{"post p 2", []Answers{unread}, []string{Divided}},
	} {
		v := Judge(Expect(script(strings.Split(c.journal, "; ")...)), c.answers)
		var got []string
		for _, f := range v.Faults {
			got = append(got, f.Kind)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.journal, v.Faults, c.want)
		}
	}
}

func TestAPostOfUnknownOutcomeIsNotStrange(t *testing.T) {
	t.Parallel()
	journal := append(script("post p 2"), Entry{Act: Post, User: "u", Text: "maybe"})
	for _, a := range []Answers{answer(1, "p=new", "q=maybe"), answer(1, "p=new")} {
		if v := Judge(Expect(journal), []Answers{a}); len(v.Faults) > 0 {
			t.Errorf("%v", v.Faults)
		}
	}
}

func TestAPostMadeTwiceUnderOneKeyIsCountedAndIsNoFault(t *testing.T) {
	t.Parallel()
	journal := append(script("post p 2"), Entry{Act: Post, User: "u", Text: "new"})
	a := answer(1, "p=new", "q=new")
	if v := Judge(Expect(journal), []Answers{a, a}); len(v.Faults) > 0 || v.Twice != 1 {
		t.Errorf("%d twice, %v", v.Twice, v.Faults)
	}
}

func TestAPermittedLossIsCountedOnceAndIsNoFault(t *testing.T) {
	t.Parallel()
	x := Expect(script("post p 1", "disk-lost", "post q 2"))
	v := Judge(x, []Answers{answer(1, "q=new"), answer(2, "q=new")})
	if len(v.Faults) != 0 || v.ExcusedLost != 1 || x.Excused != 1 {
		t.Errorf("%+v of %d excused", v, x.Excused)
	}
}
