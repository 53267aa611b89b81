package reconcile_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

func TestStatusThroughALife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l := newLoop(t, src, state{"a": "1"}, config{Interval: reconcile.Never})
		want := reconcile.Status{Monitor: reconcile.MonitorOff, Subscriber: true, Validator: true, Closer: true}
		expect := func(when string) {
			t.Helper()
			got := l.Status()
			if errors.Is(got.LastEnd, want.LastEnd) {
				got.LastEnd = want.LastEnd // it may be wrapped
			}
			if got != want {
				t.Errorf("%s: %+v, want %+v", when, got, want)
			}
		}
		expect("made")

		src.Drop(-1)
		s := serve(t, l)
		synctest.Wait()
		want.Serving, want.Serves, want.Monitor = true, 1, reconcile.MonitorJoined
		want.Passes, want.Converged, want.LastPass = 1, true, time.Now()
		expect("served")

		advance(time.Second)
		src.Refuse("b", errors.New("refused"))
		if err := l.PutDesired(state{"b": "1"}); err != nil {
			t.Fatal(err)
		}
		advance(reconcile.DefaultDebounce)
		want.Passes, want.Converged, want.LastPass = 2, false, time.Now()
		expect("partly failing")

		src.Heal()
		src.Drop(-1)
		if _, err := l.Reconcile(t.Context()); err != nil {
			t.Fatal(err)
		}
		want.Passes, want.Converged, want.LastPass = 3, true, time.Now()
		expect("healed")

		s.stop()
		want.Serving, want.Monitor, want.Converged = false, reconcile.MonitorOff, false
		want.LastEnd = context.Canceled
		expect("cancelled")
		waiting, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.WaitConverged(waiting); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("WaitConverged of a loop that nobody serves: %v", err)
		}

		serve(t, l)
		synctest.Wait()
		want.Serving, want.Monitor, want.Serves = true, reconcile.MonitorJoined, 2
		want.Passes, want.Converged, want.LastPass = 4, true, time.Now()
		expect("served again")

		if err := l.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		want.Serving, want.Monitor, want.Converged = false, reconcile.MonitorOff, false
		want.Final, want.LastEnd = reconcile.ErrStopped, suture.ErrDoNotRestart
		expect("stopped")
	})
}

// Nobody can kill a member that ignores its cancellation: it is waited for, and after 10 s Status and the log
// name it.
func TestStuckMember(t *testing.T) {
	tests := []struct {
		name  string
		stick func(src *source, notify, claim *callback, f linxtest.Fault)
		drive func(*loop)
	}{
		{"monitor", func(src *source, _, _ *callback, f linxtest.Fault) { src.At(linxtest.Stopping, f) }, nil},
		{
			"Reconcile",
			func(src *source, _, _ *callback, f linxtest.Fault) { src.At(linxtest.PassClaimed, f) },
			func(l *loop) { _ = l.PutDesired(state{"b": "1"}) },
		},
		{
			"Notify",
			func(_ *source, notify, _ *callback, f linxtest.Fault) { notify.at(f) },
			func(l *loop) { _ = l.PutDesired(state{"b": "1"}) },
		},
		{
			"Claim",
			func(_ *source, _, claim *callback, f linxtest.Fault) { claim.at(f) },
			func(l *loop) { _ = l.PutDesired(state{"b": "1"}) },
		},
		{"Close", func(src *source, _, _ *callback, f linxtest.Fault) { src.At(linxtest.Closing, f) }, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := linxtest.NewSource(nil)
				var notify, claim callback
				var log logbook
				l, s := start(t, src, state{"a": "1"}, config{
					Interval: reconcile.Never, Logger: slogTo(&log),
					Notify: func(ctx context.Context, _ report, _ error) { _ = notify.reach(ctx) },
					Claim:  func(ctx context.Context, _ owned) error { return claim.reach(ctx) },
				})
				advance(time.Minute)
				release := make(chan struct{})
				test.stick(src, &notify, &claim, linxtest.Hang(release))
				if test.drive != nil {
					test.drive(l)
					advance(time.Minute)
				}
				s.cancel()
				advance(10*time.Second - 1)
				if st := l.Status(); st.Stuck != "" || len(log.about("ignores")) != 0 {
					t.Errorf("too early: %q, %q", st.Stuck, log.about("ignores"))
				}
				advance(2)
				if st := l.Status(); st.Stuck != test.name {
					t.Errorf("stuck is %q", st.Stuck)
				}
				advance(time.Hour)
				if lines := log.about(test.name); len(lines) != 1 || !strings.HasPrefix(lines[0], "ERROR") {
					t.Errorf("logged %q", lines)
				}
				if !s.running() {
					t.Errorf("Serve did not wait: %v", s.err)
				}
				close(release)
				advance(time.Second)
				if s.running() {
					t.Error("Serve did not end")
				}
				if !errors.Is(s.err, context.Canceled) {
					t.Errorf("Serve: %v", s.err)
				}
				if st := l.Status(); st.Stuck != "" {
					t.Errorf("still stuck: %q", st.Stuck)
				}
				expectSound(t, src, true)
			})
		})
	}
}

// A long pass that nobody asked to end is not stuck.
func TestLongPassIsNotStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.At(linxtest.PassBegins, linxtest.Slow(time.Hour))
		l, _ := start(t, src, state{"a": "1"}, config{})
		advance(time.Minute)
		if st := l.Status(); st.Stuck != "" {
			t.Errorf("stuck: %q", st.Stuck)
		}
	})
}
