package reconcile_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

func TestPutDesiredConverges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l, _, before := calm(t, src, config{})
		put := time.Now()
		if err := l.PutDesired(state{"a": "2", "b": "1"}); err != nil {
			t.Fatal(err)
		}
		advance(reconcile.DefaultDebounce)
		expectKernel(t, src, "a=2", "b=1")
		if got := src.Passes()[before].Began.Sub(put); got != reconcile.DefaultDebounce {
			t.Errorf("the pass began after %v", got)
		}
	})
}

func TestBurstOfPutDesiredMakesOnePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		src.Drop(-1)
		l, _, before := calm(t, src, config{})
		for i := range 10 {
			if err := l.PutDesired(state{"a": strconv.Itoa(i)}); err != nil {
				t.Fatal(err)
			}
			advance(9 * time.Millisecond)
		}
		advance(time.Minute)
		if got := src.Counts().Passes - before; got != 1 {
			t.Errorf("%d passes, want 1", got)
		}
		expectKernel(t, src, "a=9")
	})
}

func TestPutDesiredIsValidated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l, _, before := calm(t, src, config{})
		src.At(linxtest.Validating, linxtest.Fail(errBroken))
		if err := l.PutDesired(state{"b": "1"}); !errors.Is(err, errBroken) {
			t.Errorf("PutDesired: %v", err)
		}
		advance(time.Minute)
		if got := src.Counts().Passes - before; got != 0 {
			t.Errorf("a refused state made %d passes", got)
		}
		if _, err := l.Reconcile(t.Context()); err != nil {
			t.Error(err)
		}
		expectKernel(t, src, "a=1")
	})
}

// However busy the loop is, and whether or not it is served.
func TestPutDesiredNeverBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l := newLoop(t, src, state{"a": "1"}, config{})
		put := func(when string) {
			t.Helper()
			began := time.Now()
			for i := range 1000 {
				if err := l.PutDesired(state{"a": strconv.Itoa(i)}); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(began); took != 0 {
				t.Errorf("%s, it took %v", when, took)
			}
		}
		put("before Serve")
		release := make(chan struct{})
		src.At(linxtest.PassBegins, linxtest.Hang(release))
		s := serve(t, l)
		synctest.Wait()
		put("during a pass that hangs")
		close(release)
		advance(time.Minute)
		expectKernel(t, src, "a=999")
		s.stop()
		put("after Serve")
	})
}

func TestPutDesiredDuringPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l, _, _ := calm(t, src, config{})
		// Even at the pass's very last step: hints of that time would be satisfied, a new state is not.
		for _, m := range []linxtest.Moment{linxtest.PassBegins, linxtest.PassEnds} {
			src.At(m, linxtest.Call(func() {
				if err := l.PutDesired(state{string(m): "1"}); err != nil {
					t.Error(err)
				}
			}))
			src.Hint()
			advance(time.Minute)
			expectKernel(t, src, string(m)+"=1")
		}
	})
}

func TestPutDesiredFromNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		put := false
		var l *loop
		l = newLoop(t, src, state{"a": "1"}, config{Notify: func(context.Context, report, error) {
			if !put {
				put = true
				if err := l.PutDesired(state{"b": "1"}); err != nil {
					t.Error(err)
				}
			}
		}})
		serve(t, l)
		advance(time.Minute)
		expectKernel(t, src, "b=1")
	})
}

// Neither an error, nor a panic, nor a restart loses the newest desired state.
func TestPutDesiredSurvives(t *testing.T) {
	for name, fault := range map[string]linxtest.Fault{
		"error":  linxtest.Fail(errBroken),
		"panic":  linxtest.Panic("lost"),
		"goexit": linxtest.Goexit(),
	} {
		for _, moment := range []linxtest.Moment{linxtest.PassBegins, linxtest.PassClaimed, linxtest.PassApplied} {
			t.Run(name+" when "+string(moment), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					src := linxtest.NewSource(nil)
					l := newLoop(t, src, state{"a": "1"}, config{TimerOnly: true})
					linxtest.Supervise(t, l)
					synctest.Wait()
					src.At(moment, fault)
					if err := l.PutDesired(state{"b": "2"}); err != nil {
						t.Fatal(err)
					}
					advance(time.Minute)
					expectKernel(t, src, "b=2")
					if got := l.Status().Serves; (got == 2) == (name == "error") {
						t.Errorf("served %d times", got)
					}
				})
			})
		}
	}
}

func TestPutDesiredBetweenServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := linxtest.NewSource(nil)
		l := newLoop(t, src, state{"a": "1"}, config{})
		if err := l.PutDesired(state{"b": "2"}); err != nil {
			t.Fatal(err)
		}
		s := serve(t, l)
		synctest.Wait()
		expectKernel(t, src, "b=2")
		if n := src.Counts().Passes; n != 1 {
			t.Errorf("%d passes, want 1", n)
		}
		s.stop()
		if err := l.PutDesired(state{"c": "3"}); err != nil {
			t.Fatal(err)
		}
		serve(t, l)
		synctest.Wait()
		expectKernel(t, src, "c=3")
	})
}
