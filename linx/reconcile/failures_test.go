package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// world is a loop with a consumer's callbacks, all of which may be struck.
type world struct {
	src           *source
	notify, claim callback
	loop          *loop
	how           string
}

func newWorld(t *testing.T) *world {
	w := &world{src: linxtest.NewSource(nil)}
	w.loop = newLoop(t, w.src, state{"a": "old"}, config{
		Interval: reconcile.Never,
		Notify:   func(ctx context.Context, _ report, _ error) { _ = w.notify.reach(ctx) },
		Claim:    func(ctx context.Context, _ owned) error { return w.claim.reach(ctx) },
	})
	return w
}

// newest is what is desired when the fault strikes, and must be there when all is over.
var newest = state{"a": "new", "b": "1"}

func (w *world) put(t *testing.T) {
	t.Helper()
	if err := w.loop.PutDesired(newest); err != nil {
		t.Fatal(err)
	}
}

// held waits for the end of its context before it goes on to f: a call that is in progress when the end
// comes.
func held(f linxtest.Fault) linxtest.Fault {
	return func(ctx context.Context) error {
		<-ctx.Done()
		return f(ctx)
	}
}

// fates are the ways to end, but for a plain success.
var fates = map[string]linxtest.Fault{
	"nil":      linxtest.Fail(nil),
	"error":    linxtest.Fail(errBroken),
	"panic":    linxtest.Panic("lost"),
	"goexit":   linxtest.Goexit(),
	"stubborn": linxtest.Stubborn(3 * time.Second), // ignores its cancellation for a while
}

// point is a place in the loop's life at which somebody may fail.
type point struct {
	who  string
	when string
	// arm prepares the fault, strike lets it happen. first: armed before Serve, which is all it takes.
	arm    func(w *world, f linxtest.Fault)
	strike func(t *testing.T, w *world)
	// harmless are the fates that end nothing here; absent are those that cannot be.
	harmless, absent string
}

func (p point) first() bool { return p.strike == nil }

var points = append([]point{
	{
		who: "monitor", when: "before the first pass",
		arm: func(w *world, f linxtest.Fault) {
			if w.how != "nil" {
				w.src.At(linxtest.Serving, f)
				return
			}
			w.src.At(linxtest.PassBegins, linxtest.Then(linxtest.Call(func() { w.src.EndMonitor(f) }), linxtest.Block(nil)))
		},
	},
	{
		who: "monitor", when: "during a pass", // which is cut short
		arm: func(w *world, f linxtest.Fault) {
			w.src.At(linxtest.PassClaimed, linxtest.Then(linxtest.Call(func() { w.src.EndMonitor(f) }), linxtest.Block(nil)))
		},
		strike: func(t *testing.T, w *world) { w.put(t) },
	},
	{
		who: "monitor", when: "idle",
		arm: func(*world, linxtest.Fault) {},
		strike: func(t *testing.T, w *world) {
			w.put(t)
			advance(time.Minute)
			w.src.EndMonitor(fates[w.how])
		},
	},
	{
		who: "Subscribe", when: "before the first pass", harmless: "error", absent: "nil",
		arm: func(w *world, f linxtest.Fault) { w.src.At(linxtest.Subscribing, f) },
	},
	{
		who: "Subscribe", when: "idle", harmless: "error", absent: "nil",
		arm: func(w *world, f linxtest.Fault) {
			w.src.At(linxtest.Subscribing, linxtest.Fail(errors.New("too many open files")), f)
		},
	},
	{
		who: "Notify", when: "after the first pass", harmless: "nil", absent: "error",
		arm: func(w *world, f linxtest.Fault) { w.notify.at(f) },
	},
	{
		who: "Notify", when: "after a pass", harmless: "nil", absent: "error",
		arm:    func(w *world, f linxtest.Fault) { w.notify.at(f) },
		strike: func(t *testing.T, w *world) { w.put(t) },
	},
	{
		who: "Claim", when: "during the first pass", harmless: "nil error",
		arm: func(w *world, f linxtest.Fault) { w.claim.at(f) },
	},
	{
		who: "Claim", when: "during a pass", harmless: "nil error",
		arm:    func(w *world, f linxtest.Fault) { w.claim.at(f) },
		strike: func(t *testing.T, w *world) { w.put(t) },
	},
}, passPoints()...)

