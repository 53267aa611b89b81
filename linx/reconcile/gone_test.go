package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

var errPathGone = fmt.Errorf("/run/netns/blue: %w", linx.ErrNamespaceGone)

// vanish lets the namespace of src go, as seen by whom it is said; all of its calls fail until it heals.
var vanish = map[string]func(*source){
	"source": func(src *source) { src.Hint() },
	"monitor": func(src *source) {
		src.EndMonitor(linxtest.Fail(errPathGone))
	},
	"both": func(src *source) {
		src.EndMonitor(linxtest.Fail(errPathGone))
		src.Hint()
	},
}

// A namespace that is gone, and may come back, is let go: nothing of ours stays open, and the loop goes on
// looking for it.
func TestNamespaceGone(t *testing.T) {
	for who, goes := range vanish {
		for _, interval := range []time.Duration{reconcile.Never, time.Second} {
			t.Run(fmt.Sprint(who, " ", interval), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testGone(t, goes, interval) })
			})
		}
	}
}

func testGone(t *testing.T, goes func(*source), interval time.Duration) {
	src := linxtest.NewSource(nil)
	var told atomic.Int64
	var log logbook
	l := newLoop(t, src, state{"a": "1"}, config{
		Interval: interval,
		Logger:   slogTo(&log),
		Notify: func(_ context.Context, _ report, err error) {
			if errors.Is(err, linx.ErrNamespaceGone) {
				told.Add(1)
			}
		},
	})
	tree := linxtest.Supervise(t, l)
	advance(time.Minute)

	before := src.Counts()
	src.Always(linxtest.PassBegins, linxtest.Fail(errPathGone))
	src.Always(linxtest.Subscribing, linxtest.Fail(errPathGone))
	goes(src)
	advance(reconcile.DefaultDebounce)
	after := src.Counts()
	if after.Open != 0 || after.Closes == before.Closes {
		t.Errorf("not let go: %+v", after)
	}
	advance(10 * time.Minute)
	st := l.Status()
	if !st.Serving || st.Serves != 1 || st.Final != nil || st.Converged || st.Monitor != reconcile.MonitorRetrying {
		t.Errorf("status %+v", st)
	}
	if !errors.Is(st.LastError, linx.ErrNamespaceGone) || !errors.Is(st.MonitorError, linx.ErrNamespaceGone) {
		t.Errorf("errors %v, %v", st.LastError, st.MonitorError)
	}
	tries := int64(src.Counts().Passes - before.Passes)
	if told.Load() != tries || tries < 20 || tries > 1300 {
		t.Errorf("told of %d tries of %d", told.Load(), tries)
	}
	if n := len(log.about("blue")); n > 4 {
		t.Errorf("%d lines about it: %q", n, log.about("blue")[:4])
	}
	if c := src.Counts(); c.Open != 0 {
		t.Errorf("open in between: %+v", c)
	}

	// It comes back, as another one, or with what was there destroyed.
	src.Kernel().Delete("a")
	src.Heal()
	back := time.Now()
	retry := min(interval, 30*time.Second)
	for l.Status().Monitor != reconcile.MonitorJoined && time.Since(back) < time.Minute {
		advance(time.Millisecond)
	}
	joined := time.Now()
	if joined.Sub(back) > retry+10*time.Millisecond {
		t.Errorf("joined after %v, want %v at most", joined.Sub(back), retry)
	}
	synctest.Wait()
	// A pass after that has seen what happened before.
	passes := src.Passes()
	if last := passes[len(passes)-1]; joined.Sub(last.Began) > 2*time.Millisecond || !last.Report.Converged {
		t.Errorf("no pass at once: joined %v after the last one", joined.Sub(last.Began))
	}
	expectKernel(t, src, "a=1")
	advance(time.Minute)
	src.Drop(0)
	src.Kernel().Delete("a")
	advance(reconcile.DefaultDebounce)
	expectKernel(t, src, "a=1")
	if n := len(tree.Events()); n != 0 {
		t.Errorf("events %v", tree.Events())
	}
	tree.Stop()
	expectSound(t, src, true)
}

// The first pass that succeeds again is followed by the subscription at once, however long that had to back
// off.
func TestSubscribesAsSoonAsNamespaceIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l, _ := start(t, src, state{"a": "1"}, config{Interval: reconcile.Never})
		advance(time.Minute)
		src.Always(linxtest.PassBegins, linxtest.Fail(errPathGone))
		src.Always(linxtest.Subscribing, linxtest.Fail(errPathGone))
		src.Hint()
		for range 20 {
			advance(time.Hour)
			if _, err := l.Reconcile(t.Context()); !errors.Is(err, linx.ErrNamespaceGone) {
				t.Fatal(err)
			}
			src.Heal()
			if _, err := l.Reconcile(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if st := l.Status(); st.Monitor != reconcile.MonitorJoined {
				t.Fatalf("status %+v", st)
			}
			src.Always(linxtest.PassBegins, linxtest.Fail(errPathGone))
			src.Always(linxtest.Subscribing, linxtest.Fail(errPathGone))
			src.Hint()
		}
	})
}

