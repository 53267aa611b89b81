package rtnl

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUpdate changes a route from each shape to each other, alone and beside another's of the same
// destination. There is never a moment without a route, and the other's is never touched.
func TestUpdate(t *testing.T) {
	v4 := func(r Route) Route { r.Dst, r.Metric = pfx("10.1.0.0/16"), 10; return r }
	v6 := func(r Route) Route { r.Dst, r.Metric = pfx("2001:db8:1::/48"), 10; return r }
	for family, shapes := range map[string][]Route{
		"IPv4": {
			v4(Route{Gateway: ipa("10.0.0.1")}),
			v4(Route{Gateway: ipa("10.0.0.1"), MTU: 1400}),
			v4(Route{Gateway: ipa("10.0.0.1"), MTU: 1400, Source: ipa("10.0.0.3")}),
			v4(Route{Gateway: ipa("10.0.0.1"), Interface: "v0", OnLink: true}),
			v4(Route{Gateway: ipa("10.0.0.9")}),
			v4(Route{Interface: "v0"}),
			v4(Route{Interface: "v1"}),
			v4(Route{Interface: "v1", Scope: ScopeGlobal}),
			v4(Route{Type: Blackhole}),
			v4(Route{Type: Unreachable}),
		},
		"IPv6": {
			v6(Route{Gateway: ipa("2001:db8::1")}),
			v6(Route{Gateway: ipa("2001:db8::1"), MTU: 1400}),
			v6(Route{Gateway: ipa("2001:db8::1"), Source: ipa("2001:db8::2")}),
			v6(Route{Gateway: ipa("2001:db8::1"), Interface: "v0", OnLink: true}),
			v6(Route{Gateway: ipa("2001:db8::9")}),
			v6(Route{Gateway: ipa("2001:db8:ff::9"), Interface: "v1", OnLink: true}),
			v6(Route{Interface: "v0"}),
			v6(Route{Interface: "v1"}),
			v6(Route{Type: Blackhole}),
			v6(Route{Type: Unreachable}),
		},
	} {
		t.Run(family, func(t *testing.T) { updateEach(newKernel(t, Options{}), shapes) })
	}
}

// updateEach changes a route from each shape to each other.
func updateEach(k *kernel, shapes []Route) {
	t := k.t
	addresses := []Address{on("v0", "10.0.0.2/24"), on("v0", "10.0.0.3/24"), on("v0", "2001:db8::2/64")}
	w := k.watchRoutes()
	for _, from := range shapes {
		for _, to := range shapes {
			if from.String() == to.String() {
				continue
			}
			k.converge(State{Addresses: addresses, Routes: []Route{from}})
			w.drain()
			state := State{Addresses: addresses, Routes: []Route{to}}
			r := k.converge(state)
			if want := []string{"update " + to.String()}; !slices.Equal(applied(r), want) {
				t.Errorf("%v to %v: applied %v", from, to, applied(r))
			}
			standing := 1
			for _, e := range w.mustDrain() {
				if e.protocol == unix.RTPROT_KERNEL {
					continue // the namespace is young
				}
				switch e.typ {
				case unix.RTM_NEWROUTE:
					standing++
				case unix.RTM_DELROUTE:
					standing--
				}
				if standing < 1 {
					t.Errorf("%v to %v: a moment without a route", from, to)
				}
				if e.flags&unix.NLM_F_REPLACE != 0 {
					t.Errorf("%v to %v: replaced", from, to)
				}
			}
			if standing != 1 {
				t.Errorf("%v to %v: %d routes", from, to, standing)
			}
			k.settled(state)
		}
	}
}

func (w *watcher) mustDrain() []event {
	w.t.Helper()
	events, lost := w.drain()
	if lost {
		w.t.Fatal("the test lost events")
	}
	return events
}

