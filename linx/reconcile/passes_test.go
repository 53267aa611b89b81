package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

func TestFirstPassAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.At(linxtest.PassBegins, linxtest.Call(func() {
			if src.Counts().Open != 1 {
				t.Error("the first pass began before the loop had subscribed")
			}
		}))
		began := time.Now()
		l, _ := start(t, src, state{"a": "1"}, config{})
		expectKernel(t, src, "a=1")
		first := src.Passes()[0]
		if !first.Began.Equal(began) {
			t.Errorf("the first pass began after %v", first.Began.Sub(began))
		}
		if len(first.Last) != 0 {
			t.Errorf("it owned %v, want nothing", first.Last)
		}
		if r, ok := l.LastReport(); !ok || !r.Converged {
			t.Errorf("last report %+v, %v", r, ok)
		}
	})
}

func TestStartsFromGivenOwnership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := linxtest.NewKernel(nil)
		before, err := linxtest.NewSource(k).Reconcile(t.Context(), state{"a": "1", "old": "1"}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		src := linxtest.NewSource(k)
		start(t, src, state{"a": "2"}, config{LastApplied: before.LastApplied})
		if got := src.Passes()[0].Last; !maps.Equal(got, before.LastApplied) {
			t.Errorf("the first pass owned %v, want %v", got, before.LastApplied)
		}
		expectKernel(t, src, "a=2")
	})
}

func TestOwnershipIsThreaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l, s := start(t, src, state{"a": "1", "b": "2"}, config{TimerOnly: true})
		if err := l.PutDesired(state{"b": "2", "c": "3"}); err != nil {
			t.Fatal(err)
		}
		advance(time.Minute)
		// A later Serve, as after a restart, goes on where the earlier one ended.
		s.stop()
		serve(t, l)
		advance(time.Minute)
		passes := src.Passes()
		for i := 1; i < len(passes); i++ {
			if got, want := passes[i].Last, passes[i-1].Report.LastApplied; !maps.Equal(got, want) {
				t.Errorf("pass %d owned %v, want %v", i, got, want)
			}
		}
		expectKernel(t, src, "b=2", "c=3")
	})
}

func TestTimer(t *testing.T) {
	tests := []struct {
		name     string
		interval time.Duration
		takes    time.Duration
		want     []time.Duration
	}{
		{"default", 0, 0, []time.Duration{0, 5 * time.Second, 10 * time.Second}},
		{"given", 4 * time.Second, 0, []time.Duration{0, 4 * time.Second, 8 * time.Second, 12 * time.Second}},
		{"from the end of the last pass", 0, 2 * time.Second, []time.Duration{0, 7 * time.Second}},
		{"never", reconcile.Never, 0, []time.Duration{0}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := linxtest.NewSource(nil)
				src.Drop(-1)
				src.Always(linxtest.PassBegins, linxtest.Slow(test.takes))
				began := time.Now()
				start(t, src, state{"a": "1"}, config{Interval: test.interval})
				advance(13 * time.Second)
				expectPasses(t, src, began, test.want...)
			})
		})
	}
}

// The timer alone is enough to converge.
func TestTimerHealsDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		start(t, src, state{"a": "1", "b": "2"}, config{TimerOnly: true})
		src.Kernel().Put("a", "x")
		src.Kernel().Delete("b")
		advance(reconcile.DefaultInterval - 1)
		expectKernel(t, src, "a=x")
		advance(1)
		expectKernel(t, src, "a=1", "b=2")
	})
}

func TestNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.At(linxtest.PassBegins, nil, linxtest.Fail(errBroken))
		type call struct {
			report report
			err    error
		}
		var calls []call
		var l *loop
		inside := 0
		l = newLoop(t, src, state{"a": "1"}, config{
			TimerOnly: true,
			Interval:  time.Second,
			Notify: func(_ context.Context, r report, err error) {
				inside++
				defer func() { inside-- }()
				if inside > 1 {
					t.Error("calls of Notify overlap")
				}
				calls = append(calls, call{r, err})
				if n := src.Counts().Passes; n != len(calls) {
					t.Errorf("call %d comes after %d passes", len(calls), n)
				}
				if last, ok := l.LastReport(); !ok || !last.Began.Equal(r.Began) {
					t.Error("LastReport does not give what Notify was told")
				}
				<-time.After(10 * time.Second) // the loop waits
				if n := src.Counts().Passes; n != len(calls) {
					t.Error("a pass began before Notify had returned")
				}
			},
		})
		s := serve(t, l)
		advance(60 * time.Second)
		s.stop()
		passes := src.Passes()
		if len(calls) != len(passes) || len(calls) < 5 {
			t.Fatalf("%d calls of Notify, %d passes", len(calls), len(passes))
		}
		for i, c := range calls {
			if !c.report.Began.Equal(passes[i].Began) || !maps.Equal(c.report.LastApplied, passes[i].Report.LastApplied) {
				t.Errorf("call %d told of %+v, want %+v", i, c.report, passes[i].Report)
			}
			if !errors.Is(c.err, passes[i].Err) || (c.err == nil) != (passes[i].Err == nil) {
				t.Errorf("call %d: error %v, want %v", i, c.err, passes[i].Err)
			}
		}
		if !errors.Is(calls[1].err, errBroken) {
			t.Errorf("the failing pass: %v", calls[1].err)
		}
	})
}

func TestLastReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l := newLoop(t, src, state{"a": "1"}, config{TimerOnly: true})
		if r, ok := l.LastReport(); ok {
			t.Errorf("a report before the first pass: %+v", r)
		}
		serve(t, l)
		synctest.Wait()
		if r, ok := l.LastReport(); !ok || !r.Converged || fmt.Sprint(r.Applied) != "[create a=1]" {
			t.Errorf("after the first pass: %+v, %v", r, ok)
		}
		src.At(linxtest.PassObserved, linxtest.Then(linxtest.Slow(time.Second), linxtest.Fail(errBroken)))
		advance(reconcile.DefaultInterval + time.Second)
		r, ok := l.LastReport()
		if !ok || r.Converged || r.Took != time.Second || !maps.Equal(r.LastApplied, owned{"a": confirmed}) {
			t.Errorf("after a failing pass: %+v, %v", r, ok)
		}
	})
}

// A source may leave the times of its reports to the loop.
type timeless struct{ *source }

func (s timeless) Reconcile(ctx context.Context, d state, o owned, claim func(owned) error) (report, error) {
	r, err := s.source.Reconcile(ctx, d, o, claim)
	r.Began, r.Took, r.Observed = time.Time{}, 0, time.Time{}
	return r, err
}

func TestTimesOfReport(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.At(linxtest.PassBegins, linxtest.Slow(time.Second))
		began := time.Now()
		l, _ := start(t, timeless{src}, state{"a": "1"}, config{TimerOnly: true})
		advance(time.Second)
		if r, _ := l.LastReport(); !r.Began.Equal(began) || r.Took != time.Second {
			t.Errorf("began %v, took %v", r.Began, r.Took)
		}
	})
}

// Whatever a source claims beside an error, it has not converged.
func TestErrorIsNotConverged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := sourceFunc(func() (report, error) { return report{Converged: true}, errBroken })
		l, _ := start(t, src, state{"a": "1"}, config{})
		if r, _ := l.LastReport(); r.Converged || l.Status().Converged {
			t.Errorf("report %+v, status %+v", r, l.Status())
		}
	})
}

// A pass that fails is no end, and what it owned by then is owned.
func TestFailingPassKeepsOwnership(t *testing.T) {
	for _, moment := range []linxtest.Moment{
		linxtest.PassBegins, linxtest.PassObserved, linxtest.PassClaimed, linxtest.PassApplied, linxtest.PassEnds,
	} {
		t.Run(string(moment), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := linxtest.NewSource(nil)
				l, s := start(t, src, state{"a": "1"}, config{TimerOnly: true})
				src.At(moment, linxtest.Times(3, linxtest.Fail(errBroken))...)
				// The new state is desired for no longer than the pass that fails.
				if err := l.PutDesired(state{"b": "2"}); err != nil {
					t.Fatal(err)
				}
				advance(reconcile.DefaultDebounce)
				if got := l.Status().LastError; !errors.Is(got, errBroken) {
					t.Fatalf("the pass ended with %v", got)
				}
				if err := l.PutDesired(state{}); err != nil {
					t.Fatal(err)
				}
				advance(time.Minute)
				if !s.running() {
					t.Fatalf("Serve ended: %v", s.err)
				}
				expectKernel(t, src)
				passes := src.Passes()
				for i := 1; i < len(passes); i++ {
					if got, want := passes[i].Last, passes[i-1].Report.LastApplied; !maps.Equal(got, want) {
						t.Errorf("pass %d owned %v, want %v", i, got, want)
					}
				}
			})
		})
	}
}

func TestCancellingKeepsWhatIsApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l, s := start(t, src, state{"a": "1"}, config{})
		s.stop()
		if !errors.Is(s.err, context.Canceled) {
			t.Errorf("Serve: %v", s.err)
		}
		expectKernel(t, src, "a=1")

		// In the middle of a pass: it ends at its next step, and what it owns by then is in the last report.
		if err := l.PutDesired(state{"a": "1", "b": "2"}); err != nil {
			t.Fatal(err)
		}
		src.At(linxtest.PassApplied, linxtest.Block(nil))
		s = serve(t, l)
		synctest.Wait()
		stopped := time.Now()
		s.stop()
		if !errors.Is(s.err, context.Canceled) || s.ended.Sub(stopped) > time.Second {
			t.Errorf("Serve: %v, after %v", s.err, s.ended.Sub(stopped))
		}
		expectKernel(t, src, "a=1", "b=2")
		if r, _ := l.LastReport(); !maps.Equal(r.LastApplied, owned{"a": confirmed, "b": claimed}) {
			t.Errorf("the last report owns %v", r.LastApplied)
		}
		expectSound(t, src, true)
	})
}