// A monitor that finds the namespace gone cuts the pass in progress short.
func TestGoneMonitorCutsPassShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l, s := start(t, src, state{"a": "1"}, config{Interval: reconcile.Never})
		advance(time.Minute)
		src.At(linxtest.PassBegins, linxtest.Then(
			linxtest.Call(func() { src.EndMonitor(linxtest.Fail(errPathGone)) }), linxtest.Block(nil),
		))
		src.Kernel().Delete("a")
		advance(time.Minute)
		expectKernel(t, src, "a=1")
		if st := l.Status(); !s.running() || st.Monitor != reconcile.MonitorJoined {
			t.Errorf("status %+v", st)
		}
	})
}

// Missing at the start is the same.
func TestNamespaceMissingAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.Always(linxtest.PassBegins, linxtest.Fail(errPathGone))
		src.Always(linxtest.Subscribing, linxtest.Fail(errPathGone))
		l := newLoop(t, src, state{"a": "1"}, config{Interval: reconcile.Never})
		tree := linxtest.Supervise(t, l)
		advance(10 * time.Minute)
		st := l.Status()
		if st.Serves != 1 || st.Monitor != reconcile.MonitorRetrying || !errors.Is(st.LastError, linx.ErrNamespaceGone) {
			t.Errorf("status %+v", st)
		}
		src.Heal()
		advance(30 * time.Second)
		expectKernel(t, src, "a=1")
		if st := l.Status(); st.Monitor != reconcile.MonitorJoined {
			t.Errorf("status %+v", st)
		}
		if n := len(tree.Events()); n != 0 {
			t.Errorf("events %v", tree.Events())
		}
	})
}

// A loop without a monitor, for whatever reason, lets go and comes back all the same, by its timer.
func TestNamespaceGoneWithoutMonitor(t *testing.T) {
	type wrapped = reconcile.Source[state, owned]
	for name, timer := range map[string]func(*source) (wrapped, config){
		"bare":       func(src *source) (wrapped, config) { return linxtest.Bare[state, owned](src), config{} },
		"timer only": func(src *source) (wrapped, config) { return src, config{TimerOnly: true} },
		"unsupported": func(src *source) (wrapped, config) {
			src.Always(linxtest.Subscribing, linxtest.Fail(errors.ErrUnsupported))
			return src, config{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := linxtest.NewSource(nil)
				s, cfg := timer(src)
				l, served := start(t, s, state{"a": "1"}, cfg)
				monitor := l.Status().Monitor
				src.At(linxtest.PassBegins, linxtest.Times(10, linxtest.Fail(errPathGone))...)
				src.Kernel().Delete("a")
				advance(10 * time.Minute)
				expectKernel(t, src, "a=1")
				if n := src.Counts().Passes; n < 120 || n > 132 {
					t.Errorf("%d passes in 10 min", n)
				}
				if n := src.Counts().Subscribes; n > 1 {
					t.Errorf("subscribed %d times", n)
				}
				if st := l.Status(); !served.running() || !st.Converged || st.Monitor != monitor {
					t.Errorf("status %+v", st)
				}
			})
		})
	}
}

// A monitor that is told to end since the namespace is gone may still panic, and that is a fault like any
// other.
func TestMonitorPanicsWhenLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l := newLoop(t, src, state{"a": "1"}, config{Interval: reconcile.Never})
		tree := linxtest.Supervise(t, l)
		advance(time.Minute)
		src.At(linxtest.Stopping, linxtest.Panic("lost"))
		src.At(linxtest.PassBegins, linxtest.Fail(errPathGone))
		src.Hint()
		advance(time.Minute)
		expectFailures(t, tree, "monitor", "panic")
		if st := l.Status(); st.Serves != 2 || st.Monitor != reconcile.MonitorJoined || !st.Converged {
			t.Errorf("status %+v", st)
		}
	})
}

// A refused subscription may be the first to say that the namespace is gone, with a source that is still open
// on the old one: that is let go too, or each further try would say the same.
func TestSubscribeSaysGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.Always(linxtest.Subscribing, linxtest.Fail(errBroken))
		l, _ := start(t, src, state{"a": "1"}, config{Interval: reconcile.Never})
		src.Heal()
		src.At(linxtest.Subscribing, linxtest.Fail(errPathGone))
		closes := src.Counts().Closes
		advance(time.Minute)
		if st := l.Status(); st.Monitor != reconcile.MonitorJoined {
			t.Errorf("status %+v", st)
		}
		if got := src.Counts().Closes; got != closes+1 {
			t.Errorf("closed %d times, want once", got-closes)
		}
	})
}
