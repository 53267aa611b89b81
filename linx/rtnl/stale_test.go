package rtnl

import (
	"context"
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// stale plans for a state, lets others change the kernel, and then applies the plan all the same: the
// moment between looking and changing, stretched.
func (k *kernel) stale(state State, meanwhile func()) *pass {
	k.t.Helper()
	p, release, err := k.src.begin(k.t.Context(), state, k.last, k.src.prepare)
	if err != nil {
		k.t.Fatal(err)
	}
	defer release()
	plan, err := p.compare(k.t.Context())
	if err != nil || !plan.changes() {
		k.t.Fatal("nothing to do", err)
	}
	meanwhile()
	p.fresh, p.round = false, round{removed: make(map[bareAddress]struct{})}
	if err := p.apply(k.t.Context(), plan); err != nil {
		k.t.Fatal(err)
	}
	return p
}

// TestPlaceTaken: somebody takes the place of ours while it is being updated. Theirs stays alone, and is a
// conflict.
func TestPlaceTaken(t *testing.T) {
	addresses := []Address{on("v0", "10.0.0.2/24"), on("v0", "2001:db8::2/64")}
	for name, c := range map[string]struct {
		from, to Route
		take     string
	}{
		"IPv4": {Route{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.0.0.1"), Metric: 5}, Route{Gateway: ipa("10.0.0.9")},
			"-4 route replace 10.1.0.0/16 via 10.0.0.8 metric 5 proto static"},
		"IPv6": {Route{Dst: pfx("2001:db8:1::/48"), Gateway: ipa("2001:db8::1"), Metric: 5}, Route{Gateway: ipa("2001:db8::9")},
			"-6 route replace 2001:db8:1::/48 via 2001:db8::8 metric 5 proto static"},
		"IPv6, by way of a spare": {Route{Dst: pfx("2001:db8:1::/48"), Gateway: ipa("2001:db8::1"), Metric: 5},
			Route{Gateway: ipa("2001:db8::1"), MTU: 1400}, "-6 route replace 2001:db8:1::/48 via 2001:db8::8 metric 5 proto static"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t, Options{})
			c.to.Dst, c.to.Metric = c.from.Dst, c.from.Metric
			k.converge(State{Addresses: addresses, Routes: []Route{c.from}})
			state := State{Addresses: addresses, Routes: []Route{c.to}}
			p := k.stale(state, func() { k.run(c.take) })
			if got := k.ipRoutes("all"); len(got) != 1 || !p.round.again {
				t.Errorf("there is %q, look again: %v", got, p.round.again)
			}
			var conflict *ConflictError
			if r := k.pass(state); len(r.Failed) != 1 || !errors.As(r.Failed[0].Err, &conflict) || conflict.Protocol != unix.RTPROT_STATIC {
				t.Error(show(r))
			}
		})
	}
}

// TestSiblingGone: a next hop that may be ours was another's, and has gone by the time that ours of the same
// gateway is made. That is not deleted in its stead.
func TestSiblingGone(t *testing.T) {
	k := newKernel(t, Options{})
	from := Route{Dst: pfx("2001:db8:1::/48"), Gateway: ipa("2001:db8::1"), Metric: 5, MTU: 1400}
	to := Route{Dst: from.Dst, Gateway: ipa("2001:db8::9"), Metric: 5}
	k.converge(State{Addresses: []Address{on("v0", "2001:db8::2/64")}, Routes: []Route{from}})
	k.run("-6 route append 2001:db8:1::/48 via 2001:db8::9 metric 5 proto static")
	k.stale(State{Addresses: []Address{on("v0", "2001:db8::2/64")}, Routes: []Route{to}}, func() {
		k.run("-6 route del 2001:db8:1::/48 via 2001:db8::9 metric 5 proto static")
	})
	if got := k.ipRoutes("main"); !slices.Equal(got, []string{"2001:db8:1::/48 gateway 2001:db8::9 dev v0 metric 5 protocol 76"}) {
		t.Error(got)
	}
}

// TestCreateLoses: who is faster has the place.
func TestCreateLoses(t *testing.T) {
	k := newKernel(t, Options{})
	k.converge(State{})
	state := State{Routes: []Route{{Dst: pfx("10.1.0.0/16"), Type: Blackhole}, {Dst: pfx("2001:db8:1::/48"), Type: Blackhole}}}
	p := k.stale(state, func() {
		k.run("-4 route add unreachable 10.1.0.0/16 proto static")
		k.run("-6 route add 2001:db8:1::/48 dev v1 proto static")
	})
	want := []string{"2001:db8:1::/48 dev v1 protocol static", "unreachable 10.1.0.0/16 protocol static"}
	if got := k.ipRoutes("main"); !slices.Equal(got, want) || p.round.applied != 0 || !p.round.again {
		t.Error(got, p.round)
	}
}

