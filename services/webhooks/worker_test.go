package webhooks_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"grapevine/services/schema"
	"grapevine/services/social"
	"grapevine/services/webhooks"
	"grapevine/store"
)

// receiver is a Sender: the receivers of all hosts.
type receiver struct {
	mu      sync.Mutex
	got     []webhooks.Request
	at      []time.Time
	answer  func(n int, r webhooks.Request) (webhooks.Reply, error) // to the nth request, from 1
	blocked map[string]chan struct{}                                // by URL
}

func (r *receiver) Send(ctx context.Context, q webhooks.Request) (webhooks.Reply, error) {
	r.mu.Lock()
	r.got, r.at = append(r.got, q), append(r.at, time.Now())
	n, answer, block := len(r.got), r.answer, r.blocked[q.URL]
	r.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return webhooks.Reply{}, ctx.Err()
		}
	}
	if answer == nil {
		return webhooks.Reply{Status: 204}, nil
	}
	return answer(n, q)
}

func (r *receiver) ids() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []string
	for _, q := range r.got {
		ids = append(ids, q.Header["webhook-id"])
	}
	return ids
}

func status(codes ...int) func(int, webhooks.Request) (webhooks.Reply, error) {
	return func(n int, _ webhooks.Request) (webhooks.Reply, error) {
		return webhooks.Reply{Status: codes[min(n, len(codes))-1]}, nil
	}
}

// inVirtualTime runs a test in a bubble, where time passes when everything waits.
func inVirtualTime(t *testing.T, test func(t *testing.T, w *world, r *receiver)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, newWorld(t), &receiver{}) })
}

// rest lets virtual time pass, and what is to happen by then.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestWhatIsToldIsSentOnceToAReceiverThatAcceptsIt(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, w *world, r *receiver) {
		h := w.create("https://a.example/hook", "like")
		w.run(w.config(r))
		synctest.Wait()
		id := w.tell(h, "like")
		rest(time.Hour)
		if got := r.ids(); len(got) != 1 || got[0] != id {
			t.Fatalf("got %q, want %q once", got, id)
		}
		done := w.deliveries(h, social.DeliveryDelivered)
		if len(done) != 1 || done[0].Attempts != 1 || done[0].LastStatus != 204 || done[0].FinishedAt == nil || done[0].NextAttemptAt != nil {
			t.Errorf("shown is %+v", done)
		}
	})
}

func TestAReceiverThatFailsIsTriedAgainUnderTheSameIdLaterAndLater(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, w *world, r *receiver) {
		r.answer = status(500, 500, 503, 200)
		h := w.create("https://a.example/hook", "*")
		w.run(w.config(r))
		id := w.tell(h, "reply")
		rest(10 * time.Second)
		if p := w.deliveries(h, social.DeliveryPending); len(p) != 1 || p[0].LastStatus != 500 || p[0].NextAttemptAt == nil || p[0].LastError == "" {
			t.Errorf("between attempts it shows %+v", p)
		}
		rest(time.Hour)
		if got := strings.Join(r.ids(), " "); got != strings.Join([]string{id, id, id, id}, " ") {
			t.Fatalf("got %s", got)
		}
		for i, least := range []time.Duration{4, 12, 36} {
			if pause := r.at[i+1].Sub(r.at[i]); pause < least*time.Second || pause > 2*least*time.Second {
				t.Errorf("pause %d is %v, want %v s or a little more", i, pause, least)
			}
		}
	})
}

