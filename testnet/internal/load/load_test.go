package load_test

import (
	"context"
	"net/http"
	"os"
	"strings"
	"testing"

	"grapevine/testnet/internal/api"
	"grapevine/testnet/internal/apitest"
	"grapevine/testnet/internal/dataset"
	"grapevine/testnet/internal/load"
	"grapevine/testnet/internal/sample"
)

type quiet struct{}

func (quiet) Add(int) {}
func (quiet) Done()   {}

func village(t *testing.T) *dataset.Dataset {
	t.Helper()
	d, err := sample.Load()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// run loads d into c with the journal in dir.
func run(ctx context.Context, t *testing.T, c *apitest.Cluster, dir string, d *dataset.Dataset) ([]load.Phase, error) {
	t.Helper()
	journal, err := load.OpenJournal(dir, d)
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	pool := api.NewPool(c.URLs, 8)
	defer pool.Close()
	return load.Run(ctx, load.Config{
		Pool: pool, Journal: journal, Data: d, Workers: 8,
		Meter: func(string, int) load.Meter { return quiet{} },
	})
}

func wantCounts(t *testing.T, c *apitest.Cluster, d *dataset.Dataset) {
	t.Helper()
	users, follows, posts := c.Counts()
	if users != len(d.Users) || follows != len(d.Follows) || posts != len(d.Posts) {
		t.Errorf("the cluster holds %d users, %d follows, %d posts; want %d, %d, %d",
			users, follows, posts, len(d.Users), len(d.Follows), len(d.Posts))
	}
}

func TestEverythingIsLoadedOnceThoughRequestsFailAndAnswersAreLost(t *testing.T) {
	t.Parallel()
	c, d := apitest.New(t, 3), village(t)
	c.Before(func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n%5 == 0 {
			w.WriteHeader([]int{http.StatusServiceUnavailable, http.StatusTooManyRequests}[n%2])
		}
		return n%5 == 0
	})
	c.After = func(n int) bool { return n%7 == 0 }
	phases, err := run(t.Context(), t, c, t.TempDir(), d)
	if err != nil {
		t.Fatal(err)
	}
	wantCounts(t, c, d)
	if got := phases[2]; got.Done != len(d.Posts) || got.Latency.Count != len(d.Posts) || got.Refused != 0 {
		t.Errorf("posts: %+v", got)
	}
}

func TestAnInterruptedLoadContinuesWhereItWas(t *testing.T) {
	t.Parallel()
	c, d, dir := apitest.New(t, 2), village(t), t.TempDir()
	for stop := 20; ; stop += 20 {
		ctx, cancel := context.WithCancel(t.Context())
		served := 0
		c.Before(func(int, http.ResponseWriter, *http.Request) bool {
			if served++; served > stop {
				cancel()
			}
			return false
		})
		_, err := run(ctx, t, c, dir, d)
		cancel()
		if err == nil {
			break
		}
	}
	wantCounts(t, c, d)
	c.Before(func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		t.Errorf("a finished load asked %s %s again", r.Method, r.URL)
		return false
	})
	phases, err := run(t.Context(), t, c, dir, d)
	if err != nil {
		t.Fatal(err)
	}
	if got := phases[2]; got.Done != 0 || got.Before != len(d.Posts) {
		t.Errorf("posts of the last run: %+v", got)
	}
}

func TestALineThatACrashCutShortIsDoneAgain(t *testing.T) {
	t.Parallel()
	c, d, dir := apitest.New(t, 1), village(t), t.TempDir()
	if _, err := run(t.Context(), t, c, dir, d); err != nil {
		t.Fatal(err)
	}
	path := load.JournalPath(dir, d.Kind)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, whole[:len(whole)-9], 0o600); err != nil {
		t.Fatal(err)
	}
	phases, err := run(t.Context(), t, c, dir, d)
	if err != nil {
		t.Fatal(err)
	}
	wantCounts(t, c, d)
	if phases[2].Done != 1 {
		t.Errorf("posts done again: %d, want 1", phases[2].Done)
	}
	done, ok, err := load.ReadJournal(dir, d.Kind)
	if err != nil || !ok || len(done.Posts) != len(d.Posts) {
		t.Errorf("the mended journal has %d posts (%v), want %d", len(done.Posts), err, len(d.Posts))
	}
}

func TestADamagedJournalIsNotBuiltUpon(t *testing.T) {
	t.Parallel()
	c, d, dir := apitest.New(t, 1), village(t), t.TempDir()
	if _, err := run(t.Context(), t, c, dir, d); err != nil {
		t.Fatal(err)
	}
	path := load.JournalPath(dir, d.Kind)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(b), `{"user":3`, `{"us er":3`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load.OpenJournal(dir, d); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Fatalf("got %v", err)
	}
}

func TestOtherDataOfTheSameKindIsRefused(t *testing.T) {
	t.Parallel()
	d, dir := village(t), t.TempDir()
	first, err := load.OpenJournal(dir, d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := load.OpenJournal(dir, d); err == nil {
		t.Error("two loads wrote one journal at a time")
	}
	first.Close()
	d.Posts = d.Posts[:10]
	if _, err := load.OpenJournal(dir, d); err == nil || !strings.Contains(err.Error(), "fresh") {
		t.Errorf("got %v", err)
	}
}

func TestARefusedPostIsReportedAndDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	c, d, dir := apitest.New(t, 1), village(t), t.TempDir()
	d.Posts[0].Text = "refuse me" // others answer it
	phases, err := run(t.Context(), t, c, dir, d)
	if err != nil {
		t.Fatal(err)
	}
	if got := phases[2]; got.Refused != 1 || got.Done != len(d.Posts)-1 {
		t.Errorf("posts: %+v", got)
	}
	done, _, err := load.ReadJournal(dir, d.Kind)
	if err != nil || done.Refused[0] != http.StatusUnprocessableEntity {
		t.Errorf("the journal says %v of it (%v)", done.Refused, err)
	}
}

func TestATokenThatIsNoLongerGoodIsReplaced(t *testing.T) {
	t.Parallel()
	c, d := apitest.New(t, 1), village(t)
	bad := true
	c.Before(func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/sessions") {
			bad = false
		}
		if r.URL.Path == "/v1/posts" && bad {
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	})
	if _, err := run(t.Context(), t, c, t.TempDir(), d); err != nil {
		t.Fatal(err)
	}
	wantCounts(t, c, d)
}

func TestAnAnswerIsPostedAfterWhatItAnswers(t *testing.T) {
	t.Parallel()
	c, d, dir := apitest.New(t, 2), village(t), t.TempDir()
	if _, err := run(t.Context(), t, c, dir, d); err != nil {
		t.Fatal(err)
	}
	done, _, err := load.ReadJournal(dir, d.Kind)
	if err != nil {
		t.Fatal(err)
	}
	pool := api.NewPool(c.URLs, 1)
	defer pool.Close()
	for i, p := range d.Posts {
		author := done.Users[p.Author].ID
		posts, err := api.List[apitest.Post](t.Context(), pool, 0, "/v1/users/"+author+"/posts", "", 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, got := range posts {
			if got.ID == done.Posts[i] && got.ReplyTo != done.Posts[p.ReplyTo] {
				t.Errorf("post %d answers %q, want %q", i, got.ReplyTo, done.Posts[p.ReplyTo])
			}
		}
	}
}
