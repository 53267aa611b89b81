package reconcile_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// called is a call of Reconcile on a goroutine of its own.
type called struct {
	report report
	err    error
	done   chan struct{}
	ended  time.Time
}

func call(ctx context.Context, l *loop) *called {
	c := &called{done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.report, c.err = l.Reconcile(ctx)
		c.ended = time.Now()
	}()
	return c
}

func (c *called) returned() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func TestReconcileRunsAPassNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.Drop(-1)
		l, _, before := calm(t, src, config{})
		src.Kernel().Delete("a")
		began := time.Now()
		r, err := l.Reconcile(t.Context())
		if err != nil || !r.Converged || len(r.Applied) != 1 || !r.Began.Equal(began) {
			t.Errorf("report %+v, error %v", r, err)
		}
		expectKernel(t, src, "a=1")
		if n := src.Counts().Passes - before; n != 1 {
			t.Errorf("%d passes", n)
		}
	})
}

func TestReconcileGivesThePassError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l, s, _ := calm(t, src, config{})
		src.At(linxtest.PassApplied, linxtest.Fail(errBroken))
		src.Drop(-1)
		src.Kernel().Delete("a")
		r, err := l.Reconcile(t.Context())
		if !errors.Is(err, errBroken) || r.Converged || len(r.Applied) != 1 {
			t.Errorf("report %+v, error %v", r, err)
		}
		if !s.running() {
			t.Errorf("Serve ended: %v", s.err)
		}
	})
}

// The result is of a pass that began after the call, and calls that wait together share it.
func TestReconcileDuringPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.Drop(-1)
		l, _, before := calm(t, src, config{})
		release := make(chan struct{})
		src.At(linxtest.PassEnds, linxtest.Block(release))
		first := call(t.Context(), l)
		synctest.Wait()
		src.Kernel().Delete("a") // after the running pass's observation
		var calls []*called
		for range 50 {
			calls = append(calls, call(t.Context(), l))
		}
		advance(time.Second)
		for _, c := range calls {
			if c.returned() {
				t.Fatalf("a call returned before its pass had begun: %+v", c.report)
			}
		}
		close(release)
		advance(time.Second)
		if !first.returned() || first.err != nil || len(first.report.Applied) != 0 {
			t.Errorf("the first call: %+v, %v", first.report, first.err)
		}
		for _, c := range calls {
			if !c.returned() || c.err != nil || len(c.report.Applied) != 1 {
				t.Fatalf("a later call: %+v, %v", c.report, c.err)
			}
		}
		if n := src.Counts().Passes - before; n != 2 {
			t.Errorf("%d passes, want 2", n)
		}
	})
}

func TestReconcileHonoursItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l, s, _ := calm(t, src, config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		release := make(chan struct{})
		src.At(linxtest.PassBegins, linxtest.Block(release))
		began := time.Now()
		if _, err := l.Reconcile(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		// Who gives up does not take the pass along, which is everybody's.
		close(release)
		synctest.Wait()
		passes := src.Passes()
		if last := passes[len(passes)-1]; last.Err != nil || !last.Report.Converged {
			t.Errorf("the pass ended with %v", last.Err)
		}
		if !s.running() {
			t.Errorf("Serve ended: %v", s.err)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if _, err := l.Reconcile(ended); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("with an ended context: %v", err)
		}
	})
}

// Calls of before the first Serve, and of between two, wait.
func TestCallsWaitForServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l := newLoop(t, src, state{"a": "1"}, config{})
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Reconcile(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Reconcile before Serve: %v", err)
		}
		if err := l.WaitConverged(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("WaitConverged before Serve: %v", err)
		}
		for _, when := range []string{"before Serve", "between two"} {
			src.Kernel().Delete("a")
			c := call(t.Context(), l)
			converged := make(chan error, 1)
			if when == "before Serve" {
				go func() { converged <- l.WaitConverged(t.Context()) }()
			} else {
				converged <- nil // it has converged, and nobody says otherwise
			}
			advance(time.Hour)
			if c.returned() {
				t.Fatalf("%s: Reconcile returned %v", when, c.err)
			}
			s := serve(t, l)
			synctest.Wait()
			if !c.returned() || c.err != nil || !c.report.Converged {
				t.Errorf("%s: Reconcile %+v, %v", when, c.report, c.err)
			}
			if err := <-converged; err != nil {
				t.Errorf("%s: WaitConverged: %v", when, err)
			}
			expectKernel(t, src, "a=1")
			s.stop()
		}
		if n := src.Counts().Passes; n != 2 {
			t.Errorf("%d passes, want the first one of each Serve", n)
		}
	})
}

