package sample

import (
	"strings"
	"testing"
)

func TestTheVillageIsWholeAndTalksToEachOther(t *testing.T) {
	d, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	var replies, mentions int
	for i, p := range d.Posts {
		if p.ReplyTo >= i {
			t.Errorf("post %d answers the later post %d", i, p.ReplyTo)
		}
		if p.ReplyTo >= 0 {
			replies++
		}
		if strings.Contains(p.Text, "@") {
			mentions++
		}
	}
	if len(d.Users) < 12 || len(d.Posts) < 60 || replies < 20 || mentions < 10 {
		t.Fatalf("%d people, %d posts, %d replies, %d mentions: too quiet", len(d.Users), len(d.Posts), replies, mentions)
	}
	for _, f := range d.Follows {
		if d.Users[f.To].Username == Visitor {
			t.Errorf("%s follows the visitor, so the visitor's posts would disturb a check", d.Users[f.From].Username)
		}
	}
}

func TestNobodyElseIsGivenANameOfTheVillage(t *testing.T) {
	d, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	reserved := Reserved(d)
	if !reserved("magda") || reserved("stranger") {
		t.Fatal("magda must be reserved, stranger must not")
	}
}
