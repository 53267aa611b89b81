package rtnl

import (
	"slices"
	"testing"
)

// IPv6 routes of one destination and metric are merged, whoever's they are, and shown under the first one's
// protocol.

// TestAdoptSibling: one of another's next hops becomes ours, and stays.
func TestAdoptSibling(t *testing.T) {
	for _, policy := range []ConflictPolicy{Adopt, TakeOver} {
		k := newKernel(t, Options{Conflict: policy})
		k.addAddress("v0", "2001:db8::2/64")
		k.run("-6 route add 2001:db8:1::/48 proto static metric 5 nexthop via 2001:db8::1 nexthop via 2001:db8::8")
		k.converge(State{Routes: []Route{{Dst: pfx("2001:db8:1::/48"), Gateway: ipa("2001:db8::1"), Metric: 5}}})
		k.run("-6 route del 2001:db8:1::/48 proto static metric 5 via 2001:db8::8")
		if got := k.ipRoutes("main"); !slices.Equal(got, []string{"2001:db8:1::/48 gateway 2001:db8::1 dev v0 metric 5 protocol 76"}) {
			t.Errorf("policy %d: %q", policy, got)
		}
	}
}

// TestAdoptBehindAnother: whose a next hop is that stands behind another's does not show, so that it cannot
// be adopted. It is enough as it is.
func TestAdoptBehindAnother(t *testing.T) {
	k := newKernel(t, Options{Conflict: Adopt})
	k.addAddress("v0", "2001:db8::2/64")
	k.run("-6 route add 2001:db8:1::/48 proto static metric 5 via 2001:db8::8")
	k.run("-6 route append 2001:db8:1::/48 proto bird metric 5 via 2001:db8::1")
	state := State{Routes: []Route{{Dst: pfx("2001:db8:1::/48"), Gateway: ipa("2001:db8::1"), Metric: 5}}}
	before := k.ipRoutes("main")
	k.converge(state)
	w := k.watchRoutes()
	k.settled(state)
	if slices.ContainsFunc(w.mustDrain(), func(e event) bool { return e.protocol == us }) {
		t.Error("tried again")
	}
	k.converge(State{})
	if after := k.ipRoutes("main"); !slices.Equal(before, after) {
		t.Errorf("%v became %v", before, after)
	}
}

// TestSameGatewayOtherInterface: another's next hop that differs from ours in its interface alone is not
// taken for ours, and an update loses neither.
func TestSameGatewayOtherInterface(t *testing.T) {
	for name, from := range map[string]Route{
		"named":     {Gateway: ipa("fe80::1"), Interface: "v0"},
		"not named": {Gateway: ipa("2001:db8::1")},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t, Options{})
			k.addAddress("v0", "2001:db8::2/64")
			from.Dst, from.Metric = pfx("2001:db8:1::/48"), 5
			to := from
			to.Gateway = from.Gateway.Next().Next().Next()
			k.converge(State{Routes: []Route{from}})
			k.addAddress("v1", "2001:db8::3/64")
			k.run("-6 route append 2001:db8:1::/48 via " + from.Gateway.String() + " dev v1 metric 5 proto static")
			k.converge(State{Routes: []Route{from}})
			k.settled(State{Routes: []Route{from}})
			k.wantApplied(k.converge(State{Routes: []Route{to}}), "update "+to.String())
			k.settled(State{Routes: []Route{to}})
			k.converge(State{})
			theirs := "2001:db8:1::/48 gateway " + from.Gateway.String() + " dev v1 metric 5 protocol static"
			if got := k.ipRoutes("main"); !slices.Equal(got, []string{theirs}) {
				t.Error(got)
			}
		})
	}
}

