package reconcile_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// failing makes every pass of src one that must be tried again, in each way there is.
var failing = map[string]func(*source){
	"error":   func(src *source) { src.Always(linxtest.PassBegins, linxtest.Fail(errBroken)) },
	"failed":  func(src *source) { src.Refuse("a", errors.New("refused")) },
	"pending": func(src *source) { src.Withhold("a", errors.New("waits for eth0")) },
}

// pauses gives the times from the end of each pass to the next one.
func pauses(passes []linxtest.Pass) []time.Duration {
	var ds []time.Duration
	for i := 1; i < len(passes); i++ {
		ds = append(ds, passes[i].Began.Sub(passes[i-1].Ended))
	}
	return ds
}

// expectBackoff checks that pauses double from 100 ms up to cap, give or take half for jitter.
func expectBackoff(t *testing.T, pauses []time.Duration, cap time.Duration) {
	t.Helper()
	mean := min(100*time.Millisecond, cap)
	for i, p := range pauses {
		if p < mean/2 || p > min(mean+mean/2, cap) {
			t.Errorf("pause %d is %v, want %v give or take half, at most %v", i, p, mean, cap)
		}
		mean = min(2*mean, cap)
	}
}

func TestRetry(t *testing.T) {
	for name, fail := range failing {
		for _, interval := range []time.Duration{reconcile.Never, 5 * time.Second, time.Second, 10 * time.Millisecond} {
			cap := interval
			label := interval.String()
			if interval == reconcile.Never {
				cap, label = 30*time.Second, "never"
			}
			t.Run(name+"/"+label, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					src := linxtest.NewSource(nil)
					fail(src)
					_, s := start(t, src, state{"a": "1"}, config{Interval: interval})
					advance(12 * cap)
					expectBackoff(t, pauses(src.Passes()), cap)
					if n := src.Counts().Passes; n < 12 {
						t.Errorf("%d passes in %v, want one each %v at least", n, 12*cap, cap)
					}
					src.Heal()
					advance(cap)
					expectKernel(t, src, "a=1")
					if !s.running() {
						t.Errorf("Serve ended: %v", s.err)
					}
				})
			})
		}
	}
}

func TestRetryStartsAgainAfterConvergence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.Drop(-1)
		src.At(linxtest.PassBegins, linxtest.Times(8, linxtest.Fail(errBroken))...)
		_, s := start(t, src, state{"a": "1"}, config{Interval: 20 * time.Second})
		advance(2 * time.Minute)
		if !src.Passes()[len(src.Passes())-1].Report.Converged {
			t.Fatal("did not converge")
		}
		before := src.Counts().Passes
		src.At(linxtest.PassBegins, linxtest.Times(4, linxtest.Fail(errBroken))...)
		advance(30 * time.Second)
		ps := pauses(src.Passes()[before:])
		expectBackoff(t, ps[:4], 20*time.Second)
		if !s.running() {
			t.Errorf("Serve ended: %v", s.err)
		}
	})
}

// A new state does not pay for the old one's failures.
func TestRetryStartsAgainWithNewState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.Always(linxtest.PassBegins, linxtest.Fail(errBroken))
		l, _ := start(t, src, state{"a": "1"}, config{Interval: reconcile.Never})
		advance(10 * time.Minute)
		before := src.Counts().Passes
		if err := l.PutDesired(state{"b": "1"}); err != nil {
			t.Fatal(err)
		}
		advance(10 * time.Second)
		ps := pauses(src.Passes()[before:])
		expectBackoff(t, ps, 30*time.Second)
		if len(ps) < 5 {
			t.Errorf("tried again after %v", ps)
		}
	})
}

// Loops that failed together do not come back together.
func TestRetryHasJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[time.Duration]bool{}
		for range 20 {
			src := linxtest.NewSource(nil)
			src.At(linxtest.PassBegins, linxtest.Fail(errBroken))
			_, s := start(t, src, state{"a": "1"}, config{TimerOnly: true})
			advance(time.Second)
			s.stop()
			seen[pauses(src.Passes())[0]] = true
		}
		if len(seen) < 10 {
			t.Errorf("20 loops have %d different pauses", len(seen))
		}
	})
}

// What can never be done costs at most 250 passes an hour without a timer, and two an Interval with one.
func TestRetryIsCheap(t *testing.T) {
	for name, test := range map[string]struct {
		interval time.Duration
		most     int
	}{
		"never":   {reconcile.Never, 250},
		"default": {reconcile.DefaultInterval, 2*720 + 20},
		"minute":  {time.Minute, 2*60 + 20},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := linxtest.NewSource(nil)
				src.Refuse("a", errors.New("network is unreachable"))
				start(t, src, state{"a": "1", "b": "2"}, config{Interval: test.interval})
				advance(time.Hour)
				n := src.Counts().Passes
				t.Logf("%d passes an hour", n)
				if n > test.most {
					t.Errorf("%d passes, want at most %d", n, test.most)
				}
				expectKernel(t, src, "b=2") // and holds up nothing else
			})
		})
	}
}

// Backing off makes nobody deaf.
func TestBackoffHearsHintsAndCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.Withhold("a", errors.New("waits for eth0"))
		l, _ := start(t, src, state{"a": "1"}, config{Interval: reconcile.Never})
		advance(10 * time.Minute)
		src.Heal()
		before := src.Counts().Passes
		src.Hint()
		advance(reconcile.DefaultDebounce)
		expectKernel(t, src, "a=1")
		if n := src.Counts().Passes - before; n != 1 {
			t.Errorf("%d passes, want the hinted one", n)
		}

		src.Always(linxtest.PassBegins, linxtest.Fail(errBroken))
		src.Hint()
		advance(10 * time.Minute)
		src.Heal()
		if r, err := l.Reconcile(t.Context()); err != nil || !r.Converged {
			t.Errorf("Reconcile: %+v, %v", r, err)
		}
	})
}

// A failing pass is told once, when it begins to fail, and once more when it is over.
func TestRetryIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		var log logbook
		src.Always(linxtest.PassBegins, linxtest.Fail(errBroken))
		l, _ := start(t, src, state{"a": "1"}, config{Logger: slogTo(&log)})
		advance(time.Hour)
		if lines := log.about(errBroken.Error()); len(lines) != 1 {
			t.Errorf("an hour of failures was logged as %q", lines)
		}
		if st := l.Status(); !errors.Is(st.LastError, errBroken) || st.Converged {
			t.Errorf("status %+v", st)
		}
		src.Heal()
		advance(time.Minute)
		if st := l.Status(); st.LastError != nil || !st.Converged {
			t.Errorf("status, healed: %+v", st)
		}
		if lines := log.about("INFO pass"); len(lines) != 1 {
			t.Errorf("the recovery was logged as %q", lines)
		}
	})
}
