//go:build !wasip1

package node

import (
	"math"
	"testing"

	"grapevine/node/client"
)

func TestTheLoadIsEstimatedFromTwoLooks(t *testing.T) {
	t.Parallel()
	before := figuresOfLoad{uptime: 10, served: 100, inside: 3, queued: 10, waited: 1, cpu: 5}
	now := figuresOfLoad{
		uptime: 15, served: 600, inside: 8, queued: 60, waited: 1.1, cpu: 7.5, cores: 2,
		inFlight: 0, limit: 10, used: 600, free: 500, spare: 100,
	}
	e := estimate(before, now)
	near := func(got, want float64) bool { return math.Abs(got-want) < 1e-9 }
	if !near(e.Seconds, 5) || !near(e.Requests, 100) || !near(e.ResponseMillis, 10) || !near(e.QueueMillis, 2) {
		t.Errorf("%+v", e)
	}
	if h := e.HeadRoom; !near(h.CPU, 0.75) || !near(h.Requests, 0.9) || !near(h.Disk, 0.4) || h.Least != h.Disk || h.Limit != "disk" {
		t.Errorf("%+v", h)
	}
}

func TestHeadRoomIsOfTheScarcestAndNeverBeyondItsBounds(t *testing.T) {
	t.Parallel()
	for limit, h := range map[string]client.HeadRoom{
		"cpu": headRoom(-0.5, 0.2, 0.3), "requests": headRoom(0.5, -1, 0.3), "disk": headRoom(2, 0.5, 0),
	} {
		if h.Least != 0 || h.Limit != limit || max(h.CPU, h.Requests, h.Disk) > 1 || min(h.CPU, h.Requests, h.Disk) < 0 {
			t.Errorf("%s: %+v", limit, h)
		}
	}
	now := figuresOfLoad{uptime: 5, served: 9, limit: 16, cores: 2, free: 9}
	if e := estimate(now, now); *e != (client.LoadEstimate{HeadRoom: e.HeadRoom}) {
		t.Errorf("of no time: %+v", e)
	}
}
