package dataset

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// maxLine bounds a line of posts.ndjson, in bytes.
const maxLine = 1 << 20

// maxUsername is the API's bound on a username.
const maxUsername = 32

var errLateReply = errors.New("reply_to names no earlier line")

// readPosts reads a conversation, one JSON object a line: id, author, text and
// perhaps reply_to, the id of an earlier line. The author of a reply follows the
// author it answers.
func readPosts(path string, limit int, reserved func(string) bool) (*Dataset, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c := conversation{
		data:    &Dataset{Kind: "talk"},
		names:   namer{reserved: reserved, taken: map[string]bool{}},
		authors: map[string]int{},
		posts:   map[string]int{},
		follows: map[Follow]bool{},
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan() && (limit == 0 || len(c.data.Posts) < limit); n++ {
		if err := c.add(lines.Bytes()); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	return c.data, lines.Err()
}

// conversation is a dataset while it is read.
type conversation struct {
	data    *Dataset
	names   namer
	authors map[string]int // by nick
	posts   map[string]int // by id
	follows map[Follow]bool
}

func (c *conversation) add(line []byte) error {
	var in struct {
		ID      string `json:"id"`
		Author  string `json:"author"`
		Text    string `json:"text"`
		ReplyTo string `json:"reply_to"`
	}
	if err := json.Unmarshal(line, &in); err != nil {
		return err
	}
	if _, twice := c.posts[in.ID]; in.ID == "" || in.Author == "" || twice {
		return fmt.Errorf("id %q of author %q is missing or repeated", in.ID, in.Author)
	}
	post := Post{Author: c.author(in.Author), Text: in.Text, ReplyTo: NoReply}
	if in.ReplyTo != "" {
		parent, ok := c.posts[in.ReplyTo]
		if !ok {
			return fmt.Errorf("%w: %q", errLateReply, in.ReplyTo)
		}
		post.ReplyTo = parent
		c.follow(post.Author, c.data.Posts[parent].Author)
	}
	c.posts[in.ID] = len(c.data.Posts)
	c.data.Posts = append(c.data.Posts, post)
	return nil
}

func (c *conversation) author(nick string) int {
	i, ok := c.authors[nick]
	if !ok {
		i = len(c.data.Users)
		c.authors[nick] = i
		c.data.Users = append(c.data.Users, User{Username: c.names.name(nick), DisplayName: nick})
	}
	return i
}

func (c *conversation) follow(from, to int) {
	f := Follow{from, to}
	if from == to || c.follows[f] {
		return
	}
	c.follows[f] = true
	c.data.Follows = append(c.data.Follows, f)
}

// namer gives distinct usernames to nicks that sanitising would confuse.
type namer struct {
	reserved func(string) bool
	taken    map[string]bool
}

func (n *namer) name(nick string) string {
	base := sanitise(nick)
	if strings.HasPrefix(base, edgePrefix) {
		base = "x" + base[:min(len(base), maxUsername-1)]
	}
	for i := 1; ; i++ {
		name := base
		if i > 1 {
			suffix := "_" + strconv.Itoa(i)
			name = base[:min(len(base), maxUsername-len(suffix))] + suffix
		}
		if !n.taken[name] && !n.reserved(name) {
			n.taken[name] = true
			return name
		}
	}
}

// sanitise gives the username nearest to a nick: lower case, at most maxUsername
// of a-z, 0-9 and _.
func sanitise(nick string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, nick)
	return name[:min(len(name), maxUsername)]
}