// TestAddressBecameTheirs: another makes our address theirs before we delete it, or swap it.
func TestAddressBecameTheirs(t *testing.T) {
	for name, state := range map[string]State{
		"deleted": {},
		"swapped": {Addresses: []Address{on("v0", "2001:db8::2/128")}},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t, Options{})
			k.converge(State{Addresses: []Address{on("v0", "2001:db8::2/64")}})
			k.stale(state, func() {
				k.delAddress("v0", "2001:db8::2/64")
				k.addAddress("v0", "2001:db8::2/64")
			})
			if got := k.addresses("v0"); !slices.Equal(got, []string{"2001:db8::2/64"}) {
				t.Error(got)
			}
		})
	}
}

// TestDeviceRouteGone: our device route has gone by the time that it is to be deleted. IPv6 then takes a
// route of ours with a gateway on that device for it, and must not take what that is merged with along.
func TestDeviceRouteGone(t *testing.T) {
	k := newKernel(t, Options{})
	k.addAddress("v0", "2001:db8::2/64")
	k.converge(State{Routes: []Route{{Dst: pfx("2001:db8:1::/48"), Interface: "v0", Metric: 5}}})
	k.stale(State{}, func() {
		k.run("-6 route del 2001:db8:1::/48 dev v0 metric 5")
		k.run("-6 route add 2001:db8:1::/48 via 2001:db8::1 metric 5 proto 76")
		k.run("-6 route append 2001:db8:1::/48 via 2001:db8::8 metric 5 proto static")
	})
	if got := k.ipRoutes("main"); !slices.Equal(got, []string{"2001:db8:1::/48 gateway 2001:db8::8 dev v0 metric 5 protocol static"}) {
		t.Error(got)
	}
}

// TestSparesTaken: with all metrics nearby in use an update is not possible, and does no harm.
func TestSparesTaken(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{Addresses: []Address{on("v0", "2001:db8::2/64")}}
	for metric := range uint32(maximumSpares + 2) {
		state.Routes = append(state.Routes, Route{Dst: pfx("2001:db8:1::/48"), Gateway: ipa("2001:db8::1"), Metric: 10 + metric})
	}
	k.converge(state)
	before := k.ipRoutes("main")
	other := State{Addresses: state.Addresses, Routes: slices.Clone(state.Routes)}
	other.Routes[0].MTU = 1400
	w := k.watchRoutes()
	if r := k.pass(other); r.Converged || len(r.Applied) != 0 {
		t.Error(show(r))
	}
	if got := k.ipRoutes("main"); !slices.Equal(got, before) || len(w.mustDrain()) != 0 {
		t.Errorf("%v became %v", before, got)
	}
	k.settled(state)
}

// TestCutShort: what a pass did not get to delete is known to the next one, wherever it is.
func TestCutShort(t *testing.T) {
	k := newKernel(t, Options{})
	k.converge(State{
		Addresses: []Address{on("v0", "10.0.0.2/24")},
		Routes:    []Route{{Dst: pfx("10.1.0.0/16"), Type: Blackhole, Table: 100}, {Dst: pfx("2001:db8:1::/48"), Type: Blackhole, Table: 100}},
	})
	less := State{Routes: []Route{{Dst: pfx("10.2.0.0/16"), Type: Blackhole}, {Dst: pfx("2001:db8:2::/48"), Type: Blackhole}}}
	ctx, cancel := context.WithCancel(t.Context())
	r, err := k.src.Reconcile(ctx, less, k.last, func(LastApplied) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	k.last = r.LastApplied
	k.converge(less)
	if got := append(k.ipRoutes("100"), k.addresses("v0")...); len(got) != 0 {
		t.Error("left:", got)
	}
}

// TestInterruptedObservation: an observation that is broken off after a change loses no ownership.
func TestInterruptedObservation(t *testing.T) {
	k := newKernel(t, Options{})
	k.src.untagged = true
	state := State{
		Addresses: []Address{on("v0", "10.0.0.2/24"), on("v1", "10.7.0.1/24")},
		Routes:    []Route{{Dst: pfx("10.1.0.0/16"), Type: Blackhole}},
	}
	k.converge(State{Addresses: state.Addresses[:1]})
	p := k.stale(state, func() {})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.compare(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	k.last = p.finish().LastApplied
	if len(k.last.addresses) != 2 || len(k.last.claims) != 1 {
		t.Errorf("owns %+v", k.last)
	}
	k.converge(State{})
	if got := slices.Concat(k.addresses("v0"), k.addresses("v1"), k.ipRoutes("main")); len(got) != 0 {
		t.Error("left:", got)
	}
}
