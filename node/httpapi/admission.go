package httpapi

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The limit of requests at once follows from what they take: Gradient2 of Netflix's
// concurrency-limits, over medians, because one kind of request takes a thousand
// times as long as another and what comes changes.
const (
	leastLimit = 16 // requests at once that are always taken, unless MaxInFlight is less
	// tolerance is how much longer than usual requests may take before fewer are taken.
	tolerance = 2
	// quickEnough is what a request may take however little is usual.
	quickEnough = 10 * time.Millisecond
	smoothing   = 0.2       // of the limit, per window
	memory      = 1.0 / 600 // of what is usual, per window
	forgetting  = 0.95      // of what is usual, while it is far more than what is
	windowTime  = time.Second / 10
	windowLeast = 16 // requests; a window goes on until it has as many
	windowMost  = 256
	// crowded is the share of the limit beyond which nobody gets more than his share.
	// The rest is for who comes with little.
	crowded = 0.75
)

// verdict is what becomes of a request that asks to be let in.
type verdict int

const (
	admitted verdict = iota
	full             // the node serves as many as it can
	unfair           // the client has its share
)

// admission bounds how many requests are inside at once: by what the node can do and,
// when that is little, by what is fair among clients. It sheds at the door, where
// nothing has been spent on a request, instead of letting queues grow.
type admission struct {
	most float64

	mu      sync.Mutex
	limit   float64
	inside  int
	clients map[string]int // requests inside, of those who have any
	usual   float64        // seconds; 0 before anything is known
	opened  time.Time      // the window
	peak    int            // inside, within the window
	took    []time.Duration
	shed    [unfair + 1]uint64
}

// newAdmission starts from the most there may be: nothing is known to be slow.
func newAdmission(most int) *admission {
	return &admission{most: float64(most), limit: float64(most), clients: map[string]int{}}
}

// enter lets a request of a client in, or not.
func (a *admission) enter(client string) verdict {
	a.mu.Lock()
	defer a.mu.Unlock()
	v := a.judge(client)
	if v != admitted {
		a.shed[v]++
		return v
	}
	a.inside++
	a.clients[client]++
	a.peak = max(a.peak, a.inside)
	return admitted
}

// judge gives a client that has nothing inside what there is, and one that has some
// no more than an equal share while the node is busy.
func (a *admission) judge(client string) verdict {
	if float64(a.inside) >= math.Floor(a.limit) {
		return full
	}
	mine, others := a.clients[client], len(a.clients)
	share := a.limit / float64(others+1) // as if one more came
	if mine > 0 && float64(a.inside) >= crowded*a.limit && float64(mine) >= share {
		return unfair
	}
	return admitted
}

// leave notes that a request is over. What it took counts unless the client has
// wished for something slow.
func (a *admission) leave(client string, took time.Duration, counts bool, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inside--
	if a.clients[client]--; a.clients[client] == 0 {
		delete(a.clients, client)
	}
	if !counts {
		return
	}
	if len(a.took) == 0 {
		a.opened = now
	}
	if len(a.took) < windowMost {
		a.took = append(a.took, took)
	}
	if len(a.took) >= windowLeast && now.Sub(a.opened) >= windowTime {
		slices.Sort(a.took)
		a.adjust(max(a.took[len(a.took)/2], quickEnough).Seconds())
		a.took, a.peak = a.took[:0], a.inside
	}
}

// adjust moves the limit by how what requests take now compares with what is usual.
func (a *admission) adjust(now float64) {
	if a.usual == 0 {
		a.usual = now
	}
	idle := float64(a.peak) < a.limit/2
	if idle {
		a.usual += (now - a.usual) * memory
	} else {
		a.usual += (now - a.usual) * memory / 10 // what takes long in a crowd is not usual
	}
	if a.usual > tolerance*now {
		a.usual *= forgetting
	}
	gradient := min(max(tolerance*a.usual/now, 0.5), 1)
	next := a.limit*gradient + math.Sqrt(a.limit)
	if next > a.limit && idle {
		return // more was not asked for: nothing says that it could be done
	}
	a.limit += smoothing * (next - a.limit)
	a.limit = max(min(a.limit, a.most), min(leastLimit, a.most))
}

func (a *admission) state() (inside int, limit float64, shed [unfair + 1]uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.inside, math.Floor(a.limit), a.shed
}

var (
	descLimit = prometheus.NewDesc("grapevine_http_concurrency_limit",
		"Requests that are taken at once; follows from what they take.", nil, nil)
	descShed = prometheus.NewDesc("grapevine_http_requests_shed_total",
		"Requests turned away at the door.", []string{"reason"}, nil)
)

// Describe implements prometheus.Collector.
func (a *admission) Describe(out chan<- *prometheus.Desc) { out <- descLimit; out <- descShed }

// Collect implements prometheus.Collector.
func (a *admission) Collect(out chan<- prometheus.Metric) {
	_, limit, shed := a.state()
	out <- prometheus.MustNewConstMetric(descLimit, prometheus.GaugeValue, limit)
	out <- prometheus.MustNewConstMetric(descShed, prometheus.CounterValue, float64(shed[full]), "overloaded")
	out <- prometheus.MustNewConstMetric(descShed, prometheus.CounterValue, float64(shed[unfair]), "share")
}
