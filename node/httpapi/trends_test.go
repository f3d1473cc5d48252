package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"grapevine/node/client"
	"grapevine/services/social"
	"grapevine/store"
)

type fakeTrends struct{ *world }

func (f fakeTrends) Tags(ctx context.Context, limit int) ([]social.TrendingTag, store.Coverage, error) {
	return []social.TrendingTag{{Tag: "grape", Posts: 4, Authors: 3, Usual: 0.5, Score: 2.5}}, shards,
		f.do(ctx, social.Identity{}, social.Cut{Limit: limit})
}

func TestTrendsTakeALimitAndSayHowCompleteTheyAre(t *testing.T) {
	t.Parallel()
	a, w := newAPI(t, nil)
	for query, want := range map[string]int{"": social.DefaultTrends, "?limit=7": 7} {
		rec := send(a, "GET", "/v1/trends/tags"+query, "")
		var out client.Trends
		if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil || rec.Code != http.StatusOK {
			t.Fatalf("status %d: %s: %v", rec.Code, rec.Body, err)
		}
		if w.cut.Limit != want || len(out.Items) != 1 || out.Items[0].Authors != 3 || out.Shards != shards {
			t.Errorf("limit %d, want %d: %+v", w.cut.Limit, want, out)
		}
	}
	for _, query := range []string{"0", "101", "x"} {
		rec := send(a, "GET", "/v1/trends/tags?limit="+query, "")
		if p := problemOf(t, rec); rec.Code < 400 || rec.Code >= 500 || p.Field != "limit" {
			t.Errorf("limit %s: status %d, problem %+v", query, rec.Code, p)
		}
	}
}
