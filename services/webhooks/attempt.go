package webhooks

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"grapevine/crdt"
	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/store"
)

// MaxAttempts is how often a delivery is attempted before it is dead: with Backoff,
// over 23 hours.
const MaxAttempts = 12

const (
	firstBackoff = 5 * time.Second
	lastBackoff  = 6 * time.Hour

	// statusGone is the answer that disables a webhook.
	statusGone = 410
	// attemptTime bounds an attempt.
	attemptTime = 10 * time.Second
	// settling is how old a delivery must be before what it tells of counts as gone,
	// and not as yet to come to this node.
	settling = time.Minute
	// warnMissed is after how many faults of this side for one delivery it is logged,
	// and the pause does not grow any more.
	warnMissed = 4
	// maxError bounds the bytes of the text of an error that are kept.
	maxError = 200
)

// Backoff is how long to wait after so many failed attempts: 5 s, three times as long
// after each, at most 6 h, and a fifth more or less at random, so that what failed at
// one moment is not sent again at one.
func Backoff(attempts int) time.Duration {
	pause := firstBackoff
	for i := 1; i < attempts && pause < lastBackoff; i++ {
		pause *= 3
	}
	pause = min(pause, lastBackoff)
	return pause*4/5 + rand.N(pause*2/5)
}

// startDue begins the attempts that are due, and gives how long until the next may be.
func (w *Worker) startDue(ctx context.Context) time.Duration {
	for {
		w.mu.Lock()
		q, d, wait := w.next(w.cfg.Now())
		if q == nil {
			w.mu.Unlock()
			return wait
		}
		host := q.host
		w.mu.Unlock()
		w.sends.Go(func() { w.attempt(ctx, q, host, d) })
	}
}

