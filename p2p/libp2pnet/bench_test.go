package libp2pnet

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"grapevine/p2p"
)

func echo(_ context.Context, _ p2p.NodeID, request []byte) ([]byte, error) { return request, nil }

func BenchmarkCallOneByOne(b *testing.B) {
	hosts := newCluster().hosts(b, 2)
	hosts[1].Handle("echo", echo)
	request := make([]byte, 200)
	for b.Loop() {
		if _, err := hosts[0].Call(b.Context(), hosts[1].Self(), "echo", request); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCallPipelined(b *testing.B) {
	hosts := newCluster().hosts(b, 2)
	hosts[1].Handle("echo", echo)
	request := make([]byte, 200)
	b.SetParallelism(500)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := hosts[0].Call(b.Context(), hosts[1].Self(), "echo", request); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

// BenchmarkGossipBatches publishes 64 KiB batches from one of three hosts, at
// most 64 ahead of the slowest subscriber.
func BenchmarkGossipBatches(b *testing.B) {
	hosts := mesh(b, 3)
	var received [3]atomic.Int64
	wake := make(chan struct{}, 1)
	topics := make([]p2p.Topic, len(hosts))
	for i, h := range hosts {
		var err error
		topics[i], err = h.Join("bench", func(p2p.NodeID, []byte) {
			received[i].Add(1)
			select {
			case wake <- struct{}{}:
			default:
			}
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	slowest := func() int64 { return min(received[1].Load(), received[2].Load()) }
	eventually(b, "subscriptions are known", func() bool { return len(topics[0].(*topic).topic.ListPeers()) == 2 })
	batch := make([]byte, 64<<10)
	b.SetBytes(int64(len(batch)))
	var sent int64
	for b.Loop() {
		if err := topics[0].Publish(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		for sent++; sent-slowest() > 64; {
			<-wake
		}
	}
	for slowest() < sent {
		select {
		case <-wake:
		case <-time.After(patience):
			b.Fatalf("%d of %d batches arrived", slowest(), sent)
		}
	}
}

// BenchmarkGossipLatency is the time from publishing a small message to its
// receipt by both other hosts.
func BenchmarkGossipLatency(b *testing.B) {
	hosts := mesh(b, 3)
	arrived := make(chan struct{}, 2)
	topics := make([]p2p.Topic, len(hosts))
	for i, h := range hosts {
		var err error
		if topics[i], err = h.Join("latency", func(p2p.NodeID, []byte) { arrived <- struct{}{} }); err != nil {
			b.Fatal(err)
		}
	}
	eventually(b, "subscriptions are known", func() bool { return len(topics[0].(*topic).topic.ListPeers()) == 2 })
	message := make([]byte, 200)
	for b.Loop() {
		if err := topics[0].Publish(b.Context(), message); err != nil {
			b.Fatal(err)
		}
		<-arrived
		<-arrived
	}
}
