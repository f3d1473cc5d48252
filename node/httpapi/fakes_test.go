package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"grapevine/crdt/causal"
	"grapevine/node/client"
	"grapevine/services/social"
	"grapevine/store"
)

const (
	aliceToken = "alices-token"
	opToken    = "operators-token"
	aliceID    = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
	postID     = "01BX5ZZKBKACTAV9WEVGEMMVRZ"
)

var (
	madeAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	alice  = social.User{ID: aliceID, Username: "alice", DisplayName: "Alice", CreatedAt: madeAt}
	hello  = social.Post{ID: postID, Author: aliceID, Text: "hello <b>", Visibility: social.Public, CreatedAt: madeAt}
	login  = social.Session{Token: aliceToken, ExpiresAt: madeAt.Add(time.Hour), User: alice}
)

// world stands behind the API in place of services and cluster. Every call but
// Authenticate and the cluster's goes through act.
type world struct {
	act     func(ctx context.Context) error // nil: succeed
	ready   bool
	lacking []string // why no node can be spared
	blocked []string
	changes client.Changes

	who    social.Identity
	refs   []string // of users and posts
	cut    social.Cut
	only   social.PostFilter
	new    social.NewPost
	search social.Search
	req    *store.Request
}

func (w *world) do(ctx context.Context, who social.Identity, cut social.Cut) error {
	w.who, w.cut, w.req = who, cut, store.RequestOf(ctx)
	if w.act != nil {
		return w.act(ctx)
	}
	return nil
}

func (w *world) write(ctx context.Context, who social.Identity) error {
	store.RequestOf(ctx).Record(store.Receipt{Partition: 7, Dot: causal.Dot{Replica: 9, Seq: 1}, Copies: 2})
	return w.do(ctx, who, social.Cut{})
}

// named notes what a call is about.
func (w *world) named(refs ...string) *world {
	w.refs = refs
	return w
}

// filtered notes which posts a call wants.
func (w *world) filtered(only social.PostFilter) *world {
	w.only = only
	return w
}

func encodedHello() json.RawMessage {
	b, err := json.Marshal(hello)
	if err != nil {
		panic(err)
	}
	return b
}

type fakeUsers struct{ *world }

func (f fakeUsers) Create(ctx context.Context, in social.NewUser) (social.Session, error) {
	return login, f.write(ctx, social.Identity{})
}
func (f fakeUsers) LogIn(ctx context.Context, _, _ string) (social.Session, error) {
	return login, f.do(ctx, social.Identity{}, social.Cut{}) // the token is in no row
}
func (f fakeUsers) LogOut(ctx context.Context, who social.Identity) error { return f.write(ctx, who) }
func (f fakeUsers) Authenticate(_ context.Context, token string) (social.Identity, error) {
	if token != aliceToken {
		return social.Identity{}, social.Errorf(social.Unauthenticated, "the token is not valid")
	}
	return social.Identity{User: aliceID, TokenID: "t1"}, nil
}
func (f fakeUsers) Get(ctx context.Context, ref string) (social.User, error) {
	return alice, f.named(ref).do(ctx, social.Identity{}, social.Cut{})
}
func (f fakeUsers) Update(ctx context.Context, who social.Identity, ref string, _ social.UserPatch) (social.User, error) {
	return alice, f.named(ref).write(ctx, who)
}
func (f fakeUsers) Delete(ctx context.Context, who social.Identity, ref string) error {
	return f.named(ref).write(ctx, who)
}
func (f fakeUsers) List(ctx context.Context, cut social.Cut) (social.Page[social.User], store.Coverage, error) {
	return social.Page[social.User]{Items: []social.User{alice}, Next: "more"}, store.Coverage{Asked: 256, Answered: 250}, f.do(ctx, social.Identity{}, cut)
}
func (f fakeUsers) SetPassword(ctx context.Context, who social.Identity, ref, current, next string) error {
	return f.named(ref).write(ctx, who)
}
func (f fakeUsers) LogOutEverywhere(ctx context.Context, who social.Identity) error {
	return f.write(ctx, who)
}
func (f fakeUsers) Notices(context.Context, social.Identity) ([]social.Notice, error) {
	return []social.Notice{{ID: postID, Kind: social.NoticeRenamed, At: madeAt, OldUsername: "alice", NewUsername: "alice_0"}}, nil
}
func (f fakeUsers) Dismiss(ctx context.Context, who social.Identity, ref, notice string) error {
	return f.named(ref, notice).write(ctx, who)
}

