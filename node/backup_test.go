package node_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"grapevine/node/client"
	"grapevine/node/config"
	"grapevine/services/social"
)

// settlement is a cluster of machines that share a secret.
type settlement struct {
	secret string // a file
	nodes  []config.Ready
}

// settle starts n nodes with a ring of 2^bits partitions. An empty secret makes one.
func settle(t *testing.T, n, bits int, secret string) settlement {
	t.Helper()
	s := settlement{secret: secret}
	for range n {
		cfg := config.Default(t.TempDir())
		cfg.PartitionBits, cfg.SecretFile = bits, s.secret
		if len(s.nodes) > 0 {
			cfg.Join = []string{s.nodes[0].Gossip}
		}
		s.nodes = append(s.nodes, machine(t, cfg))
		if s.secret == "" {
			s.secret = filepath.Join(cfg.Data, "secret")
		}
	}
	return s
}

// at gives an operator's client of a node.
func (s settlement) at(t *testing.T, i int) *client.Client {
	t.Helper()
	secret, err := config.Config{SecretFile: s.secret}.FindSecret()
	if err != nil {
		t.Fatal(err)
	}
	return client.New("http://"+s.nodes[i].HTTP, client.WithToken(secret.OperatorToken()))
}

// society is what people of a cluster see.
type society struct {
	Users     []social.User
	Following map[string][]string
	Followers map[string][]string
	Posts     map[string][]social.Post
	Homes     map[string][]string
	Deleted   int // posts of those asked for that are not there
}

// person is an account with its token.
type person struct {
	name, token string
}

func names(users []social.User) []string {
	out := []string{}
	for _, u := range users {
		out = append(out, u.Username)
	}
	slices.Sort(out)
	return out
}

// look asks a node for all that the people see.
func look(ctx context.Context, api *client.Client, people []person, deleted []string) (society, error) {
	all := social.Cut{Limit: 100}
	s := society{Following: map[string][]string{}, Followers: map[string][]string{}, Posts: map[string][]social.Post{}, Homes: map[string][]string{}}
	var failed error
	note := func(err error) {
		failed = errors.Join(failed, err)
	}
	users, err := api.With(client.WithToken("")).Users(ctx, all)
	note(err)
	s.Users = users.Items
	for _, p := range people {
		mine := api.With(client.WithToken(p.token))
		following, err := mine.Following(ctx, "@"+p.name, all)
		note(err)
		followers, err := mine.Followers(ctx, "@"+p.name, all)
		note(err)
		posts, err := mine.UserPosts(ctx, "@"+p.name, all)
		note(err)
		home, err := mine.Home(ctx, all)
		note(err)
		s.Following[p.name], s.Followers[p.name], s.Posts[p.name] = names(following.Items), names(followers.Items), posts.Items
		for _, post := range home.Items {
			s.Homes[p.name] = append(s.Homes[p.name], post.ID)
		}
	}
	for _, id := range deleted {
		if _, err := api.With(client.WithToken("")).GetPost(ctx, id); client.StatusOf(err) == 404 {
			s.Deleted++
		}
	}
	return s, failed
}

// populate makes a society of five, with what was edited, ended and deleted.
func populate(t *testing.T, s settlement) (people []person, deleted []string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		name := fmt.Sprintf("user_%d", i)
		account, err := s.at(t, i%len(s.nodes)).SignUp(t.Context(), client.SignUp{Username: name, Password: "a long password"})
		must(err)
		people = append(people, person{name, account.Session.Token})
	}
	as := func(i int) *client.Client { return s.at(t, i%len(s.nodes)).With(client.WithToken(people[i].token)) }
	for i := range people {
		for j := range people {
			if i != j {
				must(as(i).Follow(t.Context(), "@"+people[i].name, "@"+people[j].name))
			}
		}
	}
	must(as(0).Unfollow(t.Context(), "@user_0", "@user_1"))
	for n := range 15 {
		post, err := as(n%5).Post(t.Context(), client.NewPost{Text: fmt.Sprintf("post %d", n)})
		must(err)
		switch n % 4 {
		case 0:
			_, err = as(n%5).EditPost(t.Context(), post.ID, "edited")
		case 1:
			err = as(n%5).DeletePost(t.Context(), post.ID)
			deleted = append(deleted, post.ID)
		}
		must(err)
	}
	return people, deleted
}