func TestADeliveryIsDeadAfterADayOfFailuresAndCanBeAskedForAgain(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, w *world, r *receiver) {
		r.answer = func(int, webhooks.Request) (webhooks.Reply, error) {
			return webhooks.Reply{}, errors.New("the connection was refused")
		}
		h := w.create("https://a.example/hook", "*")
		w.run(w.config(r))
		id := w.tell(h, "reply")
		rest(30 * time.Hour)
		dead := w.deliveries(h, social.DeliveryDead)
		if len(dead) != 1 || dead[0].Attempts != webhooks.MaxAttempts || dead[0].LastError != "the connection was refused" {
			t.Fatalf("after %d attempts shown is %+v", len(r.got), dead)
		}
		if span := r.at[len(r.at)-1].Sub(r.at[0]); span < 15*time.Hour || span > 28*time.Hour {
			t.Errorf("the attempts took %v, want about a day", span)
		}
		r.mu.Lock()
		r.answer = nil
		r.mu.Unlock()
		if _, err := w.service.Redeliver(context.Background(), w.who, h.ID, id); err != nil {
			t.Fatal(err)
		}
		rest(time.Minute)
		if got := w.deliveries(h, social.DeliveryDelivered); len(got) != 1 || got[0].ID != id {
			t.Errorf("asked for again it shows %+v", got)
		}
	})
}

func TestANodeThatStopsBetweenSendingAndRecordingLeavesTheDeliveryToTheNext(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, w *world, r *receiver) {
		never := make(chan struct{})
		r.blocked = map[string]chan struct{}{"https://a.example/hook": never}
		h := w.create("https://a.example/hook", "*")
		stop := w.run(w.config(r))
		id := w.tell(h, "reply")
		rest(time.Second)
		stop()
		r.mu.Lock()
		r.blocked = nil
		r.mu.Unlock()
		w.run(w.config(r))
		rest(10 * time.Second)
		if got := strings.Join(r.ids(), " "); got != id+" "+id {
			t.Fatalf("got %s, want %s from each node", got, id)
		}
		if got := w.deliveries(h, social.DeliveryDelivered); len(got) != 1 {
			t.Errorf("shown is %+v", got)
		}
	})
}

func TestWhatCannotBeRecordedIsNotSentAgainByTheNodeThatSentIt(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, w *world, r *receiver) {
		h := w.create("https://a.example/hook", "*")
		w.tell(h, "reply")
		w.rows.Fail(func(_ []store.Key, write bool) error {
			if write {
				return store.ErrUnavailable
			}
			return nil
		})
		w.run(w.config(r))
		rest(time.Hour)
		w.rows.Fail(nil)
		rest(time.Hour)
		if got := r.ids(); len(got) != 1 {
			t.Errorf("sent %d times", len(got))
		}
		if got := w.deliveries(h, social.DeliveryDelivered); len(got) != 1 {
			t.Errorf("shown is %+v", got)
		}
	})
}

func TestOnlyTheLeaderSendsAndWhoComesToLeadTakesOver(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, w *world, r *receiver) {
		var mu sync.Mutex
		leads := false
		cfg := w.config(r)
		cfg.Leads = func(store.Partition) bool {
			mu.Lock()
			defer mu.Unlock()
			return leads
		}
		h := w.create("https://a.example/hook", "*")
		w.run(cfg)
		w.tell(h, "reply")
		rest(time.Hour)
		if got := r.ids(); len(got) != 0 {
			t.Fatalf("a node that does not lead sent %q", got)
		}
		mu.Lock()
		leads = true
		mu.Unlock()
		rest(2 * time.Second)
		if got := r.ids(); len(got) != 1 {
			t.Fatalf("the new leader sent %q", got)
		}
	})
}

func TestAReceiverThatIsGoneDisablesItsWebhookAndWhatWaits(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, w *world, r *receiver) {
		r.answer = status(410)
		h := w.create("https://a.example/hook", "*")
		w.tell(h, "reply")
		w.run(w.config(r))
		rest(time.Minute)
		w.tell(h, "like")
		rest(time.Minute)
		got, err := w.service.Get(context.Background(), w.who, h.ID)
		if err != nil || got.Enabled || !strings.Contains(got.Reason, "410") {
			t.Errorf("the webhook is %+v, %v", got, err)
		}
		if dead := w.deliveries(h, social.DeliveryDead); len(dead) != 2 || len(r.ids()) != 1 {
			t.Errorf("%d attempts, dead are %+v", len(r.ids()), dead)
		}
		if _, err := w.service.Test(context.Background(), w.who, h.ID, ""); social.KindOf(err) != social.Conflict {
			t.Errorf("to test it gives %v", err)
		}
		on := true
		if got, err = w.service.Update(context.Background(), w.who, h.ID, social.WebhookPatch{Enabled: &on}); err != nil || !got.Enabled || got.Reason != "" {
			t.Errorf("enabled it is %+v, %v", got, err)
		}
	})
}

