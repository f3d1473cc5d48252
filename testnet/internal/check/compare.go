package check

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"grapevine/testnet/internal/api"
)

// Mismatch is a wrong answer.
type Mismatch struct {
	Node   int    `json:"node"` // index of the node asked, from 1
	User   string `json:"user"`
	What   string `json:"what"` // following, followers, posts or home
	Detail string `json:"detail"`
}

func (m Mismatch) String() string {
	return fmt.Sprintf("node %d, %s of @%s: %s", m.Node, m.What, m.User, m.Detail)
}

// question is one list of one user, asked of one node.
type question struct {
	node int
	user *User
	what string
}

// Lists are what is compared for each user.
var lists = []string{"following", "followers", "posts", "home"}

// ask compares one answer with the model. The empty string means equal.
func (c *checker) ask(ctx context.Context, q question) string {
	detail, err := c.compare(ctx, q, c.token(q.user))
	if api.Status(err) == http.StatusUnauthorized {
		var account api.Account
		if account, err = c.pool.LogIn(ctx, q.node, q.user.Name, q.user.Password); err == nil {
			c.setToken(q.user, account.Token)
			detail, err = c.compare(ctx, q, account.Token)
		}
	}
	if err != nil {
		return "no answer: " + err.Error()
	}
	return detail
}

func (c *checker) compare(ctx context.Context, q question, token string) (string, error) {
	own := "/v1/users/" + q.user.Account.ID + "/"
	switch q.what {
	case "following":
		got, err := c.people(ctx, q.node, own+q.what)
		return diffPeople(q.user.Following, got), err
	case "followers":
		got, err := c.people(ctx, q.node, own+q.what)
		return diffPeople(q.user.Followers, got), err
	case "posts":
		got, err := api.List[Post](ctx, c.pool, q.node, own+q.what, "", 0)
		return diffPosts(q.user.Posts, got), err
	default:
		got, err := api.List[Post](ctx, c.pool, q.node, "/v1/timelines/home", token, MaxHome)
		return diffPosts(c.model.Home(q.user), got), err
	}
}

// people reads a list of users as their ids, without those at play.
func (c *checker) people(ctx context.Context, node int, path string) ([]string, error) {
	got, err := api.List[struct{ ID, Username string }](ctx, c.pool, node, path, "", 0)
	var ids []string
	for _, u := range got {
		if !c.model.atPlay(u.ID, u.Username) {
			ids = append(ids, u.ID)
		}
	}
	return ids, err
}

// diffPeople compares users in any order, each once. want is ascending.
func diffPeople(want, got []string) string {
	got = slices.Sorted(slices.Values(got))
	if slices.Equal(want, got) {
		return ""
	}
	missing, extra := difference(want, got)
	return fmt.Sprintf("want %d users, got %d; missing %s; not expected or repeated %s",
		len(want), len(got), some(missing), some(extra))
}

// diffPosts compares posts in their order.
func diffPosts(want, got []Post) string {
	if slices.Equal(want, got) {
		return ""
	}
	missing, extra := difference(ids(want), ids(got))
	if len(missing)+len(extra) > 0 {
		return fmt.Sprintf("want %d posts, got %d; missing %s; not expected or repeated %s",
			len(want), len(got), some(missing), some(extra))
	}
	for i := range want {
		if want[i].ID != got[i].ID {
			return fmt.Sprintf("wrong order: place %d should be %s and is %s", i, want[i].ID, got[i].ID)
		}
		if want[i] != got[i] {
			return fmt.Sprintf("%s should be %q by %s and is %q by %s",
				want[i].ID, want[i].Text, want[i].Author, got[i].Text, got[i].Author)
		}
	}
	return fmt.Sprintf("want %d posts, got %d", len(want), len(got))
}

func ids(posts []Post) []string {
	out := make([]string, len(posts))
	for i, p := range posts {
		out[i] = p.ID
	}
	return out
}

// difference gives what is in want and not in got, and the other way round,
// counting repetitions.
func difference(want, got []string) (missing, extra []string) {
	count := map[string]int{}
	for _, id := range want {
		count[id]++
	}
	for _, id := range got {
		if count[id]--; count[id] < 0 {
			extra = append(extra, id)
		}
	}
	for _, id := range want {
		if count[id] > 0 {
			missing = append(missing, id)
			count[id]--
		}
	}
	return missing, extra
}

// some shows the beginning of a list.
func some(ids []string) string {
	if len(ids) <= 3 {
		return fmt.Sprint(ids)
	}
	return fmt.Sprintf("%v and %d more", ids[:3], len(ids)-3)
}
