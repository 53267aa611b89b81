package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// A source that has nothing to listen to runs on the timer, and where there is none, on the default one.
func TestUnsupportedFallsBackToTheTimer(t *testing.T) {
	for _, test := range []struct {
		interval, want time.Duration
		logged         int
	}{
		{0, reconcile.DefaultInterval, 0},
		{time.Minute, time.Minute, 0},
		{reconcile.Never, reconcile.DefaultInterval, 1},
	} {
		t.Run(fmt.Sprint(test.interval), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := linxtest.NewSource(nil)
				src.Always(linxtest.Subscribing, linxtest.Fail(fmt.Errorf("no events: %w", errors.ErrUnsupported)))
				var log logbook
				began := time.Now()
				l, s := start(t, src, state{"a": "1"}, config{Interval: test.interval, Logger: slogTo(&log)})
				advance(2 * test.want)
				expectPasses(t, src, began, 0, test.want, 2*test.want)
				if st := l.Status(); st.Monitor != reconcile.MonitorUnsupported {
					t.Errorf("status %+v", st)
				}
				advance(time.Hour)
				if n := src.Counts().Subscribes; n != 1 {
					t.Errorf("tried %d times to subscribe", n)
				}
				if lines := log.about("WARN"); len(lines) != test.logged {
					t.Errorf("warnings %q, want %d", lines, test.logged)
				}
				// Each Serve asks anew.
				s.stop()
				src.Heal()
				serve(t, l)
				synctest.Wait()
				if st := l.Status(); st.Monitor != reconcile.MonitorJoined || st.MonitorError != nil {
					t.Errorf("status of the next Serve %+v", st)
				}
			})
		})
	}
}

// A refused subscription is no crash: the loop runs without, says so, and tries again.
func TestRefusedSubscription(t *testing.T) {
	for _, interval := range []time.Duration{time.Second, reconcile.DefaultInterval, reconcile.Never} {
		t.Run(fmt.Sprint(interval), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const refusals = 6
				src := linxtest.NewSource(nil)
				var tries clock
				src.At(linxtest.Subscribing, linxtest.Times(refusals, linxtest.Then(
					linxtest.Call(tries.note), linxtest.Fail(errors.New("too many open files")),
				))...)
				src.At(linxtest.Subscribing, linxtest.Call(tries.note))
				var log logbook
				l, s := start(t, src, state{"a": "1"}, config{Interval: interval, Logger: slogTo(&log)})
				expectKernel(t, src, "a=1") // the first pass does not wait for it
				st := l.Status()
				if st.Monitor != reconcile.MonitorRetrying || st.MonitorError == nil {
					t.Errorf("status %+v", st)
				}
				// While it is refused, what happens is seen by the timer alone.
				for len(tries.noted()) <= refusals {
					src.Kernel().Delete("a")
					advance(time.Millisecond)
				}
				if lines := log.about("too many open files"); len(lines) != 1 {
					t.Errorf("%d refusals were logged as %q", refusals, lines)
				}
				tried := tries.noted()
				var pauses []time.Duration
				for i := 1; i < len(tried); i++ {
					pauses = append(pauses, tried[i].Sub(tried[i-1]))
				}
				expectBackoff(t, pauses, min(interval, 30*time.Second))

				// Success is followed by a pass at once, which sees what happened before.
				st = l.Status()
				if st.Monitor != reconcile.MonitorJoined || st.MonitorError != nil {
					t.Errorf("status after success %+v", st)
				}
				expectKernel(t, src, "a=1")
				passes := src.Passes()
				if d := passes[len(passes)-1].Began.Sub(tried[refusals]); d < 0 || d > time.Millisecond {
					t.Errorf("no pass at once: the last one began %v after the subscription", d)
				}
				if !s.running() {
					t.Errorf("Serve ended: %v", s.err)
				}
				// And by hints.
				advance(time.Minute)
				src.Kernel().Delete("a")
				advance(reconcile.DefaultDebounce)
				expectKernel(t, src, "a=1")
				s.stop()
				expectSound(t, src, true)
			})
		})
	}
}

// Hanging in Subscribe, the loop can still be stopped.
func TestSubscribeHonoursTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.At(linxtest.Subscribing, linxtest.Block(nil))
		var log logbook
		_, s := start(t, src, state{"a": "1"}, config{Logger: slogTo(&log)})
		s.stop()
		if lines := log.about("subscribe"); len(lines) != 0 {
			t.Errorf("the end was logged as a refusal: %q", lines)
		}
		if !errors.Is(s.err, context.Canceled) {
			t.Errorf("Serve: %v", s.err)
		}
		expectSound(t, src, true)
	})
}

func TestEachServeSubscribesAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l := newLoop(t, src, state{"a": "1"}, config{})
		for i := range 3 {
			s := serve(t, l)
			synctest.Wait()
			if c := src.Counts(); c.Subscribes != i+1 || c.Open != 1 {
				t.Errorf("Serve %d: %+v", i, c)
			}
			s.stop()
			if c := src.Counts(); c.Open != 0 || c.Closes != i+1 {
				t.Errorf("after Serve %d: %+v", i, c)
			}
		}
		expectSound(t, src, true)
	})
}

// Wrappers that offer just one thing besides Reconcile.
type (
	onlySubscriber struct {
		reconcile.Source[state, owned]
		src *source
	}
	onlyValidator struct {
		reconcile.Source[state, owned]
		src *source
	}
	onlyCloser struct {
		reconcile.Source[state, owned]
		src *source
	}
)

func (o onlySubscriber) Subscribe(ctx context.Context, hint func()) (suture.Service, error) {
	return o.src.Subscribe(ctx, hint)
}
func (o onlyValidator) Validate(d state) error { return o.src.Validate(d) }
func (o onlyCloser) Close() error              { return o.src.Close() }

func TestWhatASourceOffersIsFound(t *testing.T) {
	bare := func(src *source) reconcile.Source[state, owned] { return linxtest.Bare[state, owned](src) }
	tests := []struct {
		name                          string
		wrap                          func(*source) reconcile.Source[state, owned]
		subscriber, validator, closer bool
	}{
		{"everything", func(s *source) reconcile.Source[state, owned] { return s }, true, true, true},
		{"embedded", func(s *source) reconcile.Source[state, owned] { return struct{ *source }{s} }, true, true, true},
		{"nothing", bare, false, false, false},
		{"Subscribe", func(s *source) reconcile.Source[state, owned] { return onlySubscriber{bare(s), s} }, true, false, false},
		{"Validate", func(s *source) reconcile.Source[state, owned] { return onlyValidator{bare(s), s} }, false, true, false},
		{"Close", func(s *source) reconcile.Source[state, owned] { return onlyCloser{bare(s), s} }, false, false, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := linxtest.NewSource(nil)
				l, s := start(t, test.wrap(src), state{"a": "1"}, config{})
				st := l.Status()
				if st.Subscriber != test.subscriber || st.Validator != test.validator || st.Closer != test.closer {
					t.Errorf("status %+v", st)
				}
				expectKernel(t, src, "a=1")
				s.stop()
				c := src.Counts()
				if (c.Subscribes > 0) != test.subscriber || (c.Validates > 0) != test.validator || (c.Closes > 0) != test.closer {
					t.Errorf("counts %+v", c)
				}
			})
		})
	}
}
