package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/linxtest"
)

// step is one fault, drawn: what it is, and how to bring it about. The drawing looks at nothing but the
// stream, so that a seed means the same faults every time, whatever the loops make of them.
type step struct {
	kind string // what it is counted under
	what string
	do   func(*world)
}

// faults are all there are, each with its share.
var faults = []struct {
	weight int
	draw   func(*rand.Rand) step
}{
	{14, memberFails},
	{8, monitorEnds},
	{4, sourceClosed},
	{2, socketClosed},
	{5, loopReadded},
	{4, programRestarted},
	{6, reconcileCalled},
	{10, desiredPut},
	{1, descriptorsExhausted},
	{8, fakeChanged},
	{2, fakeRefuses},

	{8, addressDeleted},
	{10, routeDeleted},
	{6, routeReplaced},
	{4, ruleDeleted},
	{4, neighborChanged},
	{14, slotToggled},
	{5, addressTaken},
	{3, routeTaken},
	{8, sysctlFlipped},
	{4, foreignSysctlSet},
	{3, linkDeleted},
	{3, linkFlapped},
	{3, linkRecreated},
	{2, linkRenamed},
	{3, bufferOverflown},
	{2, pathUnmounted},
	{1, namespaceReplaced},
	{1, processKilled},
}

// draw takes the next fault from the stream.
func draw(r *rand.Rand) step {
	sum := 0
	for _, f := range faults {
		sum += f.weight
	}
	n := r.IntN(sum)
	for _, f := range faults {
		if n -= f.weight; n < 0 {
			return f.draw(r)
		}
	}
	panic("unreachable")
}

// way is how a member goes wrong.
type way struct {
	name  string
	fault linxtest.Fault
}

var (
	fails   = way{"fails", linxtest.Fail(errInjected)}
	panics  = way{"panics", linxtest.Panic(errInjected)}
	goexits = way{"calls Goexit", linxtest.Goexit()}
	slow    = way{"is slow", linxtest.Slow(20 * time.Millisecond)}
	cutting = way{"is cut short", cut}
	ends    = way{"returns nil", linxtest.Fail(nil)}
)

// memberFails has a source or a callback go wrong when it is called next. A new desired state gives a
// pass something to claim.
func memberFails(r *rand.Rand) step {
	moments := []struct {
		moment linxtest.Moment
		ways   []way
		put    bool
	}{
		{linxtest.PassBegins, []way{fails, panics, goexits, slow}, false},
		{linxtest.PassClaimed, []way{fails, panics, goexits, slow, cutting}, true},
		{linxtest.PassEnds, []way{fails, panics, goexits, slow}, true},
		{linxtest.Subscribing, []way{fails, panics, goexits, slow}, false},
		{linxtest.Closing, []way{fails, panics, goexits, slow}, false},
		{claiming, []way{fails, panics, goexits, slow}, true},
		{notifying, []way{panics, goexits, slow}, true},
	}
	n, at, seed := r.IntN(loops), moments[r.IntN(len(moments))], r.Uint64()
	how := at.ways[r.IntN(len(at.ways))]
	return step{"member " + how.name, fmt.Sprintf("loop %d: %s: %s", n, at.moment, how.name), func(w *world) {
		if at.moment == claiming || at.moment == notifying {
			w.loops[n].consumer().At(at.moment, how.fault)
		} else {
			w.loops[n].fallible().At(at.moment, how.fault)
		}
		if at.put {
			w.loops[n].put(rand.New(rand.NewPCG(seed, 0)), false)()
		}
	}}
}

// monitorEnds ends a monitor in one of the ways that there are.
func monitorEnds(r *rand.Rand) step {
	n, how := r.IntN(loops), []way{fails, panics, goexits, ends}[r.IntN(4)]
	return step{"monitor " + how.name, fmt.Sprintf("loop %d: monitor %s", n, how.name), func(w *world) {
		w.loops[n].fallible().EndMonitor(how.fault)
	}}
}

// sourceClosed closes a source's descriptors under the loop and the monitor that use them.
func sourceClosed(r *rand.Rand) step {
	n := r.IntN(loops)
	return step{"source closed", fmt.Sprintf("loop %d: source closed", n), func(w *world) {
		closed := make(chan struct{}) // a fault may wait there, Goexit too
		go func() {
			defer close(closed)
			defer func() { _ = recover() }()
			_ = w.loops[n].fallible().Close()
		}()
		<-closed
	}}
}

// socketClosed closes the socket of a monitor that stands alone.
func socketClosed(r *rand.Rand) step {
	n := r.IntN(byPath)
	return step{"socket closed", fmt.Sprintf("monitor %d: socket closed", n), func(w *world) {
		if err := w.monitors[n].Close(); err != nil {
			w.t.Errorf("closing a monitor: %v", err)
		}
	}}
}

