package httpapi

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// flood has far more clients ask than a server of some capacity can serve at once: the
// more are inside, the longer each takes. It gives what the last ones took.
func flood(a *admission, now *time.Time, rounds, capacity, offered int) (took time.Duration) {
	for range rounds {
		var inside []string
		for i := range offered {
			if who := fmt.Sprint("client ", i); a.enter(who) == admitted {
				inside = append(inside, who)
			}
		}
		took = time.Duration(float64(20*time.Millisecond) * max(1, float64(len(inside))/float64(capacity)))
		*now = now.Add(took)
		for _, who := range inside {
			a.leave(who, took, true, *now)
		}
	}
	return took
}

func TestFewerAreTakenWhenRequestsTakeLongerThanUsual(t *testing.T) {
	t.Parallel()
	now, a := time.Unix(0, 0), newAdmission(1024)
	flood(a, &now, 100, 32, 20)
	if _, limit, _ := a.state(); limit != 1024 {
		t.Errorf("a limit of %v although nothing is slow", limit)
	}
	if took := flood(a, &now, 500, 32, 1000); took > 100*time.Millisecond {
		t.Errorf("in a flood an admitted request takes %s", took)
	}
	_, limit, _ := a.state()
	if limit < 32 || limit > 200 {
		t.Errorf("a limit of %v where 32 can be served at once", limit)
	}
	flood(a, &now, 1000, 1024, 1000)
	if _, after, _ := a.state(); after < 800 {
		t.Errorf("the limit is %v when the server could do 1024", after)
	}
}

func TestTheLimitStaysWithinItsBoundsWhateverRequestsTake(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 200).Draw(t, "most")
		now, a := time.Unix(0, 0), newAdmission(most)
		for range rapid.IntRange(1, 100).Draw(t, "rounds") {
			capacity := rapid.IntRange(1, 300).Draw(t, "capacity")
			flood(a, &now, 1, capacity, rapid.IntRange(0, 300).Draw(t, "offered"))
			inside, limit, _ := a.state()
			if inside != 0 || limit > float64(most) || limit < min(leastLimit, float64(most)) || math.IsNaN(limit) {
				t.Fatalf("%d inside, a limit of %v of %d", inside, limit, most)
			}
		}
	})
}

func TestOneClientCannotKeepTheOthersOut(t *testing.T) {
	t.Parallel()
	a := newAdmission(100)
	greedy := 0
	for a.enter("greedy") == admitted {
		greedy++
	}
	if greedy != 75 {
		t.Errorf("one client gets %d of 100 places", greedy)
	}
	for i := range 25 {
		if v := a.enter(fmt.Sprint("modest ", i)); v != admitted {
			t.Fatalf("the client %d of one request is answered %v", i, v)
		}
	}
	if v := a.enter("late"); v != full {
		t.Errorf("beyond the limit: %v", v)
	}
	for range 5 {
		a.leave("modest 0", time.Millisecond, true, time.Unix(0, 0))
		if v := a.enter("greedy"); v != unfair {
			t.Errorf("the greedy one gets a freed place: %v", v)
		}
		if v := a.enter("modest 0"); v != admitted {
			t.Errorf("the modest one does not: %v", v)
		}
	}
}

func TestAClientWithMoreThanItsShareIsToldSoAndTheOperatorGetsIn(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, func(c *Config) { c.MaxInFlight = 4 })
	for range 3 {
		if v := a.admission.enter("192.0.2.1"); v != admitted { // where httptest's requests are from
			t.Fatalf("a place is refused: %v", v)
		}
	}
	rec := send(a, "GET", "/v1/users/@alice", "")
	if p := problemOf(t, rec); rec.Code != 429 || p.Kind() != "rate-limited" || rec.Header().Get("Retry-After") != "1" {
		t.Errorf("status %d, problem %+v", rec.Code, p)
	}
	if rec := send(a, "GET", "/v1/cluster/ring", "", "Authorization", "Bearer "+a.OperatorToken); rec.Code != 200 {
		t.Errorf("the operator: status %d", rec.Code)
	}
	if rec := send(a, "GET", "/v1/users/@alice", "", asAlice...); rec.Code != 200 {
		t.Errorf("another client: status %d", rec.Code)
	}
}
