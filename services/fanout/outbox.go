package fanout

import (
	"context"
	"errors"
	"sync"

	"grapevine/store"
)

// Bounds of one write.
const (
	writeMutations = 500
	writeBytes     = store.MaxWrite / 2 // by estimate
	mutationBytes  = 64                 // what a mutation takes beside its key and value
)

// outbox writes mutations: one write at a time for each partition, with all that
// was gathered for it while the last one waited for its copies. Mutations of one
// row therefore take effect in the order in which they were sent.
type outbox struct {
	rows        store.Rows
	partitionOf func(store.Slot) store.Partition
	metrics     *metrics
	slots       chan struct{} // one per write under way
	drains      sync.WaitGroup

	mu      sync.Mutex
	targets map[store.Partition][]*parcel // those with a goroutine
}

// parcel is mutations of one partition that one send waits for.
type parcel struct {
	mutations []store.Mutation
	bytes     int
	result    chan<- error
}

func newOutbox(cfg Config, m *metrics) *outbox {
	return &outbox{
		rows: cfg.Rows, partitionOf: cfg.PartitionOf, metrics: m,
		slots:   make(chan struct{}, cfg.InFlight),
		targets: map[store.Partition][]*parcel{},
	}
}

// send writes mutations and returns when all have their durable copies, or an
// error when some may not. The outbox keeps the slice.
func (o *outbox) send(ctx context.Context, ms []store.Mutation) error {
	parcels := o.split(ms)
	results := make(chan error, len(parcels)) // so that none blocks when send has gone
	o.mu.Lock()
	for p, ps := range parcels {
		for _, one := range ps {
			one.result = results
		}
		_, draining := o.targets[p]
		o.targets[p] = append(o.targets[p], ps...)
		if !draining {
			o.drains.Go(func() { o.drain(ctx, p) })
		}
	}
	o.mu.Unlock()
	var failed error
	for _, ps := range parcels {
		for range ps {
			failed = errors.Join(failed, <-results)
		}
	}
	return failed
}

// wait returns when no write is under way.
func (o *outbox) wait() { o.drains.Wait() }

// split groups mutations by partition into parcels that fit a write.
func (o *outbox) split(ms []store.Mutation) map[store.Partition][]*parcel {
	parcels := map[store.Partition][]*parcel{}
	for _, m := range ms {
		p := o.partitionOf(m.Key.Slot)
		size := len(m.Key.Sort) + len(m.Value) + mutationBytes
		ps := parcels[p]
		if n := len(ps); n == 0 || len(ps[n-1].mutations) == writeMutations || ps[n-1].bytes+size > writeBytes {
			ps = append(ps, &parcel{})
			parcels[p] = ps
		}
		last := ps[len(ps)-1]
		last.mutations = append(last.mutations, m)
		last.bytes += size
	}
	return parcels
}

// drain writes what there is for a partition until there is nothing.
func (o *outbox) drain(ctx context.Context, p store.Partition) {
	for {
		o.slots <- struct{}{}
		parcels := o.take(p)
		o.write(ctx, parcels)
		<-o.slots
		if len(parcels) == 0 {
			return
		}
	}
}

// take gives the next parcels of a partition that fit one write. It gives none
// when the goroutine of the partition is to end.
func (o *outbox) take(p store.Partition) []*parcel {
	o.mu.Lock()
	defer o.mu.Unlock()
	queue := o.targets[p]
	if len(queue) == 0 {
		delete(o.targets, p)
		return nil
	}
	var n, mutations, bytes int
	for n < len(queue) {
		mutations += len(queue[n].mutations)
		bytes += queue[n].bytes
		if n > 0 && (mutations > writeMutations || bytes > writeBytes) {
			break
		}
		n++
	}
	o.targets[p] = queue[n:]
	return queue[:n:n]
}

// write writes parcels at once. Where that can never succeed, each is tried by
// itself.
func (o *outbox) write(ctx context.Context, parcels []*parcel) {
	if len(parcels) == 0 {
		return
	}
	ms := merge(parcels)
	_, err := o.rows.Write(ctx, store.Write{Mutations: ms})
	if err != nil && permanent(err) && len(parcels) > 1 {
		for i := range parcels {
			o.write(ctx, parcels[i:i+1])
		}
		return
	}
	if err == nil {
		o.metrics.writes.Inc()
		o.metrics.mutations.Add(float64(len(ms)))
	}
	for _, p := range parcels {
		p.result <- err
	}
}

// merge gives the mutations of parcels, of each row the last.
func merge(parcels []*parcel) []store.Mutation {
	if len(parcels) == 1 && len(parcels[0].mutations) == 1 {
		return parcels[0].mutations
	}
	var ms []store.Mutation
	at := map[store.Key]int{}
	for _, p := range parcels {
		for _, m := range p.mutations {
			if i, again := at[m.Key]; again {
				if ms[i].Op != store.Put || m.Ends == nil { // else it is what was there before the put
					ms[i] = m
				}
				continue
			}
			at[m.Key] = len(ms)
			ms = append(ms, m)
		}
	}
	return ms
}
