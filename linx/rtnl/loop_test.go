package rtnl

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// serve puts a loop under a supervisor of its own and gives a channel of its reports.
func (k *kernel) serve(state State, cfg Config) (*Loop, <-chan Report) {
	k.t.Helper()
	reports := make(chan Report, 1000)
	cfg.Notify = func(_ context.Context, r Report, err error) {
		if err == nil {
			select {
			case reports <- r:
			default:
			}
		}
	}
	loop, err := reconcile.New(k.src, state, cfg)
	if err != nil {
		k.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	sup := suture.New("test", suture.Spec{EventHook: func(e suture.Event) { k.t.Log(e) }})
	sup.Add(loop)
	done := sup.ServeBackground(ctx)
	k.t.Cleanup(func() { stop(); <-done })
	return loop, reports
}

func (k *kernel) waitConverged(loop *Loop) {
	k.t.Helper()
	ctx, stop := context.WithTimeout(k.t.Context(), 20*time.Second)
	defer stop()
	if err := loop.WaitConverged(ctx); err != nil {
		r, _ := loop.LastReport()
		k.t.Fatal(err, show(r))
	}
}

// drift undoes something of each kind.
func (k *kernel) drift() {
	k.delAddress("v0", "10.0.0.2/24") // takes 10.0.0.3, and the routes over both
	k.delAddress("v0", "2001:db8::2/64")
	k.run("route del blackhole 10.3.0.0/16")
	k.run("-6 route del 2001:db8:7::/48")
}

func (k *kernel) healed(state State) bool {
	want := len(state.Routes)
	n := 0
	for _, r := range k.ipRoutes("all") {
		if len(r) > 2 && r[len(r)-2:] == "76" {
			n++
		}
	}
	return n == want && slices.Equal(k.addresses("v0"), []string{"10.0.0.2/24", "10.0.0.3/24", "2001:db8::2/64"})
}

// TestDriftHealedByTimer: the timer alone is enough.
func TestDriftHealedByTimer(t *testing.T) {
	k := newKernel(t, Options{})
	state := everyShape()
	loop, _ := k.serve(state, Config{Interval: 20 * time.Millisecond, TimerOnly: true})
	k.waitConverged(loop)
	for range 3 {
		k.drift()
		k.eventually(func() bool { return k.healed(state) })
	}
}

// TestDriftHealedByMonitor: with the timer off, events are enough; and what the loop itself changes does
// not keep it busy.
func TestDriftHealedByMonitor(t *testing.T) {
	k := newKernel(t, Options{})
	state := everyShape()
	loop, _ := k.serve(state, Config{Interval: reconcile.Never, Debounce: reconcile.Immediate})
	k.waitConverged(loop)
	for range 3 {
		k.drift()
		k.eventually(func() bool { return k.healed(state) })
	}
	// A foreign route in the place of ours, by way of a replacement that shows only itself.
	k.run("route replace blackhole 10.3.0.0/16 proto static")
	k.eventually(func() bool {
		r, ok := loop.LastReport()
		return ok && r.Converged && r.LastApplied.routes.len() == len(state.Routes)-1
	})
	// It satisfies ours; once it has gone, ours comes back.
	k.run("route del blackhole 10.3.0.0/16 proto static")
	k.eventually(func() bool { return k.healed(state) })
}

// TestMonitorFails: one restart, subscribed again, with the newest desired state and all ownership, and
// nothing leaked.
func TestMonitorFails(t *testing.T) {
	linxtest.CheckLeaks(t)
	k := newKernel(t, Options{})
	first, state := everyShape(), everyShape()
	state.Routes = slices.Delete(state.Routes, 3, 5)
	loop, _ := k.serve(first, Config{Interval: reconcile.Never, Debounce: reconcile.Immediate})
	k.waitConverged(loop)
	if err := loop.PutDesired(state); err != nil {
		t.Fatal(err)
	}
	k.waitConverged(loop)
	for n := range 2 {
		// What is ours and no longer desired is still known to be ours after the restart.
		k.src.mu.Lock()
		listener := k.src.listeners[0]
		k.src.mu.Unlock()
		k.eventually(func() bool {
			listener.monitor.Close() // before Serve has begun, that is no failure
			s := loop.Status()
			return s.Serving && s.Serves == uint64(n+2) && s.Monitor == reconcile.MonitorJoined && s.Converged
		})
		k.drift() // heard by the new monitor
		k.eventually(func() bool { return k.healed(state) })
		k.src.mu.Lock()
		if len(k.src.listeners) != 1 || k.src.listeners[0] == listener {
			t.Error("listeners:", k.src.listeners)
		}
		k.src.mu.Unlock()
	}
	if _, err := loop.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := append(k.ipRoutes("all"), k.addresses("v0")...); len(got) != 0 {
		t.Error("left after Release:", got)
	}
}

// TestQuiet: foreign routes that cannot matter wake nobody, and a pass that changes something is followed
// by one at most.
func TestQuiet(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{Addresses: []Address{on("v0", "10.0.0.2/24")}, Routes: []Route{{Dst: pfx("10.3.0.0/16"), Gateway: ipa("10.0.0.1")}}}
	loop, _ := k.serve(state, Config{Interval: reconcile.Never, Debounce: reconcile.Immediate})
	k.waitConverged(loop)
	before := loop.Status().Passes
	foreign := k.route(Route{Dst: pfx("10.9.0.0/16"), Gateway: ipa("10.0.0.1")}, 4)
	for range 200 {
		if err := errors.Join(k.Netlink().RouteAdd(foreign), k.Netlink().RouteDel(foreign)); err != nil {
			t.Fatal(err)
		}
	}
	// The namespace is young: its own link-local addresses, for one, are still being made.
	if passes := loop.Status().Passes - before; passes > 10 {
		t.Errorf("%d passes for what cannot matter", passes)
	}
	before = loop.Status().Passes
	k.delAddress("v0", "10.0.0.2/24")
	k.eventually(func() bool { return len(k.addresses("v0")) == 1 && len(k.ipRoutes("main")) == 1 })
	if _, err := loop.Reconcile(t.Context()); err != nil { // behind whatever was under way
		t.Fatal(err)
	}
	if passes := loop.Status().Passes - before; passes > 5 { // the events of the drift itself may come in two hints
		t.Errorf("%d passes for one drift", passes)
	}
}

// TestPutBack: a state that is replaced by the one before ahead of its pass leaves the loop able to hear.
func TestPutBack(t *testing.T) {
	k := newKernel(t, Options{})
	k.silence()
	state := State{Routes: []Route{{Dst: pfx("10.3.0.0/16"), Type: Blackhole}}}
	loop, _ := k.serve(state, Config{Interval: reconcile.Never, Debounce: 20 * time.Millisecond})
	k.waitConverged(loop)
	if err := errors.Join(loop.PutDesired(State{}), loop.PutDesired(state)); err != nil {
		t.Fatal(err)
	}
	k.waitConverged(loop)
	k.run("route del blackhole 10.3.0.0/16")
	k.eventually(func() bool { return len(k.ipRoutes("main")) == 1 })
}
