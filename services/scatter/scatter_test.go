package scatter_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"grapevine/services/scatter"
	"grapevine/store"
)

// nodes deals each partition to the first of its owners that was not tried.
type nodes [][]string

func (n nodes) Partitions() int { return len(n) }

func (n nodes) Deal(ps []store.Partition, tried func(string, store.Partition) bool) map[string][]store.Partition {
	deal := map[string][]store.Partition{}
	for _, p := range ps {
		for _, node := range n[p] {
			if !tried(node, p) {
				deal[node] = append(deal[node], p)
				break
			}
		}
	}
	return deal
}

// gather asks nodes, of which some fail, and of which one has nothing of partition 0.
func gather(t *testing.T, n nodes, failing ...string) (answered []store.Partition, _ store.Coverage, _ error) {
	t.Helper()
	ask := func(_ context.Context, node string, ps []store.Partition) (answer, lacking []store.Partition, err error) {
		if slices.Contains(failing, node) {
			return nil, nil, errors.New(node + " is down")
		}
		for _, p := range ps {
			if node == "behind" && p == 0 {
				lacking = append(lacking, p)
			} else {
				answer = append(answer, p)
			}
		}
		return answer, lacking, nil
	}
	coverage, err := scatter.Gather(t.Context(), n, ask, func(ps []store.Partition) { answered = append(answered, ps...) })
	slices.Sort(answered)
	return answered, coverage, err
}

func TestEachPartitionAnswersOnceWhoeverFails(t *testing.T) {
	t.Parallel()
	n := nodes{{"behind", "a"}, {"behind", "a"}, {"down", "b"}, {"b"}, {"down"}}
	answered, coverage, err := gather(t, n, "down")
	if err != nil || !slices.Equal(answered, []store.Partition{0, 1, 2, 3}) || coverage != (store.Coverage{Asked: 5, Answered: 4}) {
		t.Errorf("%v of %+v: %v", answered, coverage, err)
	}
}

func TestWhereNobodyAnswersThatIsSaid(t *testing.T) {
	t.Parallel()
	for _, n := range []nodes{nil, {{}}, {{"down"}}} {
		if answered, coverage, err := gather(t, n, "down"); !errors.Is(err, store.ErrUnavailable) || len(answered) > 0 || coverage.Answered > 0 {
			t.Errorf("%v: %v of %+v: %v", n, answered, coverage, err)
		}
	}
}
