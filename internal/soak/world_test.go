package soak

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/monitor"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// Of the twenty loops, three each are of a place: two rtnl and a sysctl.
const (
	byPath, byProcess = 3, 2
	places            = byPath + byProcess
	fakes             = 5
	loops             = 3*places + fakes
)

// world is all there is: namespaces, loops, and the supervisors above them.
type world struct {
	t      *testing.T
	hub    *testns.Net // has the other ends of the places' wires
	places []*place
	fakes  []*fake
	loops  []resident

	root     *suture.Supervisor
	restarts atomic.Int64
	stop     context.CancelFunc
	stopped  <-chan error
	monitors []*monitor.Monitor // which nobody needs, beside the loops
	events   atomic.Int64       // that they told of

	kinds     count
	overflows int             // of receive buffers
	callers   sync.WaitGroup  // of Reconcile
	last      []string        // faults, for who has to find out
	odd       map[string]bool // reasons of restarts that nobody injected
	oddLock   sync.Mutex
}

// fake is a loop over a fake kernel.
type fake struct {
	*home[linxtest.State, linxtest.Owned]
	kernel  *linxtest.Kernel
	foreign map[string]string
}

func newWorld(t *testing.T, r *rand.Rand) *world {
	w := &world{t: t, hub: testns.New(t), kinds: count{}, odd: map[string]bool{}}
	w.root = w.supervisor("root", nil)
	paths, containers := w.supervisor("paths", w.root), w.supervisor("containers", w.root)
	processes, idle := w.supervisor("processes", containers), w.supervisor("fakes", containers)
	for n := range places {
		tree := paths
		if n >= byPath {
			tree = processes
		}
		w.places = append(w.places, w.newPlace(n, tree))
	}
	for n := range fakes {
		f := &fake{kernel: linxtest.NewKernel(nil), foreign: map[string]string{}}
		f.home = &home[linxtest.State, linxtest.Owned]{
			t: t, name: fmt.Sprint("fake", n), tree: idle, draw: drawFake,
			source: func() (reconcile.Source[linxtest.State, linxtest.Owned], fallible) {
				src := linxtest.NewSource(f.kernel)
				return src, src
			},
			cfg: reconcile.Config[linxtest.Owned]{Interval: 100 * time.Millisecond, Debounce: 5 * time.Millisecond},
		}
		w.fakes = append(w.fakes, f)
	}
	for _, p := range w.places {
		w.loops = append(w.loops, p.main, p.side, p.sysctls)
	}
	for _, f := range w.fakes {
		w.loops = append(w.loops, f)
	}
	for _, h := range w.loops {
		h.moveIn()
	}
	for _, h := range w.loops {
		h.put(r, false)()
	}
	w.addMonitors()
	var ctx context.Context
	ctx, w.stop = context.WithCancel(context.Background())
	w.stopped = w.root.ServeBackground(ctx)
	t.Cleanup(w.end)
	return w
}

// supervisor restarts at once, and hardly ever pauses: faults come faster than in life.
func (w *world) supervisor(name string, under *suture.Supervisor) *suture.Supervisor {
	s := suture.New(name, suture.Spec{
		EventHook: w.hear, Timeout: 20 * time.Second,
		FailureThreshold: 50, FailureDecay: 1, FailureBackoff: 20 * time.Millisecond,
	})
	if under != nil {
		under.Add(s)
	}
	return s
}

// addMonitors adds some that stand alone, as a program has that wants to know what happens.
func (w *world) addMonitors() {
	// They do not wait for a path by themselves.
	s := suture.New("monitors", suture.Spec{FailureThreshold: 3, FailureDecay: 1, FailureBackoff: 50 * time.Millisecond})
	w.root.Add(s)
	for _, p := range w.places[:byPath] {
		m := monitor.New(p.Namespace(), func(monitor.Event) { w.events.Add(1) }, monitor.Config{ReceiveBuffer: 1 << 16})
		w.monitors = append(w.monitors, m)
		s.Add(m)
	}
}

// expected are the reasons for which services end here: what was injected, or follows from it.
var expected = []string{errInjected.Error(), "runtime.Goexit", "returned nil", "file already closed", "namespace gone",
	"context canceled", "too many open files"}

