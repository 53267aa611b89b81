package reconcile_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// calm is a loop that has converged and heard the last event of its own changes; only hints move it.
func calm(t *testing.T, src *source, cfg config) (*loop, *served, int) {
	t.Helper()
	cfg.Interval = reconcile.Never
	l, s := start(t, src, state{"a": "1"}, cfg)
	advance(time.Minute)
	return l, s, src.Counts().Passes
}

func TestHintMakesOneDebouncedPass(t *testing.T) {
	tests := []struct {
		name     string
		debounce time.Duration
		want     time.Duration
	}{
		{"default", 0, 100 * time.Millisecond},
		{"given", time.Second, time.Second},
		{"immediate", reconcile.Immediate, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := linxtest.NewSource(nil)
				_, _, before := calm(t, src, config{Debounce: test.debounce})
				hinted := time.Now()
				src.Kernel().Put("foreign", "1")
				advance(time.Minute)
				passes := src.Passes()[before:]
				if len(passes) != 1 {
					t.Fatalf("%d passes, want 1", len(passes))
				}
				if got := passes[0].Began.Sub(hinted); got > test.want || test.want > 1 && got < test.want {
					t.Errorf("the pass began after %v, want %v", got, test.want)
				}
			})
		})
	}
}

func TestHintHealsDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		calm(t, src, config{})
		src.Kernel().Delete("a")
		advance(reconcile.DefaultDebounce)
		expectKernel(t, src, "a=1")
	})
}

func TestBurstOfHintsMakesOnePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		_, _, before := calm(t, src, config{})
		for range 10 {
			src.Hint()
			advance(5 * time.Millisecond)
		}
		advance(time.Minute)
		if got := src.Counts().Passes - before; got != 1 {
			t.Errorf("ten hints made %d passes, want 1", got)
		}
	})
}

// Only the first hint arms the debounce window, so that a stream of hints cannot put the pass off.
func TestStreamOfHintsCannotStarve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		_, _, before := calm(t, src, config{})
		began := time.Now()
		for time.Since(began) < 10*time.Second {
			src.Hint()
			advance(10 * time.Millisecond)
		}
		if got := src.Counts().Passes - before; got < 90 || got > 100 {
			t.Errorf("%d passes in 10 s, want one each 100 to 110 ms", got)
		}
	})
}

// An event that came before a pass's last observation began is satisfied by that pass.
func TestHintsDuringPass(t *testing.T) {
	tests := []struct {
		moment linxtest.Moment
		later  time.Duration // from the hint to the pass's next step
		passes int
	}{
		{linxtest.PassBegins, time.Millisecond, 1},
		{linxtest.PassObserved, time.Millisecond, 2}, // nothing changes: its first observation is its last
		{linxtest.PassEnds, time.Millisecond, 2},
		{linxtest.PassEnds, 0, 2}, // in the same instant: nobody knows which came first
	}
	for _, test := range tests {
		t.Run(string(test.moment), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := linxtest.NewSource(nil)
				_, _, before := calm(t, src, config{})
				src.At(test.moment, linxtest.Then(linxtest.Call(src.Hint), linxtest.Slow(test.later)))
				src.Hint()
				advance(time.Minute)
				if got := src.Counts().Passes - before; got != test.passes {
					t.Errorf("%d passes, want %d", got, test.passes)
				}
			})
		})
	}
}

// What is seen by the second observation of a pass that changed something needs no further pass.
func TestHintBeforeLastObservationIsSatisfied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		_, _, before := calm(t, src, config{})
		src.At(linxtest.PassApplied, linxtest.Then(linxtest.Call(src.Hint), linxtest.Slow(time.Millisecond)))
		src.Kernel().Delete("a")
		advance(time.Minute)
		if got := src.Counts().Passes - before; got != 1 {
			t.Errorf("%d passes, want 1", got)
		}
	})
}

func TestOwnChangesCauseAtMostOneFurtherPass(t *testing.T) {
	for _, debounce := range []time.Duration{reconcile.Immediate, reconcile.DefaultDebounce} {
		synctest.Test(t, func(t *testing.T) {
			src := linxtest.NewSource(nil)
			start(t, src, state{"a": "1", "b": "2", "c": "3"}, config{Interval: reconcile.Never, Debounce: debounce})
			advance(time.Minute)
			passes := src.Passes()
			if len(passes) > 2 {
				t.Errorf("%d passes", len(passes))
			}
			for _, p := range passes[1:] {
				if len(p.Report.Applied) > 0 {
					t.Errorf("a further pass applied %v", p.Report.Applied)
				}
			}
		})
	}
}

func TestTimerOnlyTakesNoHints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		began := time.Now()
		l, _ := start(t, src, state{"a": "1"}, config{TimerOnly: true})
		src.Kernel().Put("foreign", "1")
		src.Hint()
		advance(12 * time.Second)
		expectPasses(t, src, began, 0, 5*time.Second, 10*time.Second)
		if n := src.Counts().Subscribes; n != 0 {
			t.Errorf("subscribed %d times", n)
		}
		if st := l.Status(); st.Monitor != reconcile.MonitorOff || !st.Subscriber {
			t.Errorf("status %+v", st)
		}
	})
}

// hinter keeps the hints that the loop gave to its subscriptions.
type hinter struct {
	*source
	hints *[]func()
}

