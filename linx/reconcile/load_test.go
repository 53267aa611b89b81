package reconcile_test

import (
	"context"
	"errors"
	"runtime/metrics"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// Everybody at once, in real time: passes never overlap, nobody is forgotten, nothing deadlocks.
func TestLoad(t *testing.T) {
	linxtest.CheckLeaks(t)
	src := linxtest.NewSource(nil)
	l := newLoop(t, src, state{"a": "0"}, config{
		Interval: time.Millisecond,
		Debounce: reconcile.Immediate,
		Notify:   func(context.Context, report, error) {},
		Claim:    func(context.Context, owned) error { return nil },
	})
	tree := linxtest.Supervise(t, l)
	ctx, cancel := context.WithCancel(t.Context())
	var storms, calls sync.WaitGroup
	storms.Go(func() {
		for ctx.Err() == nil {
			src.Hint()
		}
	})
	storms.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if err := l.PutDesired(state{"a": strconv.Itoa(i)}); err != nil {
				t.Error(err)
			}
		}
	})
	storms.Go(func() {
		for ctx.Err() == nil {
			src.EndMonitor(linxtest.Fail(errBroken))
			if err := l.WaitConverged(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			l.Status()
			l.LastReport()
			<-time.After(time.Millisecond)
		}
	})
	for i := range 50 {
		calls.Go(func() {
			for j := range 20 {
				if (i+j)%5 == 0 {
					impatient, done := context.WithTimeout(ctx, time.Microsecond)
					_, _ = l.Reconcile(impatient)
					done()
					continue
				}
				began := time.Now()
				// A monitor that ends cuts the pass short, and its callers hear of it.
				if r, err := l.Reconcile(ctx); err == nil && r.Began.Before(began) {
					t.Error("the report of a pass that began before the call")
				} else if err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			}
		})
	}
	calls.Wait()
	cancel()
	storms.Wait()
	if err := l.PutDesired(state{"a": "last"}); err != nil {
		t.Fatal(err)
	}
	if err := l.WaitConverged(t.Context()); err != nil {
		t.Fatal(err)
	}
	expectKernel(t, src, "a=last")
	if err := l.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	tree.Stop()
	expectSound(t, src, true)
	t.Logf("%+v, %d restarts", src.Counts(), l.Status().Serves-1)
}

// busy gives the part of the time in which passes ran.
func busy(passes []linxtest.Pass, since time.Time) float64 {
	var took time.Duration
	for _, p := range passes {
		if !p.Ended.IsZero() {
			took += p.Ended.Sub(p.Began)
		}
	}
	return float64(took) / float64(time.Since(since))
}

// A storm of events takes half of the time at most, however long a pass takes.
func TestHintStormTakesHalfTheTime(t *testing.T) {
	for _, takes := range []time.Duration{100 * time.Microsecond, 10 * time.Millisecond, time.Second} {
		for _, debounce := range []time.Duration{reconcile.Immediate, reconcile.DefaultDebounce} {
			t.Run(takes.String()+"/"+debounce.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					src := linxtest.NewSource(nil)
					src.Always(linxtest.PassBegins, linxtest.Slow(takes))
					_, _, before := calm(t, src, config{Debounce: debounce})
					began := time.Now()
					for time.Since(began) < max(100*takes, 10*debounce) {
						src.Hint()
						advance(max(takes/10, debounce/100))
					}
					if share := busy(src.Passes()[before:], began); share > 0.52 {
						t.Errorf("%.0f %% of the time", 100*share)
					}
					if src.Counts().Passes == before {
						t.Error("no pass at all")
					}
				})
			})
		}
	}
}

// While a hinted pass is due anyhow, hints wake nobody.
func TestHintStormWakesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		_, _, before := calm(t, src, config{Debounce: time.Hour})
		src.Hint()
		const n = 10000
		// storm gives how often a goroutine was put on a processor while f was called n times.
		storm := func(f func()) float64 {
			began := scheduled()
			for range n {
				f()
				advance(time.Microsecond)
			}
			return float64(scheduled() - began)
		}
		var quiet, hints float64
		for range 5 { // the runtime's own goroutines are counted, too
			quiet = storm(func() {})
			hints = storm(src.Hint)
			if hints < 1.15*quiet {
				break
			}
		}
		if hints >= 1.15*quiet {
			t.Errorf("%d hints made %.0f wakeups, without them there are %.0f", n, hints, quiet)
		}
		if got := src.Counts().Passes - before; got != 0 {
			t.Fatalf("%d passes, want none before the window's end", got)
		}
		advance(time.Hour)
		if got := src.Counts().Passes - before; got != 1 {
			t.Errorf("%d passes, want 1", got)
		}
	})
}

// scheduled counts how often goroutines began to run. (The runtime samples; it does so evenly.)
func scheduled() (n uint64) {
	samples := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	metrics.Read(samples)
	for _, c := range samples[0].Value.Float64Histogram().Counts {
		n += c
	}
	return n
}

// A storm of new states makes one pass each debounce window, and the newest is what is reached.
func TestPutDesiredStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.Drop(-1)
		l, _, before := calm(t, src, config{})
		for i := range 1001 {
			if err := l.PutDesired(state{"a": strconv.Itoa(i)}); err != nil {
				t.Fatal(err)
			}
			advance(10 * time.Millisecond)
		}
		if n := src.Counts().Passes - before; n < 90 || n > 101 {
			t.Errorf("%d passes in 10 s, want one each 100 to 110 ms", n)
		}
		advance(time.Second)
		expectKernel(t, src, "a=1000")
	})
}

// Calls are answered in the middle of a storm.
func TestReconcileDuringHintStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.Always(linxtest.PassBegins, linxtest.Slow(time.Second))
		l, _, _ := calm(t, src, config{Debounce: reconcile.Immediate})
		ctx, cancel := context.WithCancel(t.Context())
		var storm sync.WaitGroup
		storm.Go(func() {
			for ctx.Err() == nil {
				src.Hint()
				<-time.After(10 * time.Millisecond)
			}
		})
		for range 10 {
			began := time.Now()
			if _, err := l.Reconcile(t.Context()); err != nil {
				t.Error(err)
			}
			// One pass may be running, and then comes the caller's own.
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("a call took %v", took)
			}
			<-time.After(300 * time.Millisecond)
		}
		cancel()
		storm.Wait()
	})
}