func TestReconcileOfPanickingPass(t *testing.T) {
	for name, fault := range map[string]linxtest.Fault{"panic": linxtest.Panic("lost"), "goexit": linxtest.Goexit()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := linxtest.NewSource(nil)
				l := newLoop(t, src, state{"a": "1"}, config{})
				linxtest.Supervise(t, l)
				advance(time.Minute)
				src.At(linxtest.PassBegins, fault)
				_, err := l.Reconcile(t.Context())
				var p *linx.PanicError
				switch {
				case err == nil:
					t.Error("no error")
				case name == "panic" && (!errors.As(err, &p) || p.Value != "lost"):
					t.Errorf("error %v", err)
				case name == "goexit" && !strings.Contains(err.Error(), "Goexit"):
					t.Errorf("error %v", err)
				}
				if r, err := l.Reconcile(t.Context()); err != nil || !r.Converged {
					t.Errorf("after the restart: %+v, %v", r, err)
				}
			})
		})
	}
}

// A call that waits while the loop crashes and is restarted gets its pass from the next Serve.
func TestCallsOutliveRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l := newLoop(t, src, state{"a": "1"}, config{})
		s := serve(t, l)
		synctest.Wait()
		release := make(chan struct{})
		src.At(linxtest.PassBegins, linxtest.Then(linxtest.Hang(release), linxtest.Panic("lost")))
		first := call(t.Context(), l)
		synctest.Wait()
		second := call(t.Context(), l)
		synctest.Wait()
		close(release)
		<-s.done
		advance(time.Second)
		if !first.returned() || first.err == nil {
			t.Errorf("the call of the pass that panicked: %v", first.err)
		}
		if second.returned() {
			t.Errorf("a later call: %v", second.err)
		}
		serve(t, l)
		synctest.Wait()
		if !second.returned() || second.err != nil || !second.report.Converged {
			t.Errorf("a later call, after the restart: %+v, %v", second.report, second.err)
		}
	})
}

func TestCallsFromInsideCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		var l *loop
		inside := func(ctx context.Context) {
			began := time.Now()
			ctx, cancel := context.WithTimeout(ctx, time.Hour) // derived contexts count as well
			defer cancel()
			if _, err := l.Reconcile(ctx); err == nil || errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 0 {
				t.Errorf("Reconcile, after %v: %v", time.Since(began), err)
			}
			if _, err := l.Release(ctx); err == nil || errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 0 {
				t.Errorf("Release, after %v: %v", time.Since(began), err)
			}
			l.Status()
			l.LastReport()
		}
		notified, claims := 0, 0
		l = newLoop(t, src, state{"a": "1"}, config{
			Notify: func(ctx context.Context, _ report, _ error) { notified++; inside(ctx) },
			Claim:  func(ctx context.Context, _ owned) error { claims++; inside(ctx); return nil },
		})
		s := serve(t, l)
		advance(time.Minute)
		if notified == 0 || claims == 0 {
			t.Errorf("%d notified, %d claims", notified, claims)
		}
		if !s.running() || l.Status().Final != nil {
			t.Errorf("ended: %v, %v", s.err, l.Status().Final)
		}
	})
}

func TestWaitConverged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l, _, _ := calm(t, src, config{})
		wait := func() time.Duration {
			t.Helper()
			began := time.Now()
			if err := l.WaitConverged(t.Context()); err != nil {
				t.Error(err)
			}
			return time.Since(began)
		}
		if d := wait(); d != 0 {
			t.Errorf("converged, it waits %v", d)
		}

		// Not by the pass of an older state.
		if err := l.PutDesired(state{"a": "2"}); err != nil {
			t.Fatal(err)
		}
		if d := wait(); d != reconcile.DefaultDebounce {
			t.Errorf("after PutDesired, it waits %v", d)
		}
		expectKernel(t, src, "a=2")

		// Not by one that was begun before the newest PutDesired, though it ends later.
		src.At(linxtest.PassEnds, linxtest.Slow(time.Second))
		c := call(t.Context(), l)
		synctest.Wait()
		if err := l.PutDesired(state{"a": "3"}); err != nil {
			t.Fatal(err)
		}
		wait()
		expectKernel(t, src, "a=3")
		<-c.done

		// Not by one that fails, in any way.
		for name, fail := range failing {
			fail(src)
			if err := l.PutDesired(state{"a": name}); err != nil {
				t.Fatal(err)
			}
			heal := time.AfterFunc(time.Minute, src.Heal)
			if d := wait(); d < time.Minute {
				t.Errorf("%s: it waits %v", name, d)
			}
			heal.Stop()
			expectKernel(t, src, "a="+name)
		}

		src.Always(linxtest.PassBegins, linxtest.Fail(errBroken))
		if err := l.PutDesired(state{"a": "4"}); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.WaitConverged(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("its context: %v", err)
		}
	})
}
