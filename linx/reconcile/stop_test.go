package reconcile_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// endings collects what Notify is told of the end.
type endings struct {
	mu     sync.Mutex
	finals []error
}

func (e *endings) notify(_ context.Context, _ report, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if errors.Is(err, reconcile.ErrStopped) || errors.Is(err, suture.ErrDoNotRestart) ||
		errors.Is(err, suture.ErrTerminateSupervisorTree) {
		e.finals = append(e.finals, err)
	}
}

func (e *endings) told() []error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]error(nil), e.finals...)
}

// expectEnded checks that l ended for good, by Stop or Release, and says so everywhere.
func expectEnded(t *testing.T, l *loop, src *source, e *endings, log *logbook) {
	t.Helper()
	if got := l.Status(); !errors.Is(got.Final, reconcile.ErrStopped) || got.Serving {
		t.Errorf("status %+v", got)
	}
	if got := e.told(); len(got) != 1 {
		t.Errorf("Notify was told of the end %d times: %v", len(got), got)
	}
	if log != nil && len(log.about("ended for good")) != 1 {
		t.Errorf("logged %q", log.about("ended"))
	}
	if _, err := l.Reconcile(t.Context()); !errors.Is(err, reconcile.ErrStopped) {
		t.Errorf("Reconcile: %v", err)
	}
	if err := l.WaitConverged(t.Context()); !errors.Is(err, reconcile.ErrStopped) {
		t.Errorf("WaitConverged: %v", err)
	}
	if err := l.PutDesired(state{"late": "1"}); !errors.Is(err, reconcile.ErrStopped) {
		t.Errorf("PutDesired: %v", err)
	}
	if err := l.Stop(t.Context()); err != nil {
		t.Errorf("Stop again: %v", err)
	}
	before := src.Counts()
	if err := l.Serve(t.Context()); !errors.Is(err, suture.ErrDoNotRestart) || !errors.Is(err, reconcile.ErrStopped) {
		t.Errorf("Serve again: %v", err)
	}
	if after := src.Counts(); after.Passes != before.Passes || after.Subscribes != before.Subscribes {
		t.Errorf("a further Serve did something: %+v, %+v", before, after)
	}
	if got := e.told(); len(got) != 1 {
		t.Errorf("Notify was told again: %v", got)
	}
	expectSound(t, src, true)
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(linxtest.NewKernel(state{"theirs": "1"}))
		var e endings
		var log logbook
		l := newLoop(t, src, state{"a": "1"}, config{Notify: e.notify, Logger: slogTo(&log)})
		tree := linxtest.Supervise(t, l)
		advance(time.Minute)
		waiting := make(chan error, 1)
		go func() {
			if err := l.PutDesired(state{"b": "1"}); err != nil {
				t.Error(err)
			}
			waiting <- l.WaitConverged(t.Context())
		}()
		synctest.Wait()
		if err := l.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if c := src.Counts(); c.Open != 0 || c.Closes == 0 {
			t.Errorf("Stop returned before all had ended: %+v", c)
		}
		if err := <-waiting; !errors.Is(err, reconcile.ErrStopped) {
			t.Errorf("who waited: %v", err)
		}
		expectKernel(t, src, "a=1", "theirs=1 foreign")
		synctest.Wait()
		if n := len(tree.Services()); n != 0 {
			t.Errorf("the supervisor still has %d services", n)
		}
		if n := len(tree.Events()); n != 0 {
			t.Errorf("events %v", tree.Events())
		}
		expectEnded(t, l, src, &e, &log)
	})
}

func TestStopDuringPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		var e endings
		src.At(linxtest.PassApplied, linxtest.Block(nil))
		l, s := start(t, src, state{"a": "1"}, config{Notify: e.notify})
		c := call(t.Context(), l)
		synctest.Wait()
		if err := l.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		<-s.done
		if !errors.Is(s.err, suture.ErrDoNotRestart) || !errors.Is(s.err, reconcile.ErrStopped) {
			t.Errorf("Serve: %v", s.err)
		}
		<-c.done
		if !errors.Is(c.err, reconcile.ErrStopped) {
			t.Errorf("a waiting call: %v", c.err)
		}
		if r, ok := l.LastReport(); !ok || len(r.Applied) != 1 {
			t.Errorf("the last report says %+v, %v", r, ok)
		}
		expectKernel(t, src, "a=1")
		expectEnded(t, l, src, &e, nil)
	})
}

func TestStopBeforeServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		var e endings
		var log logbook
		l := newLoop(t, src, state{"a": "1"}, config{Notify: e.notify, Logger: slogTo(&log)})
		c := call(t.Context(), l)
		synctest.Wait()
		if err := l.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		<-c.done
		if !errors.Is(c.err, reconcile.ErrStopped) {
			t.Errorf("a waiting call: %v", c.err)
		}
		tree := linxtest.Supervise(t, l)
		advance(time.Minute)
		if n := len(tree.Services()); n != 0 {
			t.Errorf("the supervisor still has %d services", n)
		}
		expectKernel(t, src)
		expectEnded(t, l, src, &e, &log)
	})
}

