package webhooks

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

func timeOf(id string) time.Time { return social.TimeOf(id) }

// hookOf gives the key of the webhook of a delivery.
func hookOf(k store.Key) store.Key {
	user, webhook, _ := schema.SplitWebhook(k)
	return schema.Webhook(user, webhook)
}

func (w *Worker) holds(p store.Partition) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, held := w.parts[p]
	return held
}

// tend brings what is held in line with the partitions that this node leads.
func (w *Worker) tend(ctx context.Context) error {
	wanted := w.sort()
	if len(wanted) == 0 {
		return nil
	}
	err := w.load(ctx, wanted)
	if err == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range wanted {
		w.drop(p)
	}
	if errors.Is(err, store.ErrUnavailable) {
		return nil // one of them is not served here after all
	}
	return err
}

// sort forgets the partitions that this node does not lead any more, and gives those
// that are to be read.
func (w *Worker) sort() []store.Partition {
	var wanted []store.Partition
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.cfg.Partitions() {
		p := store.Partition(i)
		leads := w.cfg.Leads(p) && !w.cfg.Lags(p)
		lacking, held := w.parts[p]
		switch {
		case held && !leads:
			w.drop(p)
		case leads && (!held || lacking && w.size < w.cfg.Limits.Held/2):
			w.parts[p] = false
			wanted = append(wanted, p)
		}
	}
	return wanted
}

// load takes up what is to be sent of partitions.
func (w *Worker) load(ctx context.Context, wanted []store.Partition) error {
	for after := ""; ; {
		hooks, err := w.cfg.Hooks(wanted, after, readChunk)
		if err != nil {
			return err
		}
		for _, e := range hooks {
			if err := w.loadHook(ctx, w.cfg.PartitionOf(e.Key.Slot), e); err != nil {
				return err
			}
			after = e.Key.Sort
		}
		if len(hooks) < readChunk {
			return nil
		}
	}
}

func (w *Worker) loadHook(ctx context.Context, p store.Partition, hook store.Entry) error {
	user, webhook, _ := schema.Split(hook.Key)
	for after := ""; ; {
		entries, err := w.cfg.Rows.Scan(ctx, schema.WebhookDeliveries(user, webhook, after, false, readChunk))
		if err != nil {
			return fmt.Errorf("read deliveries of %s: %w", hook.Key.Sort, err)
		}
		for _, e := range entries {
			_, _, after = schema.SplitWebhook(e.Key)
			w.note(p, e.Key, e.Row, hook.Row)
		}
		if len(entries) < readChunk {
			return nil
		}
	}
}

// refresh takes up deliveries as they are.
func (w *Worker) refresh(ctx context.Context, keys []store.Key) error {
	if len(keys) == 0 {
		return nil
	}
	both := make([]store.Key, 0, 2*len(keys))
	for _, k := range keys {
		both = append(both, k, hookOf(k))
	}
	rows, err := w.cfg.Rows.GetMany(ctx, both)
	if err != nil {
		return fmt.Errorf("read %d deliveries: %w", len(keys), err)
	}
	for i, k := range keys {
		w.note(w.cfg.PartitionOf(k.Slot), k, rows[2*i], rows[2*i+1])
	}
	return nil
}

// note takes up a delivery as its row is. That of a webhook that is gone is taken up,
// too: the attempt removes it.
func (w *Worker) note(p store.Partition, k store.Key, row, hook crdt.Row) {
	_, webhook, id := schema.SplitWebhook(k)
	d, err := schema.DecodeDelivery(row)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !row.Exists() || err == nil && d.Progress.State != social.DeliveryPending {
		w.remove(hookOf(k), id)
		return
	}
	var host string
	if h, unread := schema.DecodeWebhook(webhook, hook); unread == nil {
		host = hostOf(h.URL)
	}
	if err != nil {
		w.cfg.Logger.Error("a delivery to a webhook cannot be read", "key", k, "err", err)
		return
	}
	if _, held := w.parts[p]; held {
		w.put(hookOf(k), p, host, delivery{id: id, due: d.Progress.Next})
	}
}

// refreshHooks takes up that webhooks have other URLs.
func (w *Worker) refreshHooks(ctx context.Context, keys []store.Key) error {
	if len(keys) == 0 {
		return nil
	}
	rows, err := w.cfg.Rows.GetMany(ctx, keys)
	if err != nil {
		return fmt.Errorf("read %d webhooks: %w", len(keys), err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, k := range keys {
		q := w.queues[k]
		if h, err := schema.DecodeWebhook(schema.Other(k), rows[i]); q != nil && err == nil {
			q.host = hostOf(h.URL)
		}
	}
	return nil
}

// hostOf gives the host of a URL, in lower case.
func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}
