package webhooks

import (
	"cmp"
	"slices"
	"time"

	"grapevine/services/follow"
	"grapevine/services/schema"
	"grapevine/store"
)

// schedule is what is to be sent when, of the partitions that this node leads: an index
// of rows, which can be made anew from them at any time. It is guarded by Worker.mu.
//
// A webhook has a queue while anything waits. To find what is due, all queues are
// looked at, which costs microseconds a thousand; only those of webhooks with something
// to send are there.
type schedule struct {
	limits Limits
	parts  map[store.Partition]bool // held here; true: some were left out for want of room
	queues map[store.Key]*queue     // by the key of the webhook
	hosts  map[string]int           // attempts under way
	active int                      // attempts under way
	size   int                      // deliveries in queues
}

// queue is what is to be sent to one webhook.
type queue struct {
	hook      store.Key
	partition store.Partition
	host      string
	waiting   []delivery      // by when they are due
	active    map[string]bool // ids of those under way
}

// delivery is one that waits.
type delivery struct {
	id  string
	due time.Time
	// missed is how often it could not be attempted for a fault of this side.
	missed int
	// outcome is what became of the last attempt, where that could not be written.
	outcome *schema.Progress
}

func newSchedule(limits Limits) schedule {
	return schedule{
		limits: limits, parts: map[store.Partition]bool{}, queues: map[store.Key]*queue{}, hosts: map[string]int{},
	}
}

// put has a delivery wait, in place of what was known of it.
func (s *schedule) put(hook store.Key, p store.Partition, host string, d delivery) {
	q := s.queues[hook]
	if q == nil {
		q = &queue{hook: hook, partition: p, active: map[string]bool{}}
		s.queues[hook] = q
	}
	q.host = host
	if q.active[d.id] {
		return // what comes of the attempt counts
	}
	s.take(q, d.id)
	at, _ := slices.BinarySearchFunc(q.waiting, d, func(a, b delivery) int {
		return cmp.Or(a.due.Compare(b.due), cmp.Compare(a.id, b.id))
	})
	q.waiting = slices.Insert(q.waiting, at, d)
	if s.size++; s.size > s.limits.Held {
		s.leaveOut()
	}
}

// leaveOut forgets what is due last of the longest queue, until there is room: who has
// much waiting does not hold up others.
func (s *schedule) leaveOut() {
	var longest *queue
	for _, q := range s.queues {
		if longest == nil || len(q.waiting) > len(longest.waiting) {
			longest = q
		}
	}
	longest.waiting = longest.waiting[:len(longest.waiting)-1]
	s.size--
	s.parts[longest.partition] = true
	s.prune(longest)
}

// take removes a delivery from those that wait.
func (s *schedule) take(q *queue, id string) {
	at := slices.IndexFunc(q.waiting, func(d delivery) bool { return d.id == id })
	if at >= 0 {
		q.waiting = slices.Delete(q.waiting, at, at+1)
		s.size--
	}
}

// remove forgets a delivery that is finished or gone.
func (s *schedule) remove(hook store.Key, id string) {
	if q := s.queues[hook]; q != nil {
		s.take(q, id)
		s.prune(q)
	}
}

func (s *schedule) prune(q *queue) {
	if len(q.waiting) == 0 && len(q.active) == 0 && s.queues[q.hook] == q {
		delete(s.queues, q.hook)
	}
}

// drop forgets a partition that this node does not lead any more.
func (s *schedule) drop(p store.Partition) {
	delete(s.parts, p)
	for _, q := range s.queues {
		if q.partition == p {
			s.size -= len(q.waiting)
			q.waiting = nil
			s.prune(q)
		}
	}
}

// next begins the attempt of a delivery that is due, if there is one and the limits
// allow it. Without one it gives how long until there is.
func (s *schedule) next(now time.Time) (q *queue, d delivery, wait time.Duration) {
	wait = follow.Beat
	if s.active >= s.limits.Sends {
		return nil, d, wait
	}
	for _, q := range s.queues { // in no order: none is always first
		if len(q.waiting) == 0 || len(q.active) >= s.limits.PerWebhook || s.hosts[q.host] >= s.limits.PerHost {
			continue
		}
		if until := q.waiting[0].due.Sub(now); until > 0 {
			wait = min(wait, until)
			continue
		}
		d = q.waiting[0]
		q.waiting = slices.Delete(q.waiting, 0, 1)
		q.active[d.id] = true
		s.size--
		s.active++
		s.hosts[q.host]++
		return q, d, 0
	}
	return nil, d, wait
}

// end ends an attempt to a host.
func (s *schedule) end(q *queue, host, id string) {
	delete(q.active, id)
	s.active--
	if s.hosts[host]--; s.hosts[host] <= 0 {
		delete(s.hosts, host)
	}
	s.prune(q)
}

// oldest gives when the first of the things that were to be sent by now was told.
func (s *schedule) oldest() (at time.Time, found bool) {
	for _, q := range s.queues {
		for _, d := range q.waiting {
			if told := timeOf(d.id); !found || told.Before(at) {
				at, found = told, true
			}
		}
	}
	return at, found
}