// passPoints are the moments of a first and of a later pass.
func passPoints() []point {
	var ps []point
	for _, m := range []linxtest.Moment{
		linxtest.PassBegins, linxtest.PassObserved, linxtest.PassClaimed, linxtest.PassApplied, linxtest.PassEnds,
	} {
		arm := func(w *world, f linxtest.Fault) { w.src.At(m, f) }
		ps = append(ps,
			point{who: "Reconcile", when: "in the first pass, when " + string(m), harmless: "nil error", arm: arm},
			point{
				who: "Reconcile", when: "in a pass, when " + string(m), harmless: "nil error", arm: arm,
				strike: func(t *testing.T, w *world) { w.put(t) },
			},
		)
	}
	return ps
}

// Whoever fails, however and whenever: the supervisor is told the true reason, and one restart brings
// everything back.
func TestFailureModel(t *testing.T) {
	linxtest.CheckLeaks(t)
	for _, p := range points {
		for how, fault := range fates {
			if strings.Contains(p.absent, how) {
				continue
			}
			t.Run(p.who+" "+p.when+": "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testFailure(t, p, how, fault) })
			})
		}
	}
}

func testFailure(t *testing.T, p point, how string, fault linxtest.Fault) {
	w := newWorld(t)
	w.how = how
	// What drifts while nobody listens is found by a full pass alone.
	w.src.At(linxtest.Closing, linxtest.Call(func() {
		if _, ok := w.src.Kernel().Get("a"); ok {
			w.src.Kernel().Put("a", "drifted")
		}
	}))
	if p.first() {
		w.put(t)
		p.arm(w, fault)
	}
	tree := linxtest.Supervise(t, w.loop)
	advance(time.Minute)
	if !p.first() {
		p.arm(w, fault)
		p.strike(t, w)
		advance(time.Minute)
	}

	if how == "stubborn" {
		// It ends nothing by itself; but it is waited for.
		expectFailures(t, tree, p.who, "")
		began := time.Now()
		tree.Stop()
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("Serve ended after %v, its %s after 3 s", took, p.who)
		}
		expectSound(t, w.src, true)
		return
	}
	fate := how
	if strings.Contains(p.harmless, how) {
		fate = ""
	}
	expectFailures(t, tree, p.who, fate)
	st := w.loop.Status()
	if restarts := st.Serves - 1; (restarts == 1) != (fate != "") || restarts > 1 {
		t.Errorf("%d restarts", restarts)
	}
	if !st.Serving || st.Monitor != reconcile.MonitorJoined || !st.Converged || st.Final != nil {
		t.Errorf("afterwards: %+v", st)
	}
	expectKernel(t, w.src, "a=new", "b=1")
	if r, _ := w.loop.LastReport(); !maps.Equal(r.LastApplied, owned{"a": confirmed, "b": confirmed}) {
		t.Errorf("afterwards it owns %v", r.LastApplied)
	}
	expectSound(t, w.src, false)
	// Hints work again.
	w.src.Kernel().Delete("b")
	advance(time.Minute)
	expectKernel(t, w.src, "a=new", "b=1")
	tree.Stop()
	expectSound(t, w.src, true)
	if c := w.src.Counts(); c.Closes != int(st.Serves) {
		t.Errorf("closed %d times in %d Serves", c.Closes, st.Serves)
	}
	if n := len(tree.Failures()); (n == 1) != (fate != "") {
		t.Errorf("failures in the end: %v", tree.Failures())
	}
}