// loopReadded removes a loop and adds it again at once.
func loopReadded(r *rand.Rand) step {
	n := r.IntN(loops)
	return step{"loop readded", fmt.Sprintf("loop %d: removed and added", n), func(w *world) { w.loops[n].readd() }}
}

// programRestarted ends a loop, and begins another one with another state from what is known of it on file.
func programRestarted(r *rand.Rand) step {
	n, seed := r.IntN(loops), r.Uint64()
	what := fmt.Sprintf("loop %d: another one, with desired state %#x", n, seed)
	return step{"program restarted", what, func(w *world) {
		w.loops[n].succeed(rand.New(rand.NewPCG(seed, 0)))
	}}
}

// reconcileCalled has many ask for a pass, not all of whom wait for it.
func reconcileCalled(r *rand.Rand) step {
	n, callers, wait := r.IntN(loops), 1+r.IntN(8), time.Duration(r.IntN(20))*time.Millisecond
	what := fmt.Sprintf("loop %d: Reconcile from %d, within %v", n, callers, wait)
	return step{"reconcile called", what, func(w *world) {
		loop := w.loops[n]
		for range callers {
			w.callers.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), wait)
				defer cancel()
				_ = loop.pass(ctx)
			})
		}
	}}
}

// desiredPut wants something else; one time in eight with something that cannot be had, one time in eight
// many in a row.
func desiredPut(r *rand.Rand) step {
	n, flawed, times, seed := r.IntN(loops), r.IntN(8) == 0, 1, r.Uint64()
	if r.IntN(8) == 0 {
		times = 50
	}
	what := fmt.Sprintf("loop %d: desired state %#x, flawed: %v, times %d", n, seed, flawed, times)
	return step{"desired put", what, func(w *world) {
		r := rand.New(rand.NewPCG(seed, 0))
		for range times {
			w.loops[n].put(r, flawed)()
		}
	}}
}

// fakeChanged changes a fake kernel: something of the loop's, or something foreign.
func fakeChanged(r *rand.Rand) step {
	n, name, value := r.IntN(fakes), r.IntN(routes), fmt.Sprint(r.IntN(3))
	if r.IntN(2) == 0 {
		return step{"fake object deleted", fmt.Sprintf("fake %d: %d deleted", n, name), func(w *world) {
			w.fakes[n].kernel.Delete(fakeName(name))
		}}
	}
	return step{"fake foreign set", fmt.Sprintf("fake %d: foreign %d is %s", n, name, value), func(w *world) {
		foreign := fmt.Sprint("foreign", name)
		w.fakes[n].kernel.Put(foreign, value)
		w.fakes[n].foreign[foreign] = value
	}}
}

// fakeRefuses has a fake fail in part, or lose events, until all is healed.
func fakeRefuses(r *rand.Rand) step {
	n, name, how := r.IntN(fakes), fakeName(r.IntN(routes)), r.IntN(4)
	return step{"fake fails in part", fmt.Sprintf("fake %d: %s, %d", n, name, how), func(w *world) {
		src := w.fakes[n].src.(*linxtest.Source)
		switch how {
		case 0:
			src.Refuse(name, errInjected)
		case 1:
			src.Withhold(name, errInjected)
		case 2:
			src.Drop(10)
		default:
			src.Heal()
		}
	}}
}

// descriptorsExhausted lets nobody in the process open anything for a while.
func descriptorsExhausted(r *rand.Rand) step {
	m := drawMeanwhile(r)
	return step{"descriptors exhausted", fmt.Sprintf("no descriptors %v", m), func(w *world) {
		restore, err := noDescriptors()
		if err != nil {
			w.t.Fatal(err)
		}
		m.pass(w)
		if err := restore(); err != nil {
			w.t.Fatal(err)
		}
	}}
}

// processKilled kills a process in whose namespace loops work. They end for good, and others take over in
// that of a new process: the same namespace or a fresh one.
func processKilled(r *rand.Rand) step {
	n, fresh := byPath+r.IntN(byProcess), r.IntN(2) == 0
	what := fmt.Sprintf("place %d: process killed, namespace fresh: %v", n, fresh)
	return step{"process killed", what, func(w *world) {
		p := w.places[n]
		p.checkForeign("before its process is killed")
		p.process.Kill()
		for _, h := range []resident{p.main, p.side, p.sysctls} {
			if !poll(time.Minute, func() bool { return h.status().Final != nil }) {
				w.fail("%s goes on without its process\n%s", h, h.explain())
			}
			if final := h.status().Final; !errors.Is(final, linx.ErrNamespaceGone) || !errors.Is(final, suture.ErrDoNotRestart) {
				w.fail("%s: ended with %v", h, final)
			}
		}
		if fresh {
			p.renew()
		}
		p.process = p.Process()
		for _, h := range []resident{p.main, p.side, p.sysctls} {
			h.moveIn()
		}
		p.awaitKnobs()
	}}
}
