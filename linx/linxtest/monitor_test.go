package linxtest_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linx-go/linx-go/linx/linxtest"
)

func TestMonitorHints(t *testing.T) {
	src := linxtest.NewSource(nil)
	var hints atomic.Int64
	monitor, err := src.Subscribe(t.Context(), func() { hints.Add(1) })
	if err != nil {
		t.Fatal(err)
	}
	expect := func(what string, n int64) {
		t.Helper()
		if got := hints.Swap(0); got != n {
			t.Errorf("%s: %d hints, want %d", what, got, n)
		}
	}
	// Joined when Subscribe returns, so before it is served.
	src.Kernel().Put("a", "1")
	expect("a foreign write", 1)
	src.Kernel().Delete("a")
	expect("a foreign deletion", 1)
	src.Kernel().Delete("a")
	expect("a deletion of nothing", 0)
	_, _ = src.Reconcile(t.Context(), linxtest.State{"a": "1", "b": "2"}, nil, nil)
	expect("two changes of its own", 2)
	src.Hint()
	expect("a hint on demand", 1)
	src.Drop(1)
	src.Hint()
	src.Hint()
	expect("the first one dropped", 1)
	src.Drop(-1)
	src.Hint()
	src.Kernel().Put("a", "x")
	expect("all dropped", 0)
	src.Drop(0)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := monitor.Serve(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Serve: %v", err)
	}
	src.Kernel().Put("a", "y")
	expect("a write after the end", 0)
	c := src.Counts()
	if c.Open != 0 || c.Subscribes != 1 || c.Hints != 6 || c.Dropped != 3 || c.ServedAgain != 0 {
		t.Errorf("counts %+v", c)
	}
	_ = monitor.Serve(ctx)
	if c := src.Counts(); c.Open != 0 || c.ServedAgain != 1 {
		t.Errorf("served again: counts %+v", c)
	}
}

func TestRefusedSubscription(t *testing.T) {
	src := linxtest.NewSource(nil)
	src.At(linxtest.Subscribing, linxtest.Times(2, linxtest.Fail(errors.ErrUnsupported))...)
	for range 2 {
		if _, err := src.Subscribe(t.Context(), func() {}); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Subscribe: %v", err)
		}
	}
	if _, err := src.Subscribe(t.Context(), func() {}); err != nil {
		t.Errorf("Subscribe: %v", err)
	}
	if c := src.Counts(); c.Subscribes != 3 || c.Open != 1 {
		t.Errorf("counts %+v", c)
	}
}

// serve runs a new monitor of src and gives how it ended: what Serve returned or panicked with, or "goexit".
func serve(t *testing.T, ctx context.Context, src *linxtest.Source) <-chan any {
	t.Helper()
	monitor, err := src.Subscribe(ctx, func() {})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan any, 1)
	go func() {
		var end any = "goexit"
		defer func() {
			if v := recover(); v != nil {
				end = v
			}
			ended <- end
		}()
		end = monitor.Serve(ctx)
	}()
	return ended
}

func TestEndMonitor(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		fault linxtest.Fault
		want  any
	}{
		"nil":    {linxtest.Fail(nil), nil},
		"error":  {linxtest.Fail(broken), broken},
		"panic":  {linxtest.Panic("lost"), "lost"},
		"goexit": {linxtest.Goexit(), "goexit"},
	} {
		t.Run(name, func(t *testing.T) {
			src := linxtest.NewSource(nil)
			if src.EndMonitor(test.fault) {
				t.Error("ended a monitor before there was one")
			}
			ended := serve(t, t.Context(), src)
			if !src.EndMonitor(test.fault) {
				t.Error("found no monitor")
			}
			if got := <-ended; got != test.want {
				t.Errorf("ended with %v, want %v", got, test.want)
			}
			if src.EndMonitor(test.fault) {
				t.Error("ended it twice")
			}
			if c := src.Counts(); c.Open != 0 {
				t.Errorf("counts %+v", c)
			}
		})
	}
}

func TestFaultsTakeTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		began := time.Now()
		src.At(linxtest.PassBegins, linxtest.Slow(time.Minute))
		report, err := src.Reconcile(t.Context(), nil, nil, nil)
		if err != nil || report.Took != time.Minute || time.Since(began) != time.Minute {
			t.Errorf("a slow pass took %v: %v", report.Took, err)
		}

		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		src.At(linxtest.PassBegins, linxtest.Slow(time.Minute), linxtest.Block(nil))
		for range 2 {
			if _, err := src.Reconcile(short, nil, nil, nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a slow pass, cut short: %v", err)
			}
		}

		began = time.Now()
		ctx, stop := context.WithCancel(t.Context())
		src.At(linxtest.Stopping, linxtest.Stubborn(3*time.Second))
		ended := serve(t, ctx, src)
		stop()
		if got := <-ended; got != context.Canceled || time.Since(began) != 3*time.Second {
			t.Errorf("a stubborn monitor ended after %v with %v", time.Since(began), got)
		}
	})
}

func TestFaultsInOrder(t *testing.T) {
	src := linxtest.NewSource(nil)
	one, two, all := errors.New("one"), errors.New("two"), errors.New("all")
	src.At(linxtest.Closing, linxtest.Fail(one), nil)
	src.At(linxtest.Closing, linxtest.Then(linxtest.Call(runtime.Gosched), linxtest.Fail(two), linxtest.Panic("unreached")))
	src.Always(linxtest.Closing, linxtest.Fail(all))
	for _, want := range []error{one, nil, two, all, all} {
		if got := src.Close(); got != want {
			t.Errorf("Close: %v, want %v", got, want)
		}
	}
	src.Heal()
	if err := src.Close(); err != nil {
		t.Errorf("Close, healed: %v", err)
	}
	if c := src.Counts(); c.Closes != 6 {
		t.Errorf("counts %+v", c)
	}
}
