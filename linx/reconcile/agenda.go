package reconcile

import (
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	// firstRetry is the backoff after a first failure; each further one doubles it.
	firstRetry = 100 * time.Millisecond
	// lastRetry caps the backoff where there is no timer that would.
	lastRetry = 30 * time.Second
)

// agenda is what asks for the next pass, and when. A zero time asks for none.
type agenda struct {
	interval, debounce time.Duration

	now   bool      // a call waits, or a subscription has just begun
	tick  time.Time // the timer
	retry time.Time // of a pass that failed, or left something to do
	hint  time.Time // the end of the hints' debounce window
	put   time.Time // the end of a new desired state's
	rest  time.Time // no hinted pass before

	backoff retries
}

func newAgenda(interval, debounce time.Duration) agenda {
	return agenda{interval: interval, debounce: debounce, backoff: newRetries(interval)}
}

// hinted opens the debounce window, if it is not open: a stream of hints does not put the pass off.
func (a *agenda) hinted(now time.Time) {
	if a.hint.IsZero() {
		a.hint = now.Add(a.debounce)
		if a.hint.Before(a.rest) {
			a.hint = a.rest
		}
	}
}

// desired opens the window of a new desired state, which is owed no penance for the old one.
func (a *agenda) desired(now time.Time) {
	if a.put.IsZero() {
		a.put = now.Add(a.debounce)
		a.backoff.reset()
	}
}

// passed plans anew after a pass that has just ended. Hints rest for as long as it took, so that a storm
// of events takes half a core at most.
func (a *agenda) passed(now time.Time, took time.Duration, ok bool) {
	a.now, a.tick, a.retry, a.hint, a.put = false, time.Time{}, time.Time{}, time.Time{}, time.Time{}
	if rest := now.Add(took); rest.After(a.rest) {
		a.rest = rest
	}
	if a.interval != Never {
		a.tick = now.Add(a.interval)
	}
	if ok {
		a.backoff.reset()
	} else {
		a.retry = now.Add(a.backoff.next())
	}
}

// due is when the next pass is to begin; zero: nothing asks for one.
func (a *agenda) due() time.Time {
	return earliest(a.tick, a.retry, a.hint, a.put)
}

// earliest of the times that are not zero.
func earliest(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// retries is exponential backoff with jitter, which stays below the interval.
type retries struct {
	exponential *backoff.ExponentialBackOff
	cap         time.Duration
}

func newRetries(interval time.Duration) retries {
	r := retries{exponential: backoff.NewExponentialBackOff(), cap: interval}
	if interval == Never {
		r.cap = lastRetry
	}
	r.exponential.InitialInterval = min(firstRetry, r.cap)
	r.exponential.Multiplier = 2
	r.exponential.MaxInterval = r.cap
	return r
}

func (r retries) next() time.Duration { return min(r.exponential.NextBackOff(), r.cap) }

func (r retries) reset() { r.exponential.Reset() }