type fakeTakeout struct{ *world }

func (f fakeTakeout) Export(ctx context.Context, w io.Writer, who social.Identity, ref string) error {
	if err := f.named(ref).do(ctx, who, social.Cut{}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "{}\n")
	return err
}
func (f fakeTakeout) Import(ctx context.Context, r io.Reader, who social.Identity, ref string) (social.Imported, error) {
	if _, err := io.Copy(io.Discard, r); err != nil {
		return social.Imported{}, err
	}
	return social.Imported{Skipped: []social.Skip{}}, f.named(ref).write(ctx, who)
}

type fakeGraph struct{ *world }

func (f fakeGraph) Follow(ctx context.Context, who social.Identity, ref, other string) error {
	return f.named(ref, other).write(ctx, who)
}
func (f fakeGraph) Unfollow(ctx context.Context, who social.Identity, ref, other string) error {
	return f.named(ref, other).write(ctx, who)
}
func (f fakeGraph) list(ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error) {
	return social.Page[social.User]{}, f.named(ref).do(ctx, social.Identity{}, cut)
}
func (f fakeGraph) Following(ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error) {
	return f.list(ctx, ref, cut)
}
func (f fakeGraph) Followers(ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error) {
	return f.list(ctx, ref, cut)
}
func (f fakeGraph) Mutuals(ctx context.Context, ref, other string, cut social.Cut) (social.Page[social.User], error) {
	return social.Page[social.User]{}, f.named(ref, other).do(ctx, social.Identity{}, cut)
}
func (f fakeGraph) Suggestions(ctx context.Context, viewer social.Identity, ref string, cut social.Cut) (social.Page[social.Suggestion], error) {
	because := social.SuggestionCause{Common: []string{"alice"}, Count: 1}
	return social.Page[social.Suggestion]{Items: []social.Suggestion{{User: alice, Reason: because}}}, f.named(ref).do(ctx, viewer, cut)
}
func (f fakeGraph) Path(ctx context.Context, ref, other string) ([]social.User, error) {
	return []social.User{alice}, f.named(ref, other).do(ctx, social.Identity{}, social.Cut{})
}
func (f fakeGraph) Counts(context.Context, string) (social.RelationCounts, error) {
	return social.RelationCounts{Following: 1, Followers: 2, Friends: 1}, nil
}
func (f fakeGraph) Befriend(ctx context.Context, who social.Identity, ref, friend string) (social.Friendship, error) {
	return social.Requested, f.named(ref).write(ctx, who)
}
func (f fakeGraph) Unfriend(ctx context.Context, who social.Identity, ref, other string) error {
	return f.Follow(ctx, who, ref, other)
}
func (f fakeGraph) private(ctx context.Context, who social.Identity, ref string, cut social.Cut) (social.Page[social.User], error) {
	return social.Page[social.User]{Items: []social.User{alice}}, f.named(ref).do(ctx, who, cut)
}
func (f fakeGraph) Requests(ctx context.Context, who social.Identity, ref string, _ social.RequestDirection, cut social.Cut) (social.Page[social.User], error) {
	return f.private(ctx, who, ref, cut)
}
func (f fakeGraph) Relation(ctx context.Context, who social.Identity, ref, other string) (social.Relation, error) {
	return social.Relation{Following: true}, f.named(ref, other).do(ctx, who, social.Cut{})
}
func (f fakeGraph) Block(ctx context.Context, who social.Identity, ref, other string) error {
	return f.Follow(ctx, who, ref, other)
}
func (f fakeGraph) Unblock(ctx context.Context, who social.Identity, ref, other string) error {
	return f.Follow(ctx, who, ref, other)
}
func (f fakeGraph) Blocks(ctx context.Context, who social.Identity, ref string, cut social.Cut) (social.Page[social.User], error) {
	return f.private(ctx, who, ref, cut)
}
func (f fakeGraph) Mute(ctx context.Context, who social.Identity, ref, other string) error {
	return f.Follow(ctx, who, ref, other)
}
func (f fakeGraph) Unmute(ctx context.Context, who social.Identity, ref, other string) error {
	return f.Follow(ctx, who, ref, other)
}
func (f fakeGraph) Mutes(ctx context.Context, who social.Identity, ref string, cut social.Cut) (social.Page[social.User], error) {
	return f.private(ctx, who, ref, cut)
}
func (f fakeGraph) Friends(ctx context.Context, ref string, cut social.Cut) (social.Page[social.User], error) {
	return f.list(ctx, ref, cut)
}