// injected tells whether a fault of ours is behind it.
func injected(err error) bool { return isExpected(err.Error()) }

func isExpected(reason string) bool {
	return slices.ContainsFunc(expected, func(known string) bool { return strings.Contains(reason, known) })
}

// hear is the supervisors' event hook.
func (w *world) hear(e suture.Event) {
	var reason string
	switch e := e.(type) {
	case suture.EventServicePanic:
		reason = fmt.Sprint(e.PanicMsg, e.Stacktrace)
	case suture.EventServiceTerminate:
		reason = fmt.Sprint(e.Err)
	case suture.EventStopTimeout:
		w.t.Errorf("%s: %s does not stop", e.SupervisorName, e.ServiceName)
		return
	default:
		return
	}
	if e.Map()["supervisor_name"] != "monitors" {
		w.restarts.Add(1)
	}
	if isExpected(reason) {
		return
	}
	w.oddLock.Lock()
	defer w.oddLock.Unlock()
	if !w.odd[reason] && len(w.odd) < 20 {
		w.odd[reason] = true
		w.t.Errorf("restarted for a reason that nobody injected: %s", reason)
	}
}

// heal takes all waiting faults away, and what keeps loops from converging.
func (w *world) heal(r *rand.Rand) {
	for _, h := range w.loops {
		h.heal()
		h.mend(r)
	}
	for _, p := range w.places {
		p.takeBack()
		for i := range slots {
			if slots[i].blocks && p.filled[i] {
				p.toggle(i)
			}
		}
	}
}

// settle waits until every loop has converged, and looks at all that there is.
func (w *world) settle() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute) // fights pause for up to one
	defer cancel()
	for _, h := range w.loops {
		if err := h.await(ctx); err != nil {
			w.fail("%s does not converge: %v\n%s", h, err, h.explain())
		}
	}
	for _, p := range w.places {
		p.checkAll()
		p.checkHearing()
	}
	for _, f := range w.fakes {
		f.check()
	}
}

// endLoops ends every loop for good: some remove what they have applied, some leave it.
func (w *world) endLoops(r *rand.Rand) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, h := range w.loops {
		release := r.IntN(3) != 0
		if err := h.end(ctx, release); err != nil {
			w.fail("%s: ending it (release: %v): %v", h, release, err)
		}
		if final := h.status().Final; !errors.Is(final, reconcile.ErrStopped) {
			w.fail("%s: ended with %v", h, final)
		}
	}
	for _, p := range w.places {
		p.checkAll()
	}
	for _, f := range w.fakes {
		f.check()
	}
}

// end stops the supervisors. Twice is fine.
func (w *world) end() {
	if w.stop == nil {
		return
	}
	w.stop()
	w.stop = nil
	if err := <-w.stopped; !errors.Is(err, context.Canceled) {
		w.t.Errorf("the tree ended with %v", err)
	}
	if left, err := w.root.UnstoppedServiceReport(); err != nil || len(left) > 0 {
		w.t.Errorf("left unstopped: %v (%v)", left, err)
	}
	w.callers.Wait()
	w.places, w.fakes, w.loops = nil, nil, nil
}

// fail ends the test, and says what it takes to find out why.
func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Logf("the last faults:\n\t%s", strings.Join(w.last, "\n\t"))
	w.t.Fatalf(format, args...)
}

// note remembers the last faults.
func (w *world) note(n int, s step) {
	const kept = 40
	if w.last = append(w.last, fmt.Sprintf("%d: %s", n, s.what)); len(w.last) > kept {
		w.last = w.last[1:]
	}
}

// patience is for what must be there at once.
const patience = 5 * time.Second

// poll waits until cond holds.
func poll(patience time.Duration, cond func() bool) bool {
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Now().After(deadline) {
			return false
		}
		<-tick.C
	}
	return true
}

// pause lets the loops work.
func pause(d time.Duration) { <-time.After(d) }

// count is how often each kind of fault came.
type count map[string]int

func (c count) String() string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(c)) {
		parts = append(parts, fmt.Sprintf("%s %d", kind, c[kind]))
	}
	return strings.Join(parts, ", ")
}
