package httpapi

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"grapevine/node/client"
	"grapevine/services/social"
)

type fakeInspector struct{ *world }

func (f fakeInspector) Links(context.Context) client.Links {
	return client.Links{Node: "node-a", Links: []client.Link{}}
}

func (f fakeInspector) Load(ctx context.Context) (client.Load, error) {
	return client.Load{
		Node: "node-a", Requests: client.Requests{Buckets: []client.Bucket{}}, Disk: client.Disk{Buckets: []client.Bucket{}},
		Hot: client.Hot{Partitions: []client.HotPartition{}, Keys: []client.HotKey{{Kind: "posts", Owner: "ada"}}},
	}, f.do(ctx, social.Identity{}, social.Cut{})
}

func (f fakeInspector) Overview(ctx context.Context, _, _ bool) (client.Overview, error) {
	return client.Overview{
		Node: "node-a", Ring: client.Ring{Members: []client.RingMember{}},
		Owners: [][]int{}, Nodes: []client.NodeReport{},
		Verdict: client.Verdict{Problems: []client.Finding{}, Notes: []string{}, UnderWay: []string{}, WhyNot: []string{}},
	}, f.do(ctx, social.Identity{}, social.Cut{})
}

func (f fakeInspector) Explain(ctx context.Context, id string) (client.Explanation, error) {
	return client.Explanation{
		ID: id, Kind: "post", Verdict: []string{}, Places: []client.ExplainedPlace{},
		Rows: []client.ExplainedRow{}, Replicas: map[string]string{},
	}, f.named(id).do(ctx, social.Identity{}, social.Cut{})
}

func TestExplainTakesTwoThingsWithAColonBetween(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, nil)
	if rec := send(a, "GET", "/v1/cluster/explain/@ada:@bob", ""); rec.Code != http.StatusOK {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	if !slices.Equal(w.refs, []string{"@ada:@bob"}) {
		t.Errorf("explained %q", w.refs)
	}
}

func TestWhatIsHotAndTheLinksAreForTheOperator(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, nil)
	operators := []string{"Authorization", "Bearer " + opToken}
	for _, c := range []struct {
		path   string
		header []string
		status int
		shows  bool
	}{
		{"/v1/cluster/links", nil, http.StatusUnauthorized, false},
		{"/v1/cluster/links", operators, http.StatusOK, false},
		{"/v1/cluster/load", nil, http.StatusOK, false},
		{"/v1/cluster/load", []string{"Authorization", "Bearer token-of-an-account"}, http.StatusOK, false},
		{"/v1/cluster/load", operators, http.StatusOK, true},
	} {
		rec := send(a, "GET", c.path, "", c.header...)
		if rec.Code != c.status || strings.Contains(rec.Body.String(), `"ada"`) != c.shows {
			t.Errorf("%s with %q: %d %s", c.path, c.header, rec.Code, rec.Body)
		}
	}
}
