package webhooks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"grapevine/services/schema"
	"grapevine/services/servicetest"
	"grapevine/services/social"
	"grapevine/services/webhooks"
	"grapevine/store"
)

var key = []byte("the key that only nodes have")

// world is an account with a store, and what is told to the account.
type world struct {
	t       testing.TB
	rows    *servicetest.Store
	service *webhooks.Service
	who     social.Identity

	mu   sync.Mutex
	gone map[string]bool // of what there is nothing to be told any more
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, rows: servicetest.New(nil), gone: map[string]bool{}}
	w.who.User = social.NewID(4711, time.Now())
	w.service = webhooks.New(webhooks.Config{Rows: w.rows, Key: key})
	return w
}

func (w *world) create(url string, events ...string) social.Webhook {
	w.t.Helper()
	h, err := w.service.Create(context.Background(), w.who, social.NewWebhook{URL: url, Events: events})
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// tell does what fan-out does when something is told, and gives the delivery's id.
func (w *world) tell(h social.Webhook, event string) string {
	w.t.Helper()
	m := schema.NewDelivery(w.who.User, h.ID, event, social.NewID(4711, time.Now()))
	if _, err := w.rows.Write(context.Background(), store.Write{Mutations: []store.Mutation{m}}); err != nil {
		w.t.Fatal(err)
	}
	_, _, id := schema.SplitWebhook(m.Key)
	return id
}

// Notifications implements webhooks.Content.
func (w *world) Notifications(_ context.Context, who social.Identity, ids []string) ([]json.RawMessage, error) {
	return w.show(who, ids)
}

// Messages implements webhooks.Content.
func (w *world) Messages(_ context.Context, who social.Identity, _ string, ids []string) ([]json.RawMessage, error) {
	return w.show(who, ids)
}

func (w *world) show(who social.Identity, ids []string) ([]json.RawMessage, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := make([]json.RawMessage, len(ids))
	for i, id := range ids {
		if !w.gone[id] {
			all[i] = json.RawMessage(fmt.Sprintf(`{"id":%q,"for":%q}`, id, who.User))
		}
	}
	return all, nil
}

func (w *world) config(s webhooks.Sender) webhooks.WorkerConfig {
	return webhooks.WorkerConfig{
		Log: w.rows, Rows: w.rows, Leads: func(store.Partition) bool { return true },
		Partitions: func() int { return servicetest.Partitions }, PartitionOf: servicetest.PartitionOf,
		Hooks: func(wanted []store.Partition, after string, limit int) ([]store.Entry, error) {
			entries, _, err := w.rows.ScanIndex(context.Background(), store.IndexRange{Family: schema.FamilyWebhook, After: after, Limit: limit})
			return entries, err
		},
		Content: w, Sender: s, Key: key,
	}
}

// run runs a worker until the function that it gives is called.
func (w *world) run(cfg webhooks.WorkerConfig) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	worker := webhooks.NewWorker(cfg)
	go func() {
		defer close(done)
		worker.Run(ctx)
	}()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	w.t.Cleanup(stop)
	return stop
}

func (w *world) deliveries(h social.Webhook, state social.DeliveryState) []social.WebhookDelivery {
	w.t.Helper()
	page, err := w.service.Deliveries(context.Background(), w.who, h.ID, state, social.Cut{})
	if err != nil {
		w.t.Fatal(err)
	}
	return page.Items
}
