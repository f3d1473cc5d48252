//go:build !wasip1

package node

import (
	"context"
	"runtime"
	"time"

	"grapevine/node/client"
	"grapevine/store/badgerdb"
)

// estimateEvery is the time over which the load is estimated: long enough for the mean
// of it to mean something, short enough to be of now.
const estimateEvery = 5 * time.Second

// figuresOfLoad are what an estimate is made of, counted since the start but for what
// is said to be of now.
type figuresOfLoad struct {
	uptime            float64 // seconds
	served, inside    float64 // requests, and the seconds they took
	queued, waited    float64 // writes that had their turn, and the seconds they waited for it
	cpu               float64 // seconds
	inFlight, limit   float64 // requests, now
	used, free, spare float64 // bytes, now; spare is what is never used
	cores             float64
}

// estimateLoad keeps the estimate current until ctx ends.
func (i *inspector) estimateLoad(ctx context.Context) {
	tick := time.NewTicker(estimateEvery)
	defer tick.Stop()
	before, err := i.loadFigures()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now, failed := i.loadFigures()
		switch {
		case failed != nil:
			i.log.Warn("the load cannot be estimated", "error", failed)
		case err == nil:
			i.load.Store(estimate(before, now))
		}
		before, err = now, failed
	}
}

func (i *inspector) loadFigures() (figuresOfLoad, error) {
	f, err := i.measured()
	if err != nil {
		return figuresOfLoad{}, err
	}
	engine := i.deps.Engine.Stats()
	requests, queue := f.histogram("grapevine_http_request_duration_seconds"), f.histogram("grapevine_replica_queue_seconds")
	return figuresOfLoad{
		uptime: i.deps.Now().Sub(i.started).Seconds(),
		served: requests.count, inside: requests.seconds, queued: queue.count, waited: queue.seconds,
		cpu: f.sum("process_cpu_seconds_total"), cores: float64(runtime.GOMAXPROCS(0)),
		inFlight: f.sum("grapevine_http_requests_in_flight"), limit: f.sum("grapevine_http_concurrency_limit"),
		used: float64(engine.DiskBytes), free: float64(engine.FreeBytes), spare: badgerdb.DefaultMinFreeBytes,
	}, nil
}

// estimate makes an estimate of two looks at a node. By Little's law the mean number
// of requests at once is the seconds that they took, per second.
func estimate(before, now figuresOfLoad) *client.LoadEstimate {
	seconds := now.uptime - before.uptime
	out := client.LoadEstimate{
		Seconds: seconds, Requests: ratio(now.served-before.served, seconds),
		ResponseMillis: 1000 * ratio(now.inside-before.inside, now.served-before.served),
		QueueMillis:    1000 * ratio(now.waited-before.waited, now.queued-before.queued),
	}
	atOnce := max(now.inFlight, ratio(now.inside-before.inside, seconds))
	free := max(now.free-now.spare, 0)
	out.HeadRoom = headRoom(1-ratio(ratio(now.cpu-before.cpu, seconds), now.cores), 1-ratio(atOnce, now.limit), ratio(free, now.used+free))
	return &out
}

func headRoom(cpu, requests, disk float64) client.HeadRoom {
	share := func(v float64) float64 { return min(max(v, 0), 1) }
	h := client.HeadRoom{CPU: share(cpu), Requests: share(requests), Disk: share(disk)}
	h.Least, h.Limit = h.CPU, "cpu"
	if h.Requests < h.Least {
		h.Least, h.Limit = h.Requests, "requests"
	}
	if h.Disk < h.Least {
		h.Least, h.Limit = h.Disk, "disk"
	}
	return h
}

func ratio(a, b float64) float64 {
	if b <= 0 {
		return 0
	}
	return a / b
}