// attempt makes an attempt, and has the delivery wait for the next where there is one.
func (w *Worker) attempt(ctx context.Context, q *queue, host string, d delivery) {
	again, err := w.deliver(ctx, q.hook, &d)
	if err != nil {
		d.missed++
		d.due = w.cfg.Now().Add(w.cfg.Backoff(min(d.missed, warnMissed)))
		again = true
		if d.missed == warnMissed && ctx.Err() == nil {
			w.cfg.Logger.Warn("an attempt to send to a webhook is made later, again", "webhook", q.hook.Sort, "delivery", d.id, "err", err)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end(q, host, d.id)
	if _, held := w.parts[q.partition]; again && held {
		w.put(q.hook, q.partition, q.host, d)
	}
	w.nudge()
}

// deliver attempts a delivery as its row is now, and writes what came of it. Again says
// that another attempt is due at d.due. An error is of this side.
func (w *Worker) deliver(ctx context.Context, hook store.Key, d *delivery) (again bool, err error) {
	user, webhook, _ := schema.Split(hook)
	key := schema.WebhookDelivery(user, webhook, d.id)
	if d.outcome != nil {
		return w.record(ctx, key, d, *d.outcome)
	}
	rows, err := w.cfg.Rows.GetMany(ctx, []store.Key{key, hook})
	if err != nil {
		return false, fmt.Errorf("read a delivery: %w", err)
	}
	told, err := schema.DecodeDelivery(rows[0])
	if !rows[0].Exists() || err == nil && told.Progress.State != social.DeliveryPending {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if d.due = told.Progress.Next; d.due.After(w.cfg.Now()) {
		return true, nil // another leader attempted it
	}
	if !rows[1].Exists() {
		return w.withdraw(ctx, key, rows[0], told, d)
	}
	h, err := schema.DecodeWebhook(webhook, rows[1])
	if err != nil {
		return false, err
	}
	switch full := told.Progress.Last.IsZero() && w.waiting(hook) >= social.MaxWaitingDeliveries; {
	case !h.Enabled:
		return w.bury(ctx, key, d, told, "the webhook is disabled: "+h.Reason)
	case full:
		return w.bury(ctx, key, d, told, fmt.Sprintf("%d others were waiting", social.MaxWaitingDeliveries))
	}
	body, err := w.body(ctx, user, h.Webhook, d.id, told)
	if err != nil {
		return false, err
	}
	if body == nil {
		return w.withdraw(ctx, key, rows[0], told, d)
	}
	return w.send(ctx, key, d, h, told, body)
}

// waiting gives how many deliveries wait for a webhook.
func (w *Worker) waiting(hook store.Key) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if q := w.queues[hook]; q != nil {
		return len(q.waiting)
	}
	return 0
}

// body gives what is sent, nil where that is not wanted any more, is gone, or is not to
// be shown.
func (w *Worker) body(ctx context.Context, user string, h social.Webhook, id string, told schema.Delivery) ([]byte, error) {
	if !h.Wants(told.Event) {
		return nil, nil
	}
	who := social.Identity{User: user}
	channel, message := strings.CutPrefix(told.Event, social.MessageEvent)
	var data []json.RawMessage
	var err error
	switch {
	case told.Event == social.WebhookTest:
		data = []json.RawMessage{json.RawMessage(`{"webhook":"` + h.ID + `"}`)}
	case message:
		data, err = w.cfg.Content.Messages(ctx, who, channel, []string{told.Subject})
	default:
		data, err = w.cfg.Content.Notifications(ctx, who, []string{told.Subject})
	}
	if err != nil || data[0] == nil {
		return nil, err
	}
	return json.Marshal(struct {
		Type      string          `json:"type"`
		Timestamp time.Time       `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}{told.Event, social.TimeOf(id), data[0]})
}

// withdraw ends a delivery of what is not to be sent. One that was attempted before, and
// asked for again, stays to be seen.
func (w *Worker) withdraw(ctx context.Context, key store.Key, row crdt.Row, told schema.Delivery, d *delivery) (again bool, err error) {
	if born, _ := row.First(); w.cfg.Now().Sub(born.Time.Time()) < settling {
		d.due = w.cfg.Now().Add(w.cfg.Backoff(1))
		return true, nil
	}
	if !told.Progress.Last.IsZero() {
		return w.bury(ctx, key, d, told, "what it tells of is gone, or not to be shown")
	}
	w.metrics.attempts.WithLabelValues("withdrawn").Inc()
	return false, w.write(ctx, store.Mutation{Key: key, Op: store.Remove})
}

// bury gives a delivery up without an attempt.
func (w *Worker) bury(ctx context.Context, key store.Key, d *delivery, told schema.Delivery, reason string) (again bool, err error) {
	p := told.Progress
	p.State, p.Error, p.Next, p.Finished = social.DeliveryDead, reason, time.Time{}, w.cfg.Now()
	return w.record(ctx, key, d, p)
}

// send makes the attempt itself.
func (w *Worker) send(ctx context.Context, key store.Key, d *delivery, h schema.Hook, told schema.Delivery, body []byte) (again bool, err error) {
	began := w.cfg.Now()
	header := signed(w.cfg.Key, h, d.id, body, began)
	limited, cancel := context.WithTimeout(ctx, attemptTime)
	defer cancel()
	reply, failure := w.cfg.Sender.Send(limited, Request{URL: h.URL, Header: header, Body: body})
	if ctx.Err() != nil {
		return false, ctx.Err() // this node stops: the next leader attempts it again
	}
	w.metrics.attempts.WithLabelValues(outcome(reply, failure)).Inc()
	p := w.progress(told.Progress, reply, failure, began)
	if reply.Status == statusGone && failure == nil {
		user, _, _ := schema.SplitWebhook(key)
		err := w.write(ctx, store.Mutation{Key: schema.Webhook(user, h.ID), Op: store.Update, Fields: []store.FieldValue{{
			ID: schema.FieldWebhookDisabled, Value: []byte("the receiver answered 410 Gone"),
		}}})
		if err != nil {
			return false, err
		}
	}
	return w.record(ctx, key, d, p)
}

func outcome(r Reply, failure error) string {
	switch {
	case failure != nil:
		return "unreachable"
	case r.Status/100 == 2:
		return "accepted"
	}
	return "refused"
}

// progress gives what becomes of a delivery by an attempt.
func (w *Worker) progress(p schema.Progress, r Reply, failure error, began time.Time) schema.Progress {
	p.Attempts++
	p.Status, p.Error, p.Last, p.Next = r.Status, "", began, time.Time{}
	switch {
	case failure != nil:
		p.Status, p.Error = 0, cut(failure.Error())
	case r.Status/100 == 2:
		p.State, p.Finished = social.DeliveryDelivered, w.cfg.Now()
		return p
	default:
		p.Error = fmt.Sprintf("the receiver answered %d", r.Status)
	}
	if p.Attempts >= MaxAttempts || failure == nil && r.Status == statusGone {
		p.State, p.Finished = social.DeliveryDead, w.cfg.Now()
		return p
	}
	p.Next = w.cfg.Now().Add(max(w.cfg.Backoff(p.Attempts), min(r.RetryAfter, lastBackoff)))
	return p
}

// cut bounds a text for people.
func cut(text string) string {
	text = strings.ToValidUTF8(text, "")
	if len(text) <= maxError {
		return text
	}
	return strings.ToValidUTF8(text[:maxError], "") + "…"
}

// record writes what became of a delivery. Where that fails, it is what the next
// attempt does: nothing is sent twice because of it while this node lives.
func (w *Worker) record(ctx context.Context, key store.Key, d *delivery, p schema.Progress) (again bool, err error) {
	d.outcome = &p
	if err := w.write(ctx, schema.Progressed(key, p)); err != nil {
		return false, err
	}
	d.outcome, d.missed, d.due = nil, 0, p.Next
	if p.State == social.DeliveryPending {
		return true, nil
	}
	if p.State == social.DeliveryDead {
		w.metrics.dead.Inc()
	}
	if rand.N(sweepOdds) == 0 {
		if err := w.sweep(ctx, key); err != nil && ctx.Err() == nil {
			w.cfg.Logger.Debug("old deliveries are removed later", "webhook", hookOf(key).Sort, "err", err)
		}
	}
	return false, nil
}

func (w *Worker) write(ctx context.Context, ms ...store.Mutation) error {
	_, err := w.cfg.Rows.Write(ctx, store.Write{Mutations: ms})
	if err != nil {
		return fmt.Errorf("write a delivery: %w", err)
	}
	return nil
}

// sweepOdds is one finished delivery of how many that leads to a look at how many
// there are.
const sweepOdds = 16

// sweep removes what is finished and too old, or too much, of a webhook.
func (w *Worker) sweep(ctx context.Context, key store.Key) error {
	user, webhook, _ := schema.SplitWebhook(key)
	entries, err := w.cfg.Rows.Scan(ctx, schema.WebhookDeliveries(user, webhook, "", true, social.MaxWaitingDeliveries+readChunk))
	if err != nil {
		return err
	}
	oldest := w.cfg.Now().Add(-social.FinishedDeliveries)
	var ms []store.Mutation
	finished := 0
	for _, e := range entries {
		d, err := schema.DecodeDelivery(e.Row)
		if err != nil || d.Progress.State == social.DeliveryPending {
			continue
		}
		if finished++; finished > social.MaxFinishedDeliveries || d.Progress.Finished.Before(oldest) {
			ms = append(ms, store.Mutation{Key: e.Key, Op: store.Remove})
		}
	}
	if len(ms) == 0 {
		return nil
	}
	return w.write(ctx, ms[:min(len(ms), readChunk)]...)
}