// paused is a loop that has crashed, under a supervisor that waits a minute before it restarts it.
func paused(t *testing.T, src *source, cfg config) (*loop, *linxtest.Tree) {
	t.Helper()
	l := newLoop(t, src, state{"a": "1"}, cfg)
	pausing := suture.Spec{FailureThreshold: 0.5, FailureBackoff: time.Minute, BackoffJitter: suture.NoJitter{}}
	tree := linxtest.SuperviseSpec(t, pausing, l)
	synctest.Wait()
	src.EndMonitor(linxtest.Fail(errBroken))
	synctest.Wait()
	if l.Status().Serving || len(tree.Services()) != 1 {
		t.Fatalf("no pause: %+v", l.Status())
	}
	return l, tree
}

func TestStopDuringRestartPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		var e endings
		l, tree := paused(t, src, config{Notify: e.notify})
		began := time.Now()
		if err := l.Stop(t.Context()); err != nil || time.Since(began) != 0 {
			t.Errorf("Stop, after %v: %v", time.Since(began), err)
		}
		if len(e.told()) != 1 || l.Status().Final == nil {
			t.Errorf("told of the end %v, status %+v", e.told(), l.Status())
		}
		advance(2 * time.Minute)
		if n := len(tree.Services()); n != 0 {
			t.Errorf("the supervisor still has %d services", n)
		}
		expectKernel(t, src, "a=1")
		expectEnded(t, l, src, &e, nil)
	})
}

func TestStopFromNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		var e endings
		var l *loop
		l = newLoop(t, src, state{"a": "1"}, config{Notify: func(ctx context.Context, r report, err error) {
			e.notify(ctx, r, err)
			began := time.Now()
			if err := l.Stop(ctx); err != nil || time.Since(began) != 0 {
				t.Errorf("Stop, after %v: %v", time.Since(began), err)
			}
		}})
		s := serve(t, l)
		advance(time.Minute)
		if s.running() {
			t.Fatal("Serve goes on")
		}
		if !errors.Is(s.err, suture.ErrDoNotRestart) || src.Counts().Passes != 1 {
			t.Errorf("Serve: %v, after %d passes", s.err, src.Counts().Passes)
		}
		expectKernel(t, src, "a=1")
		expectEnded(t, l, src, &e, nil)
	})
}

func TestStopConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.At(linxtest.Stopping, linxtest.Stubborn(3*time.Second))
		var e endings
		l, s := start(t, src, state{"a": "1"}, config{Notify: e.notify})
		began := time.Now()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if err := l.Stop(t.Context()); err != nil || time.Since(began) != 3*time.Second {
					t.Errorf("Stop, after %v: %v", time.Since(began), err)
				}
			})
		}
		wg.Wait()
		<-s.done
		expectEnded(t, l, src, &e, nil)
	})
}

// A member that ignores its cancellation delays the end, not the caller.
func TestStopHonoursItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		release := make(chan struct{})
		src.At(linxtest.Stopping, linxtest.Hang(release))
		var e endings
		l, s := start(t, src, state{"a": "1"}, config{Notify: e.notify})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := l.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("Stop, after %v: %v", time.Since(began), err)
		}
		if !s.running() {
			t.Error("Serve returned before its monitor had ended")
		}
		close(release)
		<-s.done
		if !errors.Is(s.err, suture.ErrDoNotRestart) {
			t.Errorf("Serve: %v", s.err)
		}
		expectEnded(t, l, src, &e, nil)
	})
}

// A Notify that panics when it is told of the end is a fault like any other, but brings nothing back.
func TestFinalNotifyPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l := newLoop(t, src, state{"a": "1"}, config{Notify: func(ctx context.Context, _ report, err error) {
			if errors.Is(err, reconcile.ErrStopped) {
				_ = linxtest.Panic("lost")(ctx)
			}
		}})
		tree := linxtest.Supervise(t, l)
		advance(time.Minute)
		_ = l.Stop(t.Context())
		advance(time.Minute)
		expectFailures(t, tree, "Notify", "panic")
		if n := len(tree.Services()); n != 0 || !errors.Is(l.Status().Final, reconcile.ErrStopped) {
			t.Errorf("%d services left, status %+v", n, l.Status())
		}
		expectSound(t, src, true)
	})
}

// A supervisor's Remove, then Add, overlaps.
func TestSecondServeWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.At(linxtest.Stopping, linxtest.Stubborn(5*time.Second))
		l := newLoop(t, src, state{"a": "1"}, config{})
		tree := linxtest.Supervise(t)
		token := tree.Add(l)
		advance(time.Second)
		if err := tree.Remove(token); err != nil {
			t.Fatal(err)
		}
		tree.Add(l)
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Serve(impatient); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a further Serve: %v", err)
		}
		advance(3 * time.Second)
		if c := src.Counts(); c.Subscribes != 1 {
			t.Errorf("the second Serve did not wait: %+v", c)
		}
		advance(time.Minute)
		if c := src.Counts(); c.Subscribes != 2 || c.Open != 1 {
			t.Errorf("the second Serve did not follow: %+v", c)
		}
		if n := len(tree.Failures()); n != 0 {
			t.Errorf("failures %v", tree.Failures())
		}
		tree.Stop()
		expectSound(t, src, true)
	})
}