// TestUpdateBesideForeign: another's route of the same identity stands beside ours, and stays.
func TestUpdateBesideForeign(t *testing.T) {
	for name, c := range map[string]struct {
		from, to Route
		foreign  string // appended, so that it comes after ours or is merged with it
		shows    string
	}{
		"IPv4":                     {Route{Gateway: ipa("10.0.0.1")}, Route{Gateway: ipa("10.0.0.9")}, "10.1.0.0/16 via 10.0.0.8", "10.0.0.8"},
		"IPv4, the same next hop":  {Route{Gateway: ipa("10.0.0.1")}, Route{Gateway: ipa("10.0.0.1"), MTU: 1400}, "10.1.0.0/16 via 10.0.0.1", "10.0.0.1"},
		"IPv6, merged":             {Route{Gateway: ipa("2001:db8::1")}, Route{Gateway: ipa("2001:db8::9")}, "2001:db8:1::/48 via 2001:db8::8", "2001:db8::8"},
		"IPv6, merged, MTU":        {Route{Gateway: ipa("2001:db8::1")}, Route{Gateway: ipa("2001:db8::1"), MTU: 1400}, "2001:db8:1::/48 via 2001:db8::8", "2001:db8::8"},
		"IPv6, to a device":        {Route{Gateway: ipa("2001:db8::1")}, Route{Interface: "v0"}, "2001:db8:1::/48 via 2001:db8::8", "2001:db8::8"},
		"IPv6, from a device":      {Route{Interface: "v0"}, Route{Gateway: ipa("2001:db8::1")}, "2001:db8:1::/48 via 2001:db8::8", "2001:db8::8"},
		"IPv6, beside a device":    {Route{Gateway: ipa("2001:db8::1")}, Route{Interface: "v0"}, "2001:db8:1::/48 dev v1", "v1"},
		"IPv6, devices":            {Route{Interface: "v0"}, Route{Interface: "v0", MTU: 1400}, "2001:db8:1::/48 dev v1", "v1"},
		"IPv6, gateway and device": {Route{Gateway: ipa("2001:db8::1")}, Route{Gateway: ipa("2001:db8::1"), MTU: 1400}, "2001:db8:1::/48 dev v1", "v1"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t, Options{})
			dst := strings.Fields(c.foreign)[0]
			c.from.Dst, c.from.Metric, c.to.Dst, c.to.Metric = pfx(dst), 10, pfx(dst), 10
			addresses := []Address{on("v0", "10.0.0.2/24"), on("v0", "2001:db8::2/64")}
			k.converge(State{Addresses: addresses, Routes: []Route{c.from}})
			family := "-4"
			if c.from.Dst.Addr().Is6() {
				family = "-6"
			}
			k.run(family + " route append " + c.foreign + " metric 10 proto static")
			state := State{Addresses: addresses, Routes: []Route{c.to}}
			k.converge(state)
			k.settled(state)
			k.converge(State{Addresses: addresses})
			k.settled(State{Addresses: addresses})
			if left := k.run(family + " route show " + dst); !strings.Contains(left, c.shows) || !strings.Contains(left, "proto static") {
				t.Errorf("the other's is %q", left)
			}
		})
	}
}

// TestSwapIsOwned: an IPv6 address whose length changes is in LastApplied under the new one.
func TestSwapIsOwned(t *testing.T) {
	for _, untagged := range []bool{false, true} {
		k := newKernel(t, Options{})
		k.src.untagged = untagged
		k.converge(State{Addresses: []Address{on("v0", "2001:db8::4/128")}})
		state := State{Addresses: []Address{on("v0", "2001:db8::4/64")}}
		if r := k.pass(state); len(r.LastApplied.addresses) != 1 || r.LastApplied.addresses[0].Address != state.Addresses[0] {
			t.Errorf("untagged %v: owns %v", untagged, r.LastApplied.addresses)
		}
		k.converge(state)
		k.converge(State{})
		if got := k.addresses("v0"); len(got) != 0 {
			t.Errorf("untagged %v: left %v", untagged, got)
		}
	}
}
