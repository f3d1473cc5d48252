// Package sample is the small village that a testnet starts with: a dozen people
// who grow wine and gossip about it.
package sample

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"

	"grapevine/testnet/internal/dataset"
)

// Kind is the Kind of the sample dataset.
const Kind = "sample"

// Visitor is the username of the account that is there to be played with. It is
// followed by nobody, and a check leaves what it does out of account.
const Visitor = "visitor"

//go:embed village.json
var village []byte

type person struct {
	dataset.User
	Follows []string `json:"follows"`
}

// note is a post. As gives it a name for others to answer it in Re.
type note struct {
	By   string `json:"by"`
	Text string `json:"text"`
	As   string `json:"as"`
	Re   string `json:"re"`
}

// Load gives the village as a dataset.
func Load() (*dataset.Dataset, error) {
	var in struct {
		People []person `json:"people"`
		Posts  []note   `json:"posts"`
	}
	if err := json.Unmarshal(village, &in); err != nil {
		return nil, fmt.Errorf("sample: %w", err)
	}
	d := &dataset.Dataset{Kind: Kind}
	byName := map[string]int{}
	for i, p := range in.People {
		byName[p.Username] = i
		d.Users = append(d.Users, p.User)
	}
	for i, p := range in.People {
		for _, other := range p.Follows {
			to, ok := byName[other]
			if !ok {
				return nil, fmt.Errorf("sample: %s follows %q, who is not there", p.Username, other)
			}
			d.Follows = append(d.Follows, dataset.Follow{From: i, To: to})
		}
	}
	return d, addPosts(d, in.Posts, byName)
}

func addPosts(d *dataset.Dataset, notes []note, byName map[string]int) error {
	named := map[string]int{"": dataset.NoReply}
	for i, n := range notes {
		author, known := byName[n.By]
		parent, earlier := named[n.Re]
		if !known || !earlier {
			return fmt.Errorf("sample: post %d is by %q in answer to %q: not there", i, n.By, n.Re)
		}
		if n.As != "" {
			named[n.As] = i
		}
		d.Posts = append(d.Posts, dataset.Post{Author: author, Text: n.Text, ReplyTo: parent})
	}
	return nil
}

// Reserved says whether a username belongs to the village.
func Reserved(d *dataset.Dataset) func(username string) bool {
	names := map[string]bool{}
	for _, u := range d.Users {
		names[strings.ToLower(u.Username)] = true
	}
	return func(username string) bool { return names[username] }
}
