package httpapi

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"strconv"
	"sync/atomic"
	"time"

	"grapevine/services/social"
)

// A limiter is token buckets in constant memory. A bucket is the time at which it
// will be full again (the generic cell rate algorithm). Each key has a cell in each
// of two tables, by hashes that no client can foresee, and is refused when both are
// empty: buckets are never evicted, and keys that share a cell seldom share the
// other.
type limiter struct {
	interval time.Duration // in which a token comes back
	burst    time.Duration // that of a whole bucket
	seeds    [2]maphash.Seed
	cells    [2][1 << 13]atomic.Int64 // Unix nanoseconds
}

// newLimiter makes a limiter of buckets of burst tokens.
func newLimiter(burst int, interval time.Duration) *limiter {
	l := &limiter{interval: interval, burst: time.Duration(burst) * interval}
	for i := range l.seeds {
		l.seeds[i] = maphash.MakeSeed()
	}
	return l
}

func (l *limiter) cell(row int, key string) *atomic.Int64 {
	return &l.cells[row][maphash.String(l.seeds[row], key)%uint64(len(l.cells[row]))]
}

// wait is how long it is until a key has a token, 0 when it has one.
func (l *limiter) wait(now time.Time, key string) time.Duration {
	least := time.Duration(1<<63 - 1)
	for row := range l.cells {
		full := time.Duration(l.cell(row, key).Load() - now.UnixNano())
		least = min(least, full+l.interval-l.burst)
	}
	return max(least, 0)
}

// take takes a token of a key, also one that it does not have: it comes back later.
func (l *limiter) take(now time.Time, key string) {
	for row := range l.cells {
		cell := l.cell(row, key)
		for {
			full := cell.Load()
			if cell.CompareAndSwap(full, max(full, now.UnixNano())+int64(l.interval)) {
				break
			}
		}
	}
}

// limits bound what strangers may try. Log-ins that succeed cost nothing, so an app
// with many users behind one address is not hindered; what is bounded is guessing:
// of one password from one address, from one address whatever the name, and of one
// password from many addresses. Sign-ups are bounded per address where the
// configuration says so. Each node counts for itself.
type limits struct {
	pair, address, name *limiter // failed log-ins
	signUps             *limiter // nil: not bounded
}

func newLimits(signUpsPerMinute int) *limits {
	l := &limits{
		pair:    newLimiter(10, 30*time.Second),
		address: newLimiter(300, 2*time.Second),
		name:    newLimiter(100, 10*time.Second),
	}
	if signUpsPerMinute > 0 {
		l.signUps = newLimiter(signUpsPerMinute, time.Minute/time.Duration(signUpsPerMinute))
	}
	return l
}

// guess calls try, which checks a password given for a name, unless too many have
// been wrong.
func (a *api) guess(ctx context.Context, name string, try func() error) error {
	x := exchangeOf(ctx)
	now, from := x.start, x.clientAddress()
	pair := name + " " + from
	if wait := max(a.limits.pair.wait(now, pair), a.limits.address.wait(now, from), a.limits.name.wait(now, name)); wait > 0 {
		return limited(wait, "too many wrong passwords")
	}
	err := try()
	if isWrongPassword(err) {
		a.limits.pair.take(now, pair)
		a.limits.address.take(now, from)
		a.limits.name.take(now, name)
	}
	return err
}

func isWrongPassword(err error) bool {
	var e *social.Error
	return errors.As(err, &e) && (e.Kind == social.Unauthenticated || e.Kind == social.Forbidden && e.Field != "")
}

// admitSignUp counts a sign-up, or refuses it.
func (a *api) admitSignUp(ctx context.Context) error {
	l, x := a.limits.signUps, exchangeOf(ctx)
	if l == nil {
		return nil
	}
	from := x.clientAddress()
	if wait := l.wait(x.start, from); wait > 0 {
		return limited(wait, "too many accounts are being made from your address")
	}
	l.take(x.start, from)
	return nil
}

func limited(wait time.Duration, why string) *fault {
	seconds := int64((wait + time.Second - 1) / time.Second)
	f := newFault(rateLimited, "", fmt.Sprintf("%s; try again in %d s", why, seconds))
	f.header.Set("Retry-After", strconv.FormatInt(seconds, 10))
	return f
}
