package rtnl

import (
	"context"
	"sync/atomic"
	"testing"
)

// hints serves a subscription and counts.
func (k *kernel) hints() *atomic.Int64 {
	k.t.Helper()
	var n atomic.Int64
	service, err := k.src.Subscribe(k.t.Context(), func() { n.Add(1) })
	if err != nil {
		k.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- service.Serve(ctx) }()
	k.t.Cleanup(func() { cancel(); <-done })
	return &n
}

// mustHear waits for a hint of a change.
func (k *kernel) mustHear(n *atomic.Int64, change func()) {
	k.t.Helper()
	before := n.Load()
	change()
	k.eventually(func() bool { return n.Load() > before })
}

// silent makes a change whose events must not be heard, while foreign routes are not. A marker tells that all
// have come. A young namespace has events of its own, so it may take several tries.
func (k *kernel) silent(n *atomic.Int64, what string, change func()) {
	k.t.Helper()
	var heard int64
	for range 20 {
		before := n.Load()
		change()
		after := n.Load()
		k.addAddress("lo", "192.0.2.77/32")
		k.eventually(func() bool { return n.Load() > after })
		k.delAddress("lo", "192.0.2.77/32")
		k.eventually(func() bool { return n.Load() > after+1 })
		if heard = n.Load() - before - 2; heard <= 0 {
			return
		}
	}
	k.t.Errorf("%d hints of %s", heard, what)
}

// TestFilter: our own changes and foreign routes that cannot matter are not heard. What may have harmed
// ours is, and all foreign routes are while something conflicts, waits, or is satisfied by another's.
func TestFilter(t *testing.T) {
	k := newKernel(t, Options{})
	k.silence()
	address := []Address{on("v0", "10.0.0.2/24")}
	state := State{Addresses: address, Routes: []Route{{Dst: pfx("10.3.0.0/16"), Type: Blackhole}}}
	k.converge(state)
	n := k.hints()
	elsewhere := func() {
		k.run("route add blackhole 10.9.0.0/16 proto static")
		k.run("route del blackhole 10.9.0.0/16 proto static")
	}
	k.silent(n, "routes that cannot matter", elsewhere)
	more := State{Addresses: address, Routes: []Route{{Dst: pfx("10.3.0.0/16"), Type: Blackhole}, {Dst: pfx("10.4.0.0/16"), Type: Blackhole}}}
	k.silent(n, "our own changes", func() { k.converge(more); k.converge(state) })
	k.mustHear(n, func() { k.run("route del blackhole 10.3.0.0/16") })
	k.converge(state)
	k.mustHear(n, func() { k.run("route replace blackhole 10.3.0.0/16 proto static") })
	k.converge(state) // satisfied by another's
	k.mustHear(n, func() { k.run("route del blackhole 10.3.0.0/16") })
	k.converge(state)
	waiting := State{Addresses: address, Routes: []Route{{Dst: pfx("10.3.0.0/16"), Gateway: ipa("10.9.0.1")}}}
	if r := k.pass(waiting); len(r.Pending) != 1 {
		t.Fatal(show(r))
	}
	k.mustHear(n, func() { k.run("route add 10.9.0.0/16 dev v1 proto static") })
	k.converge(waiting)
	k.silent(n, "routes that mattered while something waited", func() {
		k.run("route add blackhole 10.8.0.0/16 proto static")
		k.run("route del blackhole 10.8.0.0/16 proto static")
	})
}

// silence keeps the kernel from making events of its own: a young namespace has link-local addresses to settle.
func (k *kernel) silence() {
	for _, v := range []string{"v0", "v1"} {
		k.sysctl("net/ipv6/conf/"+v+"/disable_ipv6", "1")
	}
}

// TestGroupsFollowState: a state without routes does not hear of any; one that comes to have some does.
func TestGroupsFollowState(t *testing.T) {
	k := newKernel(t, Options{})
	k.silence()
	state := State{Addresses: []Address{on("v0", "10.0.0.2/24")}}
	k.converge(state)
	n := k.hints()
	foreign := func() { k.run("route add blackhole 10.9.0.0/16"); k.run("route del blackhole 10.9.0.0/16") }
	k.silent(n, "routes, with none desired", foreign)
	state.Routes = []Route{{Dst: pfx("10.3.0.0/16"), Type: Blackhole}, {Dst: pfx("2001:db8:1::/48"), Type: Blackhole}}
	k.converge(state)
	k.mustHear(n, func() { k.run("route del blackhole 10.3.0.0/16") })
	k.mustHear(n, func() { k.run("-6 route del blackhole 2001:db8:1::/48 dev lo") })
	k.converge(State{Addresses: state.Addresses})
	k.silent(n, "routes, with none desired any more", foreign)
}

// TestValidateIsNoUse: a state that is merely validated, as one that was put and replaced before its pass,
// makes the state in use no harder to watch.
func TestValidateIsNoUse(t *testing.T) {
	k := newKernel(t, Options{})
	k.silence()
	state := State{Routes: []Route{{Dst: pfx("10.3.0.0/16"), Type: Blackhole}}}
	k.converge(state)
	n := k.hints()
	for _, s := range []State{{}, state} {
		if err := k.src.Validate(s); err != nil {
			t.Fatal(err)
		}
		k.converge(state)
		k.mustHear(n, func() { k.run("route del blackhole 10.3.0.0/16") })
	}
}
