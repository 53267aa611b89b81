package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// trace keeps what happened, in order.
type trace struct {
	mu    sync.Mutex
	steps []string
}

func (tr *trace) step(s string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.steps = append(tr.steps, s)
}

func (tr *trace) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return strings.Join(tr.steps, ", ")
}

// Whatever ends a Serve, the monitor is stopped before the source is closed, and both have ended when it
// returns.
func TestOrderOfStopping(t *testing.T) {
	const orderly = "monitor stops, monitor stopped, closing, closed, Serve ended"
	tests := []struct {
		name string
		end  func(*source, *loop, *served)
		want string
	}{
		{"cancelled", func(_ *source, _ *loop, s *served) { s.cancel() }, orderly},
		{"stopped", func(_ *source, l *loop, _ *served) { _ = l.Stop(context.Background()) }, orderly},
		{"source panics", func(src *source, _ *loop, _ *served) {
			src.At(linxtest.PassBegins, linxtest.Panic("lost"))
			src.Hint()
		}, orderly},
		{"source ends for good", func(src *source, _ *loop, _ *served) {
			src.At(linxtest.PassBegins, linxtest.Fail(suture.ErrDoNotRestart))
			src.Hint()
		}, orderly},
		{"monitor ends", func(src *source, _ *loop, _ *served) {
			src.EndMonitor(linxtest.Fail(errBroken))
		}, "closing, closed, Serve ended"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := linxtest.NewSource(nil)
				var tr trace
				slowly := func(begins, ends string) linxtest.Fault {
					return func(context.Context) error {
						tr.step(begins)
						<-time.After(time.Second)
						tr.step(ends)
						return nil
					}
				}
				src.Always(linxtest.Stopping, slowly("monitor stops", "monitor stopped"))
				src.Always(linxtest.Closing, slowly("closing", "closed"))
				l, s := start(t, src, state{"a": "1"}, config{Interval: reconcile.Never})
				advance(time.Minute)
				test.end(src, l, s)
				<-s.done
				tr.step("Serve ended")
				if got := tr.String(); got != test.want {
					t.Errorf("%s; want %s", got, test.want)
				}
			})
		})
	}
}

// The first fault is the reason, whatever the others do when they are told to end.
func TestFirstFaultIsTheReason(t *testing.T) {
	late := linxtest.Panic("late")
	tests := []struct {
		name  string
		fault func(*source)
	}{
		{"monitor", func(src *source) { src.EndMonitor(linxtest.Panic("first")) }},
		{"monitor during a pass", func(src *source) {
			src.At(linxtest.PassBegins, held(late))
			src.Hint()
			advance(time.Second)
			src.EndMonitor(linxtest.Panic("first"))
		}},
		{"source", func(src *source) {
			src.At(linxtest.PassBegins, linxtest.Panic("first"))
			src.Hint()
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := linxtest.NewSource(nil)
				_, s := start(t, src, state{"a": "1"}, config{Interval: reconcile.Never})
				advance(time.Minute)
				src.At(linxtest.Stopping, late)
				src.At(linxtest.Closing, late)
				test.fault(src)
				<-s.done
				if p, ok := s.panic.(*linx.PanicError); !ok || p.Value != "first" {
					t.Errorf("panic %v, error %v", s.panic, s.err)
				}
				expectSound(t, src, true)
			})
		})
	}
}

// A loop that crashes on every start is suture's to slow down, and what it does meanwhile is no more than
// its starts.
func TestCrashOnEveryStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.Always(linxtest.PassBegins, linxtest.Panic("lost"))
		l := newLoop(t, src, state{"a": "1"}, config{})
		tree := linxtest.SuperviseSpec(t, suture.Spec{}, l)
		advance(10 * time.Minute)
		serves := l.Status().Serves
		if serves < 40 || serves > 300 {
			t.Errorf("%d starts in 10 min", serves)
		}
		if c := src.Counts(); c.Passes != int(serves) || c.Subscribes != int(serves) || c.Closes != int(serves) || c.Open != 0 {
			t.Errorf("%d starts made %+v", serves, c)
		}
		src.Heal()
		if err := l.WaitConverged(t.Context()); err != nil {
			t.Error(err)
		}
		tree.Stop()
		expectSound(t, src, true)
	})
}

// A Subscribe that gives neither a service nor an error is a fault of the source, not a reason to crash on
// nil.
type emptyHanded struct{ *source }

