package rtnl

import (
	"slices"
	"strings"
	"testing"
)

// everyShape is a state with each shape of address and route.
func everyShape() State {
	return State{
		Addresses: []Address{
			on("v0", "10.0.0.2/24"), on("v0", "10.0.0.3/24"), on("v0", "2001:db8::2/64"), on("v1", "10.7.0.1/32"),
			on("lo", "127.0.0.5/8"),
		},
		Routes: []Route{
			{Gateway: ipa("10.0.0.1")},
			{Gateway: ipa("2001:db8::1")},
			{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.0.0.1"), Interface: "v0", Metric: 50, Table: 100},
			{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.9.9.9"), Interface: "v1", OnLink: true},
			{Dst: pfx("10.2.0.0/16"), Interface: "v1", Source: ipa("10.7.0.1"), MTU: 1400},
			{Dst: pfx("10.2.0.0/16"), Interface: "v1", TOS: 16},
			{Dst: pfx("10.3.0.0/16"), Type: Blackhole},
			{Dst: pfx("10.4.0.0/16"), Type: Unreachable, Metric: 4278198272},
			{Dst: pfx("10.5.0.0/16"), Type: Prohibit, Table: 70000},
			{Dst: pfx("10.6.0.0/16"), Type: Throw, Table: 100},
			{Dst: pfx("10.8.0.0/16"), Type: Local, Interface: "lo"},
			{Dst: pfx("10.9.0.0/16"), Interface: "v1", Scope: ScopeGlobal},
			{Dst: pfx("2001:db8:1::/48"), Gateway: ipa("2001:db8::1"), Interface: "v0", Metric: 50, Table: 100},
			{Dst: pfx("2001:db8:1::/48"), Gateway: ipa("2001:db8:ff::1"), Interface: "v1", OnLink: true},
			{Dst: pfx("2001:db8:2::/48"), Interface: "v1", Source: ipa("2001:db8::2"), MTU: 1400},
			{Dst: pfx("2001:db8:3::/48"), Type: Blackhole, Metric: 7},
			{Dst: pfx("2001:db8:4::/48"), Type: Unreachable},
			{Dst: pfx("2001:db8:5::/48"), Type: Prohibit},
			{Dst: pfx("2001:db8:6::/48"), Type: Throw, Table: 100},
			{Dst: pfx("2001:db8:7::/48"), Gateway: ipa("fe80::1"), Interface: "v0"},
			{Dst: pfx("2001:db8:8::/48"), Type: Local, Interface: "lo"},
		},
	}
}

// TestConverge: from nothing to every shape, which then needs nothing, and back to nothing; what others
// have stays.
func TestConverge(t *testing.T) {
	k := newKernel(t, Options{})
	k.addAddress("v1", "192.0.2.1/24")
	k.run("route add 198.51.100.0/24 via 192.0.2.9 proto static")
	k.run("-6 route add 2001:db8:f::/48 dev v1 proto static")
	before := append(k.ipRoutes("all"), k.addresses("v1")...)

	state := everyShape()
	r := k.converge(state)
	if len(r.Applied) != len(state.Addresses)+len(state.Routes) {
		t.Errorf("applied %d: %s", len(r.Applied), show(r))
	}
	if r.Observed.Before(r.Began) || r.Took <= 0 {
		t.Errorf("times: %s", show(r))
	}
	k.settled(state)

	// ip(8) sees them, ours by their protocol.
	all := strings.Join(k.ipRoutes("all"), "\n")
	for _, want := range []string{
		"default gateway 10.0.0.1 dev v0 protocol 76",
		"default gateway 2001:db8::1 dev v0 protocol 76",
		"10.1.0.0/16 gateway 10.0.0.1 dev v0 metric 50 protocol 76",
		"10.1.0.0/16 gateway 10.9.9.9 dev v1 protocol 76",
		"10.2.0.0/16 dev v1 scope link prefsrc 10.7.0.1 protocol 76",
		"10.2.0.0/16 tos 0x10 dev v1 scope link protocol 76",
		"blackhole 10.3.0.0/16 protocol 76",
		"unreachable 10.4.0.0/16 metric 4.278198272e+09 protocol 76",
		"prohibit 10.5.0.0/16 protocol 76",
		"throw 10.6.0.0/16 protocol 76",
		"local 10.8.0.0/16 dev lo scope host protocol 76",
		"10.9.0.0/16 dev v1 protocol 76",
		"2001:db8:1::/48 gateway 2001:db8::1 dev v0 metric 50 protocol 76",
		"2001:db8:1::/48 gateway 2001:db8:ff::1 dev v1 protocol 76",
		"2001:db8:2::/48 dev v1 prefsrc 2001:db8::2 protocol 76",
		"blackhole 2001:db8:3::/48 dev lo metric 7 protocol 76",
		"2001:db8:7::/48 gateway fe80::1 dev v0 protocol 76",
	} {
		if !slices.Contains(strings.Split(all, "\n"), want) {
			t.Errorf("ip does not show %q in\n%s", want, all)
		}
	}
	if got := k.addresses("v0"); !slices.Equal(got, []string{"10.0.0.2/24", "10.0.0.3/24", "2001:db8::2/64"}) {
		t.Errorf("v0 has %v", got)
	}

	// Leaving takes ours, and no others.
	r = k.converge(State{})
	if len(r.Applied) < len(state.Routes) {
		t.Errorf("applied %d: %s", len(r.Applied), show(r))
	}
	k.settled(State{})
	if after := append(k.ipRoutes("all"), k.addresses("v1")...); !slices.Equal(before, after) {
		t.Errorf("others' were\n\t%s\nand are\n\t%s", strings.Join(before, "\n\t"), strings.Join(after, "\n\t"))
	}
	if got := k.addresses("v0"); len(got) != 0 {
		t.Errorf("v0 has %v", got)
	}
}

// TestLeavingRemovesOnlyThat: what is no longer desired goes, the rest is not touched.
func TestLeavingRemovesOnlyThat(t *testing.T) {
	k := newKernel(t, Options{})
	state := everyShape()
	k.converge(state)
	less := State{Addresses: slices.Delete(slices.Clone(state.Addresses), 1, 2)}
	var want []string
	for _, r := range state.Routes {
		if r.Source.IsValid() || r.Table == 100 {
			want = append(want, "delete "+r.String())
		} else {
			less.Routes = append(less.Routes, r)
		}
	}
	want = append(want, "delete address 10.0.0.3/24 dev v0")
	slices.Sort(want)
	got := applied(k.converge(less))
	slices.Sort(got)
	for i := range got { // what the kernel chose is named in a deletion
		got[i] = strings.Replace(got[i], "dev lo ", "", 1)
	}
	if !slices.Equal(got, want) {
		t.Errorf("applied\n\t%s\nnot\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
	k.settled(less)
}

// TestPlan: the diff, applied to nothing.
func TestPlan(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{
		Addresses: []Address{on("v0", "10.0.0.2/24")},
		Routes:    []Route{{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.0.0.1"), Metric: 50, Table: 100}},
	}
	for range 2 {
		plan, err := k.src.Plan(t.Context(), state, k.last)
		if err != nil || len(plan) != 2 || plan[0].String() != "create address 10.0.0.2/24 dev v0" ||
			plan[1].String() != "create route 10.1.0.0/16 via 10.0.0.1 metric 50 table 100" {
			t.Fatal(plan, err)
		}
	}
	r := k.converge(state)
	k.wantApplied(r, "create address 10.0.0.2/24 dev v0", "create route 10.1.0.0/16 via 10.0.0.1 metric 50 table 100")
	if plan, err := k.src.Plan(t.Context(), state, k.last); err != nil || len(plan) != 0 {
		t.Error(plan, err)
	}
}

// TestNextProcess: a source that knows nothing finds all that is ours by its mark.
func TestNextProcess(t *testing.T) {
	k := newKernel(t, Options{})
	k.converge(everyShape())
	k.src.Close()
	k.src, k.last = New(k.Namespace(), Options{}), LastApplied{}
	k.settled(everyShape())
	k.src.Close()
	k.src, k.last = New(k.Namespace(), Options{}), LastApplied{}
	k.converge(State{})
	if got := append(k.ipRoutes("all"), k.addresses("v0")...); len(got) != 0 {
		t.Error("left behind:", got)
	}
	// Another protocol's are nobody's business.
	k.converge(everyShape())
	other := New(k.Namespace(), Options{Protocol: 77})
	defer other.Close()
	r, err := other.Reconcile(t.Context(), State{}, LastApplied{}, nil)
	if err != nil || len(r.Applied) != 0 || !r.Converged {
		t.Error(show(r), err)
	}
	k.settled(everyShape())
}