type fakePosts struct{ *world }

func (f fakePosts) Create(ctx context.Context, who social.Identity, in social.NewPost) (social.Post, error) {
	f.new = in
	return hello, f.write(ctx, who)
}
func (f fakePosts) EncodedOne(ctx context.Context, viewer social.Identity, id string) (json.RawMessage, error) {
	return encodedHello(), f.named(id).do(ctx, viewer, social.Cut{})
}
func (f fakePosts) Edit(ctx context.Context, who social.Identity, id, _ string) (social.Post, error) {
	return hello, f.named(id).write(ctx, who)
}
func (f fakePosts) Delete(ctx context.Context, who social.Identity, id string) error {
	return f.named(id).write(ctx, who)
}
func (f fakePosts) ByAuthor(ctx context.Context, viewer social.Identity, ref string, only social.PostFilter, cut social.Cut) (social.Page[json.RawMessage], error) {
	return social.Page[json.RawMessage]{Items: []json.RawMessage{encodedHello()}}, f.named(ref).filtered(only).do(ctx, viewer, cut)
}
func (f fakePosts) Like(ctx context.Context, who social.Identity, id string) error {
	return f.named(id).write(ctx, who)
}
func (f fakePosts) Unlike(ctx context.Context, who social.Identity, id string) error {
	return f.named(id).write(ctx, who)
}
func (f fakePosts) Repost(ctx context.Context, who social.Identity, id string) error {
	return f.named(id).write(ctx, who)
}
func (f fakePosts) Unrepost(ctx context.Context, who social.Identity, id string) error {
	return f.named(id).write(ctx, who)
}
func (f fakePosts) Likes(ctx context.Context, viewer social.Identity, id string, cut social.Cut) (social.Page[social.User], error) {
	return social.Page[social.User]{Items: []social.User{alice}}, f.named(id).do(ctx, viewer, cut)
}
func (f fakePosts) Reposts(ctx context.Context, viewer social.Identity, id string, cut social.Cut) (social.Page[social.User], error) {
	return social.Page[social.User]{Items: []social.User{alice}}, f.named(id).do(ctx, viewer, cut)
}
func (f fakePosts) Thread(ctx context.Context, viewer social.Identity, id string, cut social.Cut) (social.Thread[json.RawMessage], error) {
	return social.Thread[json.RawMessage]{
		Ancestors: []json.RawMessage{encodedHello(), encodedHello()}, Post: encodedHello(), Next: "n.1",
	}, f.named(id).do(ctx, viewer, cut)
}
func (f fakePosts) History(ctx context.Context, viewer social.Identity, id string, cut social.Cut) (social.Page[social.PostVersion], error) {
	return social.Page[social.PostVersion]{Items: []social.PostVersion{{Text: "first", At: madeAt}}}, f.named(id).do(ctx, viewer, cut)
}

type fakeTimelines struct{ *world }

func (f fakeTimelines) Home(ctx context.Context, who social.Identity, only social.PostFilter, cut social.Cut) (social.Page[json.RawMessage], error) {
	return social.Page[json.RawMessage]{Items: []json.RawMessage{encodedHello(), encodedHello()}, Next: "n\"1", Prev: "p\"1"}, f.filtered(only).do(ctx, who, cut)
}
func (f fakeTimelines) Mentions(ctx context.Context, who social.Identity, only social.PostFilter, cut social.Cut) (social.Page[json.RawMessage], error) {
	return social.Page[json.RawMessage]{Items: []json.RawMessage{encodedHello()}}, f.filtered(only).do(ctx, who, cut)
}
func (f fakeTimelines) Tagged(ctx context.Context, viewer social.Identity, tag string, only social.PostFilter, cut social.Cut) (social.Page[json.RawMessage], error) {
	return social.Page[json.RawMessage]{Items: []json.RawMessage{encodedHello()}}, f.named(tag).filtered(only).do(ctx, viewer, cut)
}
func (f fakeTimelines) Public(ctx context.Context, viewer social.Identity, only social.PostFilter, cut social.Cut) (social.Page[json.RawMessage], store.Coverage, error) {
	return social.Page[json.RawMessage]{}, store.Coverage{Asked: 256, Answered: 250}, f.filtered(only).do(ctx, viewer, cut)
}

type fakeCluster struct{ *world }