func (h hinter) Subscribe(ctx context.Context, hint func()) (suture.Service, error) {
	*h.hints = append(*h.hints, hint)
	return h.source.Subscribe(ctx, hint)
}

func TestHintIsNoOpAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		var hints []func()
		l, s := start(t, hinter{src, &hints}, state{"a": "1"}, config{Interval: reconcile.Never})
		advance(time.Minute)
		s.stop()
		before := src.Counts().Passes
		hints[0]() // nobody serves
		serve(t, l)
		advance(time.Minute)
		hints[0]() // somebody else's monitor is served
		advance(time.Minute)
		if got := src.Counts().Passes - before; got != 1 {
			t.Errorf("%d passes, want the first one alone", got)
		}
		hints[1]()
		advance(time.Minute)
		if got := src.Counts().Passes - before; got != 2 {
			t.Errorf("%d passes, want one of the hint", got)
		}
		if err := l.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		hints[1]()
	})
}

// A hint may come from the source's and the consumer's own callbacks, and never waits.
func TestHintFromCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		for _, m := range []linxtest.Moment{
			linxtest.PassBegins, linxtest.PassClaimed, linxtest.PassEnds, linxtest.Serving, linxtest.Stopping, linxtest.Closing,
		} {
			src.Always(m, linxtest.Call(func() {
				for range 100 {
					src.Hint()
				}
			}))
		}
		hint := func() { src.Hint() }
		_, s := start(t, src, state{"a": "1"}, config{
			Notify: func(context.Context, report, error) { hint() },
			Claim:  func(context.Context, owned) error { hint(); return nil },
		})
		advance(time.Minute)
		s.stop()
		if !errors.Is(s.err, context.Canceled) {
			t.Errorf("Serve: %v", s.err)
		}
		expectSound(t, src, true)
	})
}

// A hinted pass is followed by the next hinted one after at least its own length: a storm takes half a core
// at most.
func TestRestAfterHintedPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		_, _, before := calm(t, src, config{Debounce: reconcile.Immediate})
		lengths := []time.Duration{time.Second, time.Second, 3 * time.Second, time.Millisecond, 2 * time.Second}
		for _, d := range lengths {
			src.At(linxtest.PassBegins, linxtest.Slow(d))
		}
		began := time.Now()
		for time.Since(began) < 20*time.Second {
			src.Hint()
			advance(time.Millisecond)
		}
		passes := src.Passes()[before:]
		if len(passes) < len(lengths) {
			t.Fatalf("only %d passes", len(passes))
		}
		for i, d := range lengths[:len(lengths)-1] {
			pause := passes[i+1].Began.Sub(passes[i].Ended)
			if pause < d || pause > d+10*time.Millisecond {
				t.Errorf("pass %d took %v; the next hinted one began %v later", i, d, pause)
			}
		}
	})
}

// So is a pass that changed something, whoever asked for it: its events are its own doing.
func TestRestAfterChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.At(linxtest.PassApplied, linxtest.Slow(10*time.Second))
		src.At(linxtest.PassEnds, linxtest.Call(src.Hint))
		start(t, src, state{"a": "1"}, config{Interval: reconcile.Never, Debounce: reconcile.Immediate})
		advance(time.Minute)
		passes := src.Passes()
		if len(passes) != 2 {
			t.Fatalf("%d passes, want 2", len(passes))
		}
		if pause := passes[1].Began.Sub(passes[0].Ended); pause < 10*time.Second {
			t.Errorf("the next pass began %v after one that took 10 s", pause)
		}
	})
}

// Who rests from hints does not rest from calls, new states and the timer.
func TestRestIsForHintsAlone(t *testing.T) {
	tests := []struct {
		name string
		ask  func(*loop)
		want time.Duration
	}{
		{"Reconcile", func(l *loop) { go func() { _, _ = l.Reconcile(context.Background()) }() }, 0},
		{"PutDesired", func(l *loop) { _ = l.PutDesired(state{"a": "1"}) }, reconcile.DefaultDebounce},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := linxtest.NewSource(nil)
				l, _, before := calm(t, src, config{})
				src.At(linxtest.PassBegins, linxtest.Slow(time.Hour))
				src.Hint()
				advance(time.Hour + reconcile.DefaultDebounce)
				src.Hint()
				advance(1)
				asked := time.Now()
				test.ask(l)
				advance(time.Second)
				passes := src.Passes()[before:]
				if len(passes) != 2 {
					t.Fatalf("%d passes, want 2", len(passes))
				}
				if got := passes[1].Began.Sub(asked); got != test.want {
					t.Errorf("the pass began after %v, want %v", got, test.want)
				}
			})
		})
	}
}

// A short pass in between does not end the rest.
func TestRestOutlastsOtherPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l, _, before := calm(t, src, config{})
		src.At(linxtest.PassBegins, linxtest.Slow(time.Hour))
		src.Hint()
		advance(time.Hour + reconcile.DefaultDebounce)
		if _, err := l.Reconcile(t.Context()); err != nil {
			t.Fatal(err)
		}
		advance(time.Minute)
		src.Hint()
		advance(2 * time.Hour)
		passes := src.Passes()[before:]
		if len(passes) != 3 {
			t.Fatalf("%d passes, want 3", len(passes))
		}
		if pause := passes[2].Began.Sub(passes[0].Ended); pause < time.Hour {
			t.Errorf("the next hinted pass began %v after one that took an hour", pause)
		}
	})
}
