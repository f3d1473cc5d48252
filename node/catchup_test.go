package node_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"grapevine/node"
	"grapevine/node/config"
	"grapevine/store"
	"grapevine/store/badgerdb"
	"grapevine/store/replica"
)

// rig is three machines that can be stopped and started.
type rig struct {
	tb       testing.TB
	cfgs     []config.Config
	ready    []config.Ready
	machines []*node.Machine
	stops    []func()
}

func newRig(tb testing.TB) *rig {
	tb.Helper()
	r := &rig{tb: tb, ready: make([]config.Ready, 3), machines: make([]*node.Machine, 3), stops: make([]func(), 3)}
	for i := range 3 {
		cfg := config.Default(tb.TempDir())
		if i > 0 {
			cfg.SecretFile, cfg.Join = r.cfgs[0].Data+"/secret", []string{r.ready[0].Gossip}
		}
		r.cfgs = append(r.cfgs, cfg)
		r.start(i)
	}
	tb.Cleanup(func() {
		for _, stop := range r.stops {
			stop()
		}
	})
	r.eventually("all are active", func() bool {
		return !slices.ContainsFunc(r.machines, func(m *node.Machine) bool { return !m.Active() })
	})
	return r
}

// start brings a machine up and waits until it serves.
func (r *rig) start(i int) {
	r.tb.Helper()
	serves := make(chan config.Ready, 1)
	cfg := r.cfgs[i]
	cfg.OnReady = func(ready config.Ready) { serves <- ready }
	m, err := node.New(context.Background(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		r.tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	r.machines[i] = m
	r.stops[i] = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			r.tb.Errorf("node %d: %v", i, err)
		}
	})
	r.ready[i] = <-serves
}

func (r *rig) eventually(what string, holds func() bool) {
	r.tb.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.tb.Fatal("never: ", what)
		}
	}
}

// equal says whether two machines have seen the same writes.
func (r *rig) equal(i, j int) bool {
	a, b := r.machines[i].Store().Status(), r.machines[j].Store().Status()
	return slices.EqualFunc(a, b, func(x, y replica.PartitionStatus) bool { return x.VectorSum == y.VectorSum })
}

// metric sums a metric of a machine over its labels.
func (r *rig) metric(i int, name string) (sum float64) {
	r.tb.Helper()
	reply, err := http.Get("http://" + r.ready[i].HTTP + "/metrics")
	if err != nil {
		r.tb.Fatal(err)
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		r.tb.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			fields := strings.Fields(rest)
			value, _ := strconv.ParseFloat(fields[len(fields)-1], 64)
			sum += value
		}
	}
	return sum
}