func TestWhatIsGoneBeforeItIsSentIsNotSent(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, w *world, r *receiver) {
		h := w.create("https://a.example/hook", "*")
		w.tell(h, "reply")
		entries, err := w.rows.Scan(context.Background(), schema.WebhookDeliveries(w.who.User, h.ID, "", false, 10))
		if err != nil || len(entries) != 1 {
			t.Fatal(entries, err)
		}
		told, err := schema.DecodeDelivery(entries[0].Row)
		if err != nil {
			t.Fatal(err)
		}
		w.gone[told.Subject] = true
		w.run(w.config(r))
		rest(10 * time.Minute)
		if got := w.deliveries(h, ""); len(got) != 0 || len(r.ids()) != 0 {
			t.Errorf("sent %q, left is %+v", r.ids(), got)
		}
	})
}

func TestASlowReceiverDoesNotHoldUpOthers(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, w *world, r *receiver) {
		slow := w.create("https://slow.example/hook", "*")
		quick := w.create("https://quick.example/hook", "*")
		r.blocked = map[string]chan struct{}{slow.URL: make(chan struct{})}
		w.run(w.config(r))
		for range 100 {
			w.tell(slow, "like")
		}
		w.tell(quick, "like")
		rest(time.Second)
		if got := w.deliveries(quick, social.DeliveryDelivered); len(got) != 1 {
			t.Errorf("the quick one got %+v", got)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if n := len(r.got) - 1; n != 2 {
			t.Errorf("%d attempts to the slow one at once, want 2", n)
		}
	})
}

func TestWithTooLittleRoomInMemoryAllIsSentNevertheless(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, w *world, r *receiver) {
		h := w.create("https://a.example/hook", "*")
		want := map[string]bool{}
		for range 50 {
			want[w.tell(h, "like")] = true
		}
		cfg := w.config(r)
		cfg.Limits.Held = 4
		w.run(cfg)
		for range 20 {
			want[w.tell(h, "like")] = true
		}
		rest(5 * time.Minute)
		for _, id := range r.ids() {
			delete(want, id)
		}
		if len(want) > 0 {
			t.Errorf("%d of 70 were not sent", len(want))
		}
	})
}

func TestAReceiverThatAsksForTimeGetsIt(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, w *world, r *receiver) {
		r.answer = func(n int, _ webhooks.Request) (webhooks.Reply, error) {
			if n == 1 {
				return webhooks.Reply{Status: 429, RetryAfter: time.Hour}, nil
			}
			return webhooks.Reply{Status: 200}, nil
		}
		h := w.create("https://a.example/hook", "*")
		w.run(w.config(r))
		w.tell(h, "like")
		rest(2 * time.Hour)
		if len(r.at) != 2 || r.at[1].Sub(r.at[0]) < time.Hour {
			t.Errorf("attempts at %v", r.at)
		}
	})
}

func TestOnlyTheNewestOfWhatIsFinishedIsKept(t *testing.T) {
	inVirtualTime(t, func(t *testing.T, w *world, r *receiver) {
		h := w.create("https://a.example/hook", "*")
		stop := w.run(w.config(r))
		for range 400 {
			w.tell(h, "like")
			rest(time.Millisecond)
		}
		rest(time.Minute)
		entries, err := w.rows.Scan(context.Background(), schema.WebhookDeliveries(w.who.User, h.ID, "", false, 1000))
		if err != nil || len(entries) < social.MaxFinishedDeliveries || len(entries) > 3*social.MaxFinishedDeliveries {
			t.Errorf("%d are kept, %v", len(entries), err)
		}
		stop()
		rest(social.FinishedDeliveries)
		if got := w.deliveries(h, ""); len(got) != 0 {
			t.Error(fmt.Sprint(len(got), " are shown after a week"))
		}
	})
}
