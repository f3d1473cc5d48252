package check

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"grapevine/node/client"
	"grapevine/testnet/internal/api"
	"grapevine/testnet/internal/apitest"
	"grapevine/testnet/internal/load"
	"grapevine/testnet/internal/sample"
)

type quiet struct{}

func (quiet) Add(int) {}
func (quiet) Done()   {}

func visitor(_, username string) bool { return username == sample.Visitor }

// world is a stand-in with the village in it, and what a check of it takes.
func world(t *testing.T) (*apitest.Cluster, Config) {
	t.Helper()
	c, dir := apitest.New(t, 2), t.TempDir()
	d, err := sample.Load()
	if err != nil {
		t.Fatal(err)
	}
	journal, err := load.OpenJournal(dir, d)
	if err != nil {
		t.Fatal(err)
	}
	pool := api.NewPool(c.URLs, 4)
	t.Cleanup(pool.Close)
	_, err = load.Run(t.Context(), load.Config{
		Pool: pool, Journal: journal, Data: d, Workers: 4, Meter: func(string, int) load.Meter { return quiet{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	journal.Close()
	done, _, err := load.ReadJournal(dir, d.Kind)
	if err != nil {
		t.Fatal(err)
	}
	model, err := NewModel([]Load{{Data: d, Done: done}}, visitor)
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		Model: model, Timeout: 50 * time.Millisecond, Workers: 4,
		Progress: func(int) (func(int), func()) { return func(int) {}, func() {} },
		Waiting:  func(int) {},
	}
	for i, url := range c.URLs {
		cfg.Nodes = append(cfg.Nodes, Node{Index: i + 1, ID: apitest.NodeID(i), URL: url})
	}
	return c, cfg
}

func TestRightAnswersPass(t *testing.T) {
	t.Parallel()
	_, cfg := world(t)
	r, err := Run(t.Context(), cfg)
	if err != nil || !r.OK() {
		t.Fatalf("%v %+v", err, r)
	}
	if want := 12 * len(lists) * 2; r.Answers != want || r.Users != 12 {
		t.Errorf("compared %d answers about %d users, want %d about 12", r.Answers, r.Users, want)
	}
}

func TestEveryKindOfWrongAnswerIsDetected(t *testing.T) {
	t.Parallel()
	for name, mangle := range map[string]func([]apitest.Post) []apitest.Post{
		"a lost post":       func(p []apitest.Post) []apitest.Post { return p[1:] },
		"a post twice":      func(p []apitest.Post) []apitest.Post { return append(p, p[0]) },
		"a wrong order":     func(p []apitest.Post) []apitest.Post { p[0], p[1] = p[1], p[0]; return p },
		"a changed text":    func(p []apitest.Post) []apitest.Post { p[1].Text += "!"; return p },
		"a changed author":  func(p []apitest.Post) []apitest.Post { p[1].Author = "user000000"; return p },
		"a foreign post":    func(p []apitest.Post) []apitest.Post { return append(p, apitest.Post{ID: "else"}) },
		"nothing in a list": func([]apitest.Post) []apitest.Post { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, cfg := world(t)
			c.Mangle = func(path string, posts []apitest.Post) []apitest.Post {
				if len(posts) < 2 || !strings.HasSuffix(path, "/home") {
					return posts
				}
				return mangle(posts)
			}
			r, err := Run(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if r.OK() || r.Mismatches[0].What != "home" {
				t.Fatalf("not detected: %+v", r)
			}
		})
	}
}

func TestAFollowThatIsMissingOrForeignIsDetected(t *testing.T) {
	t.Parallel()
	_, cfg := world(t)
	magda := named(cfg.Model, "magda")
	magda.Followers = append(slices.Clone(magda.Followers), "user999999")
	magda.Following = magda.Following[1:]
	r, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var what []string
	for _, m := range r.Mismatches {
		if m.User == "magda" {
			what = append(what, m.What)
		}
	}
	if want := []string{"following", "following", "followers", "followers", "home", "home"}; !slices.Equal(what, want) {
		t.Errorf("detected %v, want %v", what, want)
	}
}

func named(m *Model, name string) *User {
	for _, u := range m.Users {
		if u.Name == name {
			return u
		}
	}
	return nil
}

func TestWhatTheVisitorDoesIsNoFault(t *testing.T) {
	t.Parallel()
	c, cfg := world(t)
	pool := api.NewPool(c.URLs, 1)
	defer pool.Close()
	you := named(cfg.Model, sample.Visitor).Account
	if _, err := pool.Post(t.Context(), 0, you, api.Draft{Text: "hello"}); err != nil {
		t.Fatal(err)
	}
	if err := pool.Follow(t.Context(), 0, you, named(cfg.Model, "lucien").Account.ID); err != nil {
		t.Fatal(err)
	}
	if r, err := Run(t.Context(), cfg); err != nil || !r.OK() {
		t.Fatalf("%v %+v", err, r)
	}
}

func TestAStrangerMayFollowAnybodyButNotUnderAKnownName(t *testing.T) {
	t.Parallel()
	c, cfg := world(t)
	pool := api.NewPool(c.URLs, 1)
	defer pool.Close()
	ada, err := pool.SignUp(t.Context(), 0, api.SignUp{Username: "ada", Password: "correct horse"})
	if err != nil {
		t.Fatal(err)
	}
	if err := pool.Follow(t.Context(), 0, ada, named(cfg.Model, "lucien").Account.ID); err != nil {
		t.Fatal(err)
	}
	if r, err := Run(t.Context(), cfg); err != nil || !r.OK() {
		t.Fatalf("%v %+v", err, r)
	}
	cfg.Model.names["ada"] = true
	if r, err := Run(t.Context(), cfg); err != nil || r.OK() {
		t.Errorf("a second account of a name passes: %v %+v", err, r)
	}
}

func TestAnAnswerThatComesRightInTimeIsRight(t *testing.T) {
	t.Parallel()
	c, cfg := world(t)
	cfg.Timeout = time.Minute
	asked, told := 0, 0
	cfg.Waiting = func(wrong int) { told = wrong }
	c.Mangle = func(_ string, posts []apitest.Post) []apitest.Post {
		if asked++; asked < 20 {
			return nil
		}
		return posts
	}
	if r, err := Run(t.Context(), cfg); err != nil || !r.OK() || told == 0 {
		t.Fatalf("%v %+v, told of %d", err, r, told)
	}
}

func TestOwnersThatDifferAreNotConverged(t *testing.T) {
	t.Parallel()
	c, cfg := world(t)
	c.Digest = func(node int) string { return apitest.NodeID(node) }
	r, err := Run(t.Context(), cfg)
	if err != nil || len(r.Disagreements) != 1 || r.OK() {
		t.Fatalf("%v %+v", err, r)
	}
	var out bytes.Buffer
	r.Print(&out)
	if !strings.Contains(out.String(), "NOT CONVERGED: 1 of 1") || !strings.Contains(out.String(), "FAILED") {
		t.Errorf("printed: %s", out.String())
	}
}

func TestEachWayNotToBeConvergedIsNamed(t *testing.T) {
	t.Parallel()
	whole := func() client.Partition {
		return client.Partition{Owners: []string{"a", "b"}, Local: true, CaughtUp: true, Digest: "d"}
	}
	with := func(change func(*client.Partition)) views {
		a, b := whole(), whole()
		change(&b)
		return views{"a": {a}, "b": {b}}
	}
	if got := disagreements(with(func(*client.Partition) {})); len(got) != 0 {
		t.Fatalf("equal owners disagree: %v", got)
	}
	for want, v := range map[string]views{
		"different states":  with(func(p *client.Partition) { p.Digest = "e" }),
		"not caught up":     with(func(p *client.Partition) { p.CaughtUp = false }),
		"gives no digest":   with(func(p *client.Partition) { p.Digest = "" }),
		"the same owners":   with(func(p *client.Partition) { p.Owners = []string{"a"} }),
		"only 1 of 2 nodes": {"a": {whole()}, "b": {}},
		"b does not answer": {"a": {whole()}},
		"any partition":     {},
	} {
		if got := strings.Join(disagreements(v), "; "); !strings.Contains(got, want) {
			t.Errorf("got %q, want it to name %q", got, want)
		}
	}
}

func TestAnUnfinishedLoadIsNotChecked(t *testing.T) {
	t.Parallel()
	d, err := sample.Load()
	if err != nil {
		t.Fatal(err)
	}
	sum, err := d.Fingerprint()
	if err != nil {
		t.Fatal(err)
	}
	_, err = NewModel([]Load{{Data: d, Done: load.Done{Header: load.Header{Fingerprint: sum}}}}, visitor)
	if err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("got %v", err)
	}
	_, err = NewModel([]Load{{Data: d}}, visitor)
	if err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("got %v", err)
	}
}

func TestTheSampleIsStatedAndRepeatable(t *testing.T) {
	t.Parallel()
	_, cfg := world(t)
	cfg.Sample, cfg.Seed = 5, 7
	draw := func() (names []string) {
		c := &checker{Config: cfg, model: cfg.Model}
		for _, u := range c.sample() {
			names = append(names, u.Name)
		}
		return names
	}
	if a, b := draw(), draw(); len(a) != 5 || !slices.Equal(a, b) {
		t.Errorf("drew %v and %v", a, b)
	}
	r, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	r.Print(&out)
	if !strings.Contains(out.String(), "a sample of 5 of 12 users") {
		t.Errorf("printed: %s", out.String())
	}
}