// writeMany makes writes through the first two machines, 256 at a time.
func (r *rig) writeMany(n int, write func(i int) store.Write) {
	r.tb.Helper()
	next := make(chan int)
	var writers sync.WaitGroup
	for w := range 256 {
		writers.Go(func() {
			for i := range next {
				if _, err := r.machines[w%2].Store().Write(context.Background(), write(i)); err != nil {
					r.tb.Errorf("write %d: %v", i, err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	writers.Wait()
}

func row(slot int, sort string) store.Key {
	return store.Key{Slot: store.Slot(slot), Family: 200, Sort: sort}
}

func setRow(k store.Key, value []byte) store.Write {
	return store.Write{Mutations: []store.Mutation{{Key: k, Op: store.Put, Value: value}}}
}

// BenchmarkCatchUp has a machine miss 50,000 writes of 200 bytes, and measures how
// long it takes until it has them, and what came over the wire, beside what copying
// the same rows over a connection into an engine takes.
func BenchmarkCatchUp(b *testing.B) {
	const writes = 50_000
	for range b.N {
		r := newRig(b)
		value := make([]byte, 200)
		r.stops[2]()
		began := time.Now()
		r.start(2)
		starting := time.Since(began)
		r.stops[2]()
		r.writeMany(writes, func(i int) store.Write { return setRow(row(i*7919%(1<<16), fmt.Sprint("row-", i)), value) })
		time.Sleep(11 * time.Second) // beyond what is pushed
		var rows int64
		for _, p := range r.machines[0].Store().Status() {
			rows += p.Bytes
		}
		began = time.Now()
		r.start(2)
		r.eventually("the machine is equal", func() bool { return r.equal(0, 2) })
		took := time.Since(began)
		wire := r.metric(2, "grapevine_p2p_received_bytes_total")
		plain := r.copyPlainly(writes, value)
		b.ReportMetric(took.Seconds(), "s-until-equal")
		b.ReportMetric(starting.Seconds(), "s-until-serving-when-nothing-is-missed")
		b.ReportMetric(plain.Seconds(), "s-plain-copy")
		b.ReportMetric((took-starting).Seconds()/plain.Seconds(), "x-plain-copy")
		b.ReportMetric(wire/float64(rows), "wire/row-bytes")
		b.ReportMetric(r.metric(2, "grapevine_replica_fetched_bytes_total")/float64(rows), "fetched/row-bytes")
		b.ReportMetric(0, "ns/op")
	}
}

// copyPlainly sends as many rows over a loopback connection and commits them, in
// batches of 192 KiB, to an engine of their own.
func (r *rig) copyPlainly(rows int, value []byte) time.Duration {
	r.tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.tb.Fatal(err)
	}
	defer listener.Close()
	db, err := badgerdb.Open(context.Background(), badgerdb.Config{Dir: r.tb.TempDir()})
	if err != nil {
		r.tb.Fatal(err)
	}
	began := time.Now()
	go func() {
		c, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			return
		}
		defer c.Close()
		for i := range rows {
			_, _ = fmt.Fprintf(c, "d-%028d", i)
			_, _ = c.Write(value)
		}
	}()
	c, err := listener.Accept()
	if err != nil {
		r.tb.Fatal(err)
	}
	var batch store.Batch
	for range rows {
		entry := make([]byte, 30+len(value))
		if _, err := io.ReadFull(c, entry); err != nil {
			r.tb.Fatal(err)
		}
		batch.Put(entry[:30], entry[30:])
		if batch.Size() > 192<<10 {
			if err := db.Commit(context.Background(), &batch); err != nil {
				r.tb.Fatal(err)
			}
			batch = store.Batch{}
		}
	}
	if err := db.Commit(context.Background(), &batch); err != nil {
		r.tb.Fatal(err)
	}
	took := time.Since(began)
	if err := db.Close(); err != nil {
		r.tb.Fatal(err)
	}
	return took
}

// BenchmarkChurn updates and deletes 2,000 rows 200,000 times, and compares the
// disk of a machine, once it has restarted, with that of one which was only given
// the rows that are left.
func BenchmarkChurn(b *testing.B) {
	for range b.N {
		left := map[store.Key][]byte{}
		churned := newRig(b)
		rng := rand.New(rand.NewPCG(1, 1))
		for range 100 {
			writes := make([]store.Write, 2000)
			for i := range writes {
				k, value := row(i*31%(1<<16), fmt.Sprint("row-", i)), fmt.Appendf(nil, "%0200d", rng.Uint64())
				if rng.IntN(3) == 0 {
					delete(left, k)
					writes[i] = store.Write{Mutations: []store.Mutation{{Key: k, Op: store.Remove}}}
				} else {
					left[k] = value
					writes[i] = setRow(k, value)
				}
			}
			churned.writeMany(len(writes), func(i int) store.Write { return writes[i] })
		}
		fresh := newRig(b)
		var kept []store.Write
		for k, value := range left {
			kept = append(kept, setRow(k, value))
		}
		fresh.writeMany(len(kept), func(i int) store.Write { return kept[i] })
		for _, r := range []*rig{churned, fresh} {
			r.eventually("all bookkeeping ends", func() bool { return r.machines[1].Store().Totals().LogEntries == 0 })
		}
		const disk = "grapevine_engine_disk_bytes"
		b.ReportMetric(churned.metric(1, disk)/(1<<20), "MiB-disk-running")
		b.ReportMetric(fresh.metric(1, disk)/(1<<20), "MiB-disk-running-fresh")
		for _, r := range []*rig{churned, fresh} {
			r.stops[1]()
			r.start(1) // what is stored is then told by what is read, not by what is still to be compacted
		}
		b.ReportMetric(float64(churned.liveBytes()), "live-bytes")
		b.ReportMetric(float64(churned.liveBytes())/float64(fresh.liveBytes()), "x-fresh-rows")
		b.ReportMetric(churned.metric(1, disk)/(1<<20), "MiB-disk-restarted")
		b.ReportMetric(fresh.metric(1, disk)/(1<<20), "MiB-disk-restarted-fresh")
		b.ReportMetric(0, "ns/op")
	}
}

// liveBytes sums the rows that the second machine stores.
func (r *rig) liveBytes() (bytes int64) {
	for _, p := range r.machines[1].Store().Status() {
		bytes += p.Bytes
	}
	return bytes
}