func (f fakeCluster) Members(context.Context) []client.Member {
	return []client.Member{{ID: "node-a", HTTP: "127.0.0.1:1", Alive: true, Self: true}}
}
func (f fakeCluster) Ring(context.Context) client.Ring {
	return client.Ring{Cluster: "c", Partitions: 256, Copies: 3, Members: []client.RingMember{{ID: "node-a", State: "active", Weight: 100}}}
}
func (f fakeCluster) Partitions(ctx context.Context, digest bool) ([]client.Partition, error) {
	p := client.Partition{ID: 0, LastSlot: 255, Owners: []string{"node-a"}, WaitsFor: []string{}}
	if digest {
		p.Digest = "d"
	}
	return []client.Partition{p}, f.do(ctx, social.Identity{}, social.Cut{})
}
func (f fakeCluster) Health(context.Context) client.Health {
	return client.Health{
		Status: client.HealthOK, Problems: []client.HealthProblem{}, Transfers: []client.Transfer{},
		Readiness: client.Readiness{Ready: true, WhyNot: []string{}}, Stability: client.Stability{WaitsFor: []client.WaitsFor{}},
	}
}
func (f fakeCluster) Locate(ctx context.Context, key string) (client.Locate, error) {
	return client.Locate{Key: key, Kind: "key", Owners: []client.Owner{}}, f.do(ctx, social.Identity{}, social.Cut{})
}
func (f fakeCluster) Readiness(context.Context) client.Readiness {
	if !f.ready {
		return client.Readiness{Reason: "still joining", WhyNot: []string{"still joining"}}
	}
	return client.Readiness{Ready: true, SafeToRestartNext: len(f.lacking) == 0, WhyNot: append([]string{}, f.lacking...)}
}
func (f fakeCluster) Plan(ctx context.Context, ch client.Changes) (client.Plan, error) {
	f.changes = ch
	return client.Plan{Nodes: []client.PlanNode{}, Notes: []string{}}, f.do(ctx, social.Identity{}, social.Cut{})
}
func (f fakeCluster) Leave(ctx context.Context) (client.Departure, error) {
	return client.Departure{Node: "node-a", State: "leaving"}, f.do(ctx, social.Identity{}, social.Cut{})
}
func (f fakeCluster) Forget(ctx context.Context, node string) (client.Departure, error) {
	return client.Departure{Node: node, State: "gone"}, f.named(node).do(ctx, social.Identity{}, social.Cut{})
}
func (f fakeCluster) Repair(ctx context.Context) error {
	return f.do(ctx, social.Identity{}, social.Cut{})
}
func (f fakeCluster) Block(ids []string) { f.blocked = ids }

func newAPI(t testing.TB, change func(*Config)) (*api, *world) {
	t.Helper()
	w := &world{ready: true}
	c := Config{
		Users: fakeUsers{w}, Graph: fakeGraph{w}, Posts: fakePosts{w}, Timelines: fakeTimelines{w}, Live: fakeLive{w}, Lists: fakeLists{w}, Notifications: fakeNotifications{w}, Webhooks: fakeWebhooks{w}, Takeout: fakeTakeout{w}, Search: fakeSearch{w}, Trends: fakeTrends{w},
		Cluster: fakeCluster{w}, Backups: fakeBackups{w}, Inspector: fakeInspector{w}, OperatorToken: opToken, Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	h, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return h.(*api), w
}

// send makes a request. Headers are name, value pairs.
func send(h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	var r *http.Request
	if body == "" {
		r = httptest.NewRequest(method, target, nil)
	} else {
		r = httptest.NewRequest(method, target, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

// asAlice is the header that logs alice in.
var asAlice = []string{"Authorization", "Bearer " + aliceToken}

func problemOf(t testing.TB, rec *httptest.ResponseRecorder) *client.Problem {
	t.Helper()
	if ct := rec.Header().Get("Content-Type"); ct != problemJSON {
		t.Errorf("error %d has content type %q, want %s; body %s", rec.Code, ct, problemJSON, rec.Body)
	}
	p := new(client.Problem)
	if err := json.Unmarshal(rec.Body.Bytes(), p); err != nil {
		t.Fatalf("error body is not a problem: %v: %s", err, rec.Body)
	}
	if p.Status != rec.Code || p.Title == "" || !strings.HasPrefix(p.Type, client.ProblemPrefix) {
		t.Errorf("problem %+v does not describe status %d", *p, rec.Code)
	}
	return p
}
