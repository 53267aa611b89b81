package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// release calls Release and checks that it succeeded.
func release(t *testing.T, l *loop, want string) {
	t.Helper()
	r, err := l.Release(t.Context())
	if err != nil || !r.Converged || len(r.LastApplied) != 0 || fmt.Sprint(r.Applied) != want {
		t.Errorf("Release: %+v, %v; want %s applied", r, err, want)
	}
}

func TestRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(linxtest.NewKernel(state{"theirs": "1"}))
		var e endings
		var log logbook
		var claims callback
		l := newLoop(t, src, state{"a": "1", "b": "2"}, config{
			Notify: e.notify, Logger: slogTo(&log),
			Claim: func(ctx context.Context, _ owned) error { return claims.reach(ctx) },
		})
		tree := linxtest.Supervise(t, l)
		advance(time.Minute)
		claims.at(linxtest.Call(func() { expectKernel(t, src, "a=1", "b=2", "theirs=1 foreign") }))
		release(t, l, "[delete a=1 delete b=2]")
		if claims.calls != 2 {
			t.Errorf("%d claims, want one of the first pass and one of the last", claims.calls)
		}
		expectKernel(t, src, "theirs=1 foreign")
		synctest.Wait()
		if n := len(tree.Services()); n != 0 {
			t.Errorf("the supervisor still has %d services", n)
		}
		if n := len(tree.Events()); n != 0 {
			t.Errorf("events %v", tree.Events())
		}
		before := src.Counts()
		release(t, l, "[delete a=1 delete b=2]") // the same report
		if after := src.Counts(); after.Passes != before.Passes {
			t.Error("a second Release ran a pass")
		}
		if r, ok := l.LastReport(); !ok || len(r.Applied) != 2 || len(r.LastApplied) != 0 {
			t.Errorf("the last report: %+v, %v", r, ok)
		}
		expectEnded(t, l, src, &e, &log)
	})
}

// Release works whether or not the loop is served, or was ever.
func TestReleaseUnserved(t *testing.T) {
	tests := []struct {
		name string
		prep func(*testing.T, *source, config) *loop
	}{
		{"before Serve", func(t *testing.T, src *source, cfg config) *loop {
			r, err := src.Reconcile(t.Context(), state{"a": "1"}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			cfg.LastApplied = r.LastApplied
			return newLoop(t, src, state{"other": "1"}, cfg)
		}},
		{"after Serve", func(t *testing.T, src *source, cfg config) *loop {
			l, s := start(t, src, state{"a": "1"}, cfg)
			s.stop()
			return l
		}},
		{"during a restart pause", func(t *testing.T, src *source, cfg config) *loop {
			l, _ := paused(t, src, cfg)
			return l
		}},
		{"after Stop", func(t *testing.T, src *source, cfg config) *loop {
			l, _ := start(t, src, state{"a": "1"}, cfg)
			if err := l.Stop(t.Context()); err != nil {
				t.Error(err)
			}
			return l
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := linxtest.NewSource(linxtest.NewKernel(state{"theirs": "1"}))
				var e endings
				l := test.prep(t, src, config{Notify: e.notify})
				expectKernel(t, src, "a=1", "theirs=1 foreign")
				release(t, l, "[delete a=1]")
				if c := src.Counts(); c.Closes == 0 || c.Open != 0 {
					t.Errorf("left open: %+v", c)
				}
				expectKernel(t, src, "theirs=1 foreign")
				advance(time.Hour)
				expectEnded(t, l, src, &e, nil)
			})
		})
	}
}

// A Release that leaves something behind says what, ends the loop all the same, and can be repeated.
func TestReleaseRetried(t *testing.T) {
	tests := []struct {
		name string
		fail func(*source)
		want string
	}{
		{"refused", func(src *source) { src.Refuse("a", errors.New("device busy")) }, "device busy"},
		{"withheld", func(src *source) { src.Withhold("a", errors.New("waits for eth0")) }, "waits for eth0"},
		{"error", func(src *source) { src.Always(linxtest.PassBegins, linxtest.Fail(errBroken)) }, "broken"},
		{"panic", func(src *source) { src.Always(linxtest.PassBegins, linxtest.Panic("lost")) }, "lost"},
		{"goexit", func(src *source) { src.Always(linxtest.PassBegins, linxtest.Goexit()) }, "Goexit"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := linxtest.NewSource(nil)
				var e endings
				l, s := start(t, src, state{"a": "1"}, config{Notify: e.notify})
				test.fail(src)
				for range 2 {
					if _, err := l.Release(t.Context()); err == nil || !strings.Contains(err.Error(), test.want) {
						t.Errorf("Release: %v, want %s", err, test.want)
					}
					<-s.done
					expectKernel(t, src, "a=1")
				}
				src.Heal()
				release(t, l, "[delete a=1]")
				expectKernel(t, src)
				expectEnded(t, l, src, &e, nil)
			})
		})
	}
}