// TestSiblingBehindOurs: another's next hop behind ours may be ours by all that the kernel shows. A pass
// tries; no plan names it, and nothing is claimed for it.
func TestSiblingBehindOurs(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{
		Addresses: []Address{on("v0", "2001:db8::2/64")},
		Routes:    []Route{{Dst: pfx("2001:db8:1::/48"), Gateway: ipa("2001:db8::1"), Metric: 5}},
	}
	k.converge(state)
	k.run("-6 route append 2001:db8:1::/48 via 2001:db8::7 metric 5 proto static")
	if plan, err := k.src.Plan(t.Context(), state, k.last); err != nil || len(plan) != 0 {
		t.Error(plan, err)
	}
	r, err := k.src.Reconcile(t.Context(), state, k.last, func(LastApplied) error { t.Error("claimed"); return nil })
	if err != nil || !r.Converged || len(r.Applied) != 0 {
		t.Error(show(r), err)
	}
	k.run("-6 route append 2001:db8:1::/48 via 2001:db8::8 metric 5 proto 76") // ours, lost from the ledger
	k.wantApplied(k.pass(state), "delete route 2001:db8:1::/48 via 2001:db8::8 dev v0 metric 5")
}

// TestTwinBehindOurs: ours comes to differ in its Encap alone from another's behind it. The kernel does not
// look at that when it deletes, and the other's may be ours by all that it shows.
func TestTwinBehindOurs(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{
		Addresses: []Address{on("v0", "2001:db8::2/64")},
		Routes:    []Route{{Dst: pfx("2001:db8:1::/48"), Gateway: ipa("2001:db8::1"), Metric: 5}},
	}
	encaps := k.encaps(t, "IPv6")
	k.converge(state)
	k.run("-6 route append 2001:db8:1::/48 via 2001:db8::7 metric 5 proto static")
	state.Routes = []Route{{Dst: pfx("2001:db8:1::/48"), Gateway: ipa("2001:db8::7"), Metric: 5, Encap: encaps[0]}}
	k.wantApplied(k.converge(state), "update "+state.Routes[0].String())
	k.settled(state)
	k.converge(State{})
	if got := k.ipRoutes("main"); !slices.Equal(got, []string{"2001:db8:1::/48 gateway 2001:db8::7 dev v0 metric 5 protocol static"}) {
		t.Error(got)
	}
}

// TestAdoptSomeWays: of several ways that others have, those become ours that can, and the rest is enough as
// it is. The kernel makes all ways of a request or none, so one that is there must not be in it.
func TestAdoptSomeWays(t *testing.T) {
	k := newKernel(t, Options{Conflict: Adopt})
	k.addAddress("v0", "2001:db8::2/64")
	for _, way := range []string{"2001:db8::8 proto bird", "2001:db8::9 proto static", "2001:db8::a proto static"} {
		k.run("-6 route append 2001:db8:1::/48 metric 5 via " + way)
	}
	state := State{Routes: []Route{{Dst: pfx("2001:db8:1::/48"), Metric: 5,
		NextHops: []NextHop{{Gateway: ipa("2001:db8::8")}, {Gateway: ipa("2001:db8::9")}}}}}
	k.converge(state)
	k.settled(state)
	for _, way := range []string{"2001:db8::8 proto 76", "2001:db8::9 proto static", "2001:db8::a proto static"} {
		k.run("-6 route del 2001:db8:1::/48 metric 5 via " + way)
	}
}

// TestMadeWhereAnothersWas: a next hop that was found to be another's, and has gone since, is ours once we
// have made it.
func TestMadeWhereAnothersWas(t *testing.T) {
	k := newKernel(t, Options{Conflict: TakeOver})
	k.addAddress("v0", "2001:db8::2/64")
	route := func(gateways ...string) State {
		r := Route{Dst: pfx("2001:db8:1::/48"), Metric: 5}
		for _, g := range gateways {
			r.NextHops = append(r.NextHops, NextHop{Gateway: ipa(g)})
		}
		return State{Routes: []Route{r}}
	}
	k.converge(route("2001:db8::1"))
	k.run("-6 route append 2001:db8:1::/48 metric 5 via 2001:db8::8 proto bird")
	k.run("-6 route append 2001:db8:1::/48 metric 5 via 2001:db8::9 proto static")
	state := route("2001:db8::8", "2001:db8::9")
	k.converge(state)
	k.run("-6 route replace 2001:db8:1::/48 metric 5 via 2001:db8::8 proto static") // of all
	k.run("-6 route append 2001:db8:1::/48 metric 5 via 2001:db8::a proto static")
	before := k.ipRoutes("main")
	k.converge(state)
	k.converge(State{})
	if after := k.ipRoutes("main"); !slices.Equal(before, after) {
		t.Errorf("%q became %q", before, after)
	}
}