// expectFailures checks what suture's event hook was told: nothing, or one failure of who.
func expectFailures(t *testing.T, tree *linxtest.Tree, who, how string) {
	t.Helper()
	failures := tree.Failures()
	if how == "" {
		if len(failures) > 0 {
			t.Errorf("failures %v, want none", failures)
		}
		return
	}
	if len(failures) != 1 {
		t.Fatalf("%d failures, want 1: %v", len(failures), failures)
	}
	var text string
	switch e := failures[0].(type) {
	case suture.EventServicePanic:
		text = e.PanicMsg
		if how != "panic" {
			t.Errorf("a panic: %s", text)
		}
		// Suture's own stack is of the goroutine of Serve; the text holds the one that matters.
		if !strings.Contains(text, "lost") || !strings.Contains(text, "linxtest/fault.go") {
			t.Errorf("the text lacks the value, or the original stack: %s", text)
		}
	case suture.EventServiceTerminate:
		text = fmt.Sprint(e.Err)
		err, _ := e.Err.(error)
		switch how {
		case "error":
			if !errors.Is(err, errBroken) {
				t.Errorf("the reason is %v", err)
			}
		case "goexit":
			if err == nil || !strings.Contains(text, "Goexit") {
				t.Errorf("the reason is %v", err)
			}
		case "nil":
			if err == nil || !strings.Contains(text, "nil") {
				t.Errorf("the reason is %v", err)
			}
		default:
			t.Errorf("no panic, but %v", err)
		}
	}
	if !strings.Contains(text, who) {
		t.Errorf("%q does not name the %s", text, who)
	}
	if !strings.Contains(failures[0].Map()["service_name"].(string), "fake") {
		t.Errorf("the event is of service %v", failures[0].Map()["service_name"])
	}
}

// During a shutdown nobody is restarted, but nothing is swallowed: a panic comes out, a Goexit is an error.
func TestFailureDuringShutdown(t *testing.T) {
	linxtest.CheckLeaks(t)
	members := map[string]func(w *world, f linxtest.Fault){
		"monitor":   func(w *world, f linxtest.Fault) { w.src.At(linxtest.Stopping, f) },
		"Reconcile": func(w *world, f linxtest.Fault) { w.src.At(linxtest.PassClaimed, held(f)) },
		"Claim":     func(w *world, f linxtest.Fault) { w.claim.at(held(f)) },
		"Notify":    func(w *world, f linxtest.Fault) { w.notify.at(held(f)) },
		"Close":     func(w *world, f linxtest.Fault) { w.src.At(linxtest.Closing, f) },
		"Subscribe": func(w *world, f linxtest.Fault) {
			w.src.At(linxtest.Subscribing, linxtest.Fail(errors.New("too many open files")), held(f))
		},
	}
	for who, arm := range members {
		for how, fault := range fates {
			if who == "Close" && how == "stubborn" {
				fault = linxtest.Slow(3 * time.Second) // it has no context to ignore
			}
			t.Run(who+": "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					if who == "Subscribe" {
						arm(w, fault)
					}
					s := serve(t, w.loop)
					advance(time.Minute)
					if who != "Subscribe" {
						arm(w, fault)
					}
					w.put(t)
					advance(time.Minute)
					cancelled := time.Now()
					s.stop()
					expectShutdown(t, s, who, how)
					if took := s.ended.Sub(cancelled); (took != 0) != (how == "stubborn") || took > 3*time.Second {
						t.Errorf("Serve ended after %v", took)
					}
					expectSound(t, w.src, true)
					if c := w.src.Counts(); c.Closes != 1 {
						t.Errorf("closed %d times", c.Closes)
					}
					// Whatever it was, the next Serve goes on.
					serve(t, w.loop)
					advance(time.Minute)
					expectKernel(t, w.src, "a=new", "b=1")
				})
			})
		}
	}
}

func expectShutdown(t *testing.T, s *served, who, how string) {
	t.Helper()
	switch how {
	case "panic":
		p, ok := s.panic.(*linx.PanicError)
		if !ok || p.Value != "lost" || !strings.Contains(p.Service, who) ||
			!strings.Contains(string(p.Stack), "linxtest/fault.go") {
			t.Errorf("panic %v, error %v", s.panic, s.err)
		}
	case "goexit":
		if s.panic != nil || s.goexit || s.err == nil ||
			!strings.Contains(s.err.Error(), "Goexit") || !strings.Contains(s.err.Error(), who) {
			t.Errorf("panic %v, goexit %v, error %v", s.panic, s.goexit, s.err)
		}
	default:
		if s.panic != nil || s.goexit || !errors.Is(s.err, context.Canceled) {
			t.Errorf("panic %v, goexit %v, error %v", s.panic, s.goexit, s.err)
		}
	}
}