func (emptyHanded) Subscribe(context.Context, func()) (suture.Service, error) { return nil, nil }

func TestSubscribeReturnsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		_, s := start(t, emptyHanded{src}, state{"a": "1"}, config{})
		<-s.done
		if s.panic != nil || s.err == nil || !strings.Contains(s.err.Error(), "Subscribe") {
			t.Errorf("panic %v, error %v", s.panic, s.err)
		}
	})
}

// The errors that mean more to a supervisor than "restart me" pass through, wrapped or not, and are the end.
func TestFinalErrors(t *testing.T) {
	members := map[string]func(*source, linxtest.Fault){
		"source": func(src *source, f linxtest.Fault) {
			src.At(linxtest.PassBegins, f)
			src.Hint()
		},
		"monitor": func(src *source, f linxtest.Fault) { src.EndMonitor(f) },
		"Subscribe": func(src *source, f linxtest.Fault) {
			src.At(linxtest.Subscribing, f)
			src.EndMonitor(linxtest.Fail(linx.ErrNamespaceGone)) // so that it is called again
		},
	}
	for who, strike := range members {
		for _, final := range []error{suture.ErrDoNotRestart, suture.ErrTerminateSupervisorTree} {
			t.Run(who+": "+final.Error(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testFinalError(t, strike, final) })
			})
		}
	}
}

// A panic is a panic, whatever it panics with: the supervisor restarts.
func TestPanicWithFinalError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.At(linxtest.PassBegins, linxtest.Panic(suture.ErrDoNotRestart))
		l := newLoop(t, src, state{"a": "1"}, config{})
		tree := linxtest.Supervise(t, l)
		advance(time.Minute)
		if st := l.Status(); st.Serves != 2 || st.Final != nil || !st.Converged {
			t.Errorf("status %+v", st)
		}
		if n := len(tree.Failures()); n != 1 {
			t.Errorf("failures %v", tree.Failures())
		}
	})
}

func testFinalError(t *testing.T, strike func(*source, linxtest.Fault), final error) {
	src := linxtest.NewSource(nil)
	var e endings
	var log logbook
	l := newLoop(t, src, state{"a": "1"}, config{Interval: reconcile.Never, Notify: e.notify, Logger: slogTo(&log)})
	tree := linxtest.Supervise(t, l)
	advance(time.Minute)
	waiting := make(chan error, 1)
	src.At(linxtest.Stopping, linxtest.Call(func() { // somebody waits for what will never be
		go func() {
			if _, err := l.Reconcile(t.Context()); err != nil {
				waiting <- err
			}
		}()
	}))
	reason := fmt.Errorf("pid 4711: %w: %w", linx.ErrNamespaceGone, final)
	strike(src, linxtest.Fail(reason))
	advance(time.Minute)

	st := l.Status()
	if !errors.Is(st.Final, final) || !errors.Is(st.Final, linx.ErrNamespaceGone) || st.Serving {
		t.Errorf("status %+v", st)
	}
	// Told as the end once; the source's own error is told as that of its pass besides.
	told := e.told()
	if n := len(told); n < 1 || n > 2 || !errors.Is(told[n-1], final) {
		t.Errorf("Notify was told %v", told)
	}
	if lines := log.about("ended for good"); len(lines) != 1 || !strings.Contains(lines[0], "pid 4711") {
		t.Errorf("logged %q", lines)
	}
	for what, err := range map[string]error{
		"Reconcile": func() error { _, err := l.Reconcile(t.Context()); return err }(),
		"Wait":      l.WaitConverged(t.Context()),
		"Put":       l.PutDesired(state{}),
		"Serve":     l.Serve(t.Context()),
	} {
		if !errors.Is(err, final) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := len(tree.Events()); n != 0 {
		t.Errorf("events %v", tree.Events())
	}
	if final == suture.ErrDoNotRestart {
		if n := len(tree.Services()); n != 0 {
			t.Errorf("the supervisor still has %d services", n)
		}
	}
	if err := l.Stop(t.Context()); err != nil {
		t.Errorf("Stop: %v", err)
	}
	select {
	case err := <-waiting:
		if !errors.Is(err, final) {
			t.Errorf("who waited: %v", err)
		}
	default: // nobody was let wait: the monitor had ended before
	}
	tree.Stop()
	expectSound(t, src, true)
}