// sees waits until a node shows a society.
func sees(t *testing.T, api *client.Client, people []person, deleted []string, want society) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		got, err := look(t.Context(), api, people, deleted)
		if err == nil && reflect.DeepEqual(got, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the node shows, with %v,\n%+v\nand should show\n%+v", err, got, want)
		}
		time.Sleep(20 * time.Millisecond) // between two looks at the condition
	}
}

// settled waits until all nodes show the same society, with all that follows.
func settled(t *testing.T, s settlement, people []person, deleted []string) society {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		first, err := look(t.Context(), s.at(t, 0), people, deleted)
		same := err == nil && len(first.Users) == len(people) && first.Deleted == len(deleted) &&
			slices.Equal(first.Followers["user_1"], []string{"user_2", "user_3", "user_4"})
		for _, p := range people {
			own := len(first.Posts[p.name])
			same = same && own > 0 && len(first.Homes[p.name]) >= own
		}
		for i := range s.nodes {
			other, err := look(t.Context(), s.at(t, i), people, deleted)
			same = same && err == nil && reflect.DeepEqual(first, other)
		}
		if same {
			return first
		}
		if time.Now().After(deadline) {
			t.Fatalf("the cluster does not settle: %+v, %v", first, err)
		}
		time.Sleep(50 * time.Millisecond) // between two looks at the condition
	}
}

// load posts as somebody until it is stopped.
func load(t *testing.T, api *client.Client) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := 0; ctx.Err() == nil; n++ {
			if _, err := api.Post(ctx, client.NewPost{Text: fmt.Sprint("load ", n)}); err != nil && ctx.Err() == nil {
				t.Errorf("posting during the backup: %v", err)
				return
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

func TestABackupUnderLoadRestoresIntoClustersOfOtherSizes(t *testing.T) {
	t.Parallel()
	old := settle(t, 3, 4, "")
	people, deleted := populate(t, old)
	want := settled(t, old, people, deleted)

	writer, err := old.at(t, 1).SignUp(t.Context(), client.SignUp{Username: "writer", Password: "a long password"})
	if err != nil {
		t.Fatal(err)
	}
	stop := load(t, old.at(t, 1).With(client.WithToken(writer.Session.Token)))
	f, err := os.Create(filepath.Join(t.TempDir(), "backup"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	summary, err := old.at(t, 2).BackUp(t.Context(), f, false, nil)
	stop()
	if err != nil {
		t.Fatal(err)
	}
	if !summary.Whole() || summary.Partitions != 16 || summary.Rows == 0 {
		t.Errorf("the backup holds %+v", summary)
	}

	for _, size := range []struct{ nodes, bits int }{{1, 8}, {5, 2}} {
		t.Run(fmt.Sprintf("%d nodes", size.nodes), func(t *testing.T) {
			fresh := settle(t, size.nodes, size.bits, old.secret)
			if _, err := fresh.at(t, 0).RestoreAll(t.Context(), f, false, nil); err != nil {
				t.Fatal(err)
			}
			wanted := want
			page, err := fresh.at(t, 0).With(client.WithToken("")).Users(t.Context(), social.Cut{Limit: 100})
			if err != nil || len(page.Items) != len(want.Users)+1 {
				t.Fatalf("%d users, %v", len(page.Items), err)
			}
			wanted.Users = page.Items // with the writer
			for i := range fresh.nodes {
				sees(t, fresh.at(t, i), people, deleted, wanted)
			}
			session, err := fresh.at(t, size.nodes-1).LogIn(t.Context(), "user_3", "a long password")
			if err != nil || session.User.Username != "user_3" {
				t.Errorf("logging in with the old password: %+v, %v", session, err)
			}

			// Once more: refused, and with resume without effect.
			if _, err := fresh.at(t, 0).RestoreAll(t.Context(), f, false, nil); client.StatusOf(err) != 409 {
				t.Errorf("restoring into a cluster that has users: %v", err)
			}
			if _, err := fresh.at(t, 0).RestoreAll(t.Context(), f, true, nil); err != nil {
				t.Errorf("resuming: %v", err)
			}
			sees(t, fresh.at(t, 0), people, deleted, wanted)
		})
	}
}