// Its context ends it like any pass: at the next step, with what is owned kept.
func TestReleaseHonoursItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l, s := start(t, src, state{"a": "1"}, config{})
		src.At(linxtest.PassClaimed, linxtest.Block(nil))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Release(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Release: %v", err)
		}
		<-s.done
		if !errors.Is(s.err, suture.ErrDoNotRestart) {
			t.Errorf("Serve: %v", s.err)
		}
		expectKernel(t, src, "a=1")
		release(t, l, "[delete a=1]")
	})
}

// A context that has ended removes nothing, though the loop is idle and could.
func TestReleaseWithEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l, s := start(t, src, state{"a": "1"}, config{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 20 {
			if _, err := l.Release(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("Release: %v", err)
			}
			<-s.done
		}
		expectKernel(t, src, "a=1")
		release(t, l, "[delete a=1]")
	})
}

// While a member hangs, too.
func TestReleaseOfStuckLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		hang := make(chan struct{})
		src.At(linxtest.Stopping, linxtest.Hang(hang))
		l, s := start(t, src, state{"a": "1"}, config{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := l.Release(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Release: %v", err)
		}
		expectKernel(t, src, "a=1")
		close(hang)
		<-s.done
		release(t, l, "[delete a=1]")
		expectSound(t, src, true)
	})
}

func TestReleaseConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.At(linxtest.Stopping, linxtest.Stubborn(3*time.Second))
		var e endings
		l, s := start(t, src, state{"a": "1"}, config{Notify: e.notify})
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if i%2 == 0 {
					release(t, l, "[delete a=1]")
				} else if err := l.Stop(t.Context()); err != nil {
					t.Errorf("Stop: %v", err)
				}
			})
		}
		wg.Wait()
		<-s.done
		if !errors.Is(s.err, suture.ErrDoNotRestart) {
			t.Errorf("Serve: %v", s.err)
		}
		if n := src.Counts().Passes; n != 2 {
			t.Errorf("%d passes, want 2", n)
		}
		expectKernel(t, src)
		expectEnded(t, l, src, &e, nil)
	})
}

// The last pass is a pass: Notify is told of it, and only then of the end.
func TestReleaseNotifies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		var told []string
		l, _ := start(t, src, state{"a": "1"}, config{Notify: func(_ context.Context, r report, err error) {
			told = append(told, fmt.Sprint(len(r.Applied), len(r.LastApplied), err))
		}})
		before := len(told)
		release(t, l, "[delete a=1]")
		want := []string{"1 0 <nil>", "1 0 " + reconcile.ErrStopped.Error()}
		if got := told[before:]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

// What was claimed before a panic is the loop's to release, if the kernel says that it is there and ours.
func TestReleaseOfClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.At(linxtest.PassApplied, linxtest.Panic("lost"))
		l, s := start(t, src, state{"a": "1"}, config{})
		<-s.done
		expectKernel(t, src, "a=1")
		release(t, l, "[delete a=1]")
		passes := src.Passes()
		if got := passes[1].Last; !maps.Equal(got, owned{"a": claimed}) {
			t.Errorf("the last pass owned %v", got)
		}
	})
}

// A new state that comes while the loop is being released is refused, or comes before: nothing of it is left
// behind.
func TestReleaseDuringPutDesired(t *testing.T) {
	for range 100 {
		src := linxtest.NewSource(nil)
		l := newLoop(t, src, state{"a": "1"}, config{TimerOnly: true})
		s := serve(t, l)
		if err := l.WaitConverged(t.Context()); err != nil {
			t.Fatal(err)
		}
		var puts sync.WaitGroup
		for range 4 {
			puts.Go(func() {
				for l.PutDesired(state{"b": "2"}) == nil {
				}
			})
		}
		r, err := l.Release(t.Context())
		if err != nil || !r.Converged {
			t.Errorf("Release: %+v, %v", r, err)
		}
		puts.Wait()
		<-s.done
		expectKernel(t, src)
	}
}
