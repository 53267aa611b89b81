package rtnl

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestForeignAndRight: another's object that is as desired is enough, stays the other's, and stays when we
// go.
func TestForeignAndRight(t *testing.T) {
	k := newKernel(t, Options{})
	k.addAddress("v0", "10.0.0.2/24")
	k.addAddress("v0", "2001:db8::2/64")
	k.run("route add 10.1.0.0/16 via 10.0.0.1 proto static")
	k.run("-6 route add 2001:db8:1::/48 via 2001:db8::1 proto static")
	state := State{
		Addresses: []Address{on("v0", "10.0.0.2/24"), on("v0", "2001:db8::2/64")},
		Routes: []Route{
			{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.0.0.1")},
			{Dst: pfx("2001:db8:1::/48"), Gateway: ipa("2001:db8::1")},
		},
	}
	before := append(k.ipRoutes("main"), k.addresses("v0")...)
	k.settled(state)
	k.settled(state)
	k.settled(State{})
	if after := append(k.ipRoutes("main"), k.addresses("v0")...); !slices.Equal(before, after) {
		t.Errorf("%v became %v", before, after)
	}
}

// inTheWay puts something else in the place of what conflictState desires.
func inTheWay(k *kernel) {
	k.addAddress("v0", "10.0.0.2/24")
	k.addAddress("v0", "2001:db8::9/128")
	k.run("addr add 10.5.0.1 peer 10.5.0.2/24 dev v1")
	k.run("addr add 2001:db8::7 peer 2001:db8:5::1/64 dev v0")
	k.run("route add 10.1.0.0/16 via 10.0.0.9 proto static")
	k.run("-6 route add 2001:db8:1::/48 dev v1 proto bird")
}

func conflictState() State {
	return State{
		Addresses: []Address{on("v0", "10.0.0.2/24"), on("v0", "2001:db8::9/64"), on("v1", "10.5.0.1/24"), on("v0", "2001:db8::7/64")},
		Routes: []Route{
			{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.0.0.1")},
			{Dst: pfx("2001:db8:1::/48"), Interface: "v0"},
		},
	}
}

// TestRefuse: by default another's object in the way is a conflict that names its holder, and holds up
// nothing else.
func TestRefuse(t *testing.T) {
	k := newKernel(t, Options{})
	inTheWay(k)
	before := append(k.ipRoutes("main"), strings.Fields(k.run("-br addr"))...)
	state := conflictState()
	state.Routes = append(state.Routes, Route{Dst: pfx("10.2.0.0/16"), Interface: "v1"})
	r := k.pass(state)
	if r.Converged || len(r.Failed) != 5 {
		t.Fatal(show(r))
	}
	k.wantApplied(r, "create route 10.2.0.0/16 dev v1")
	for i, want := range []struct {
		holder   string
		protocol int
	}{
		{"address 2001:db8::9/128 dev v0", 0},
		{"address 10.5.0.1 peer 10.5.0.2/24 dev v1", 0},
		{"address 2001:db8::7 peer 2001:db8:5::1/64 dev v0", 0},
		{"route 10.1.0.0/16 via 10.0.0.9 dev v0", 4},
		{"route 2001:db8:1::/48 dev v1", 12},
	} {
		var conflict *ConflictError
		if err := r.Failed[i].Err; !errors.As(err, &conflict) || conflict.Holder.String() != want.holder || conflict.Protocol != want.protocol {
			t.Errorf("%d: %v", i, err)
		}
	}
	if text := r.Failed[3].Err.Error(); !strings.Contains(text, "protocol 4 (static)") {
		t.Error(text)
	}
	if r := k.pass(state); len(r.Applied) != 0 {
		t.Error("and again:", show(r))
	}
	k.pass(State{})
	if after := append(k.ipRoutes("main"), strings.Fields(k.run("-br addr"))...); !slices.Equal(before, after) {
		t.Errorf("%v became %v", before, after)
	}
}

// TestAdopt makes ours what already is as desired, and refuses the rest.
func TestAdopt(t *testing.T) {
	k := newKernel(t, Options{Conflict: Adopt})
	inTheWay(k)
	k.addAddress("v0", "2001:db8::2/64")
	k.run("route add 10.2.0.0/16 dev v1 proto static")
	k.run("-6 route add 2001:db8:2::/48 via 2001:db8::1 proto static")
	state := conflictState()
	state.Addresses = append(state.Addresses, on("v0", "2001:db8::2/64"))
	state.Routes = append(state.Routes, Route{Dst: pfx("10.2.0.0/16"), Interface: "v1"},
		Route{Dst: pfx("2001:db8:2::/48"), Gateway: ipa("2001:db8::1")})
	r := k.pass(state)
	if len(r.Failed) != 5 {
		t.Fatal(show(r))
	}
	k.wantApplied(r, "update address 10.0.0.2/24 dev v0", "update address 2001:db8::2/64 dev v0",
		"update route 10.2.0.0/16 dev v1", "update route 2001:db8:2::/48 via 2001:db8::1")
	if r := k.pass(state); len(r.Applied) != 0 || len(r.Failed) != 5 {
		t.Error("and again:", show(r))
	}
	for dst, table := range map[string]int{"10.2.0.0/16": 254, "2001:db8:2::/48": 254} {
		if got := k.protocols(table, dst); !slices.Equal(got, []int{us}) {
			t.Errorf("%s has protocols %v", dst, got)
		}
	}
	k.converge(State{})
	if got := k.addresses("v0"); !slices.Equal(got, []string{"2001:db8::7/128", "2001:db8::9/128"}) {
		t.Error("left on v0:", got)
	}
}

// TestAdoptKeepsMetric: the routes of an adopted address's network stay as they were.
func TestAdoptKeepsMetric(t *testing.T) {
	k := newKernel(t, Options{Conflict: Adopt})
	k.silence()
	k.run("addr add 10.0.0.2/24 dev v0 metric 100")
	before := k.run("route show")
	k.converge(State{Addresses: []Address{on("v0", "10.0.0.2/24")}})
	if after := k.run("route show"); after != before || !strings.Contains(before, "metric 100") {
		t.Errorf("%s became %s", before, after)
	}
}

// TestTakeOver replaces what is in the way.
func TestTakeOver(t *testing.T) {
	k := newKernel(t, Options{Conflict: TakeOver})
	inTheWay(k)
	state := conflictState()
	k.converge(state)
	k.settled(state)
	for _, dst := range []string{"10.1.0.0/16", "2001:db8:1::/48"} {
		if got := k.protocols(254, dst); !slices.Equal(got, []int{us}) {
			t.Errorf("%s has protocols %v", dst, got)
		}
	}
	if got := append(k.addresses("v0"), k.addresses("v1")...); !slices.Equal(got, []string{"10.0.0.2/24", "2001:db8::7/64", "2001:db8::9/64", "10.5.0.1/24"}) {
		t.Error(got)
	}
	k.converge(State{})
	if got := append(k.ipRoutes("main"), k.addresses("v0")...); len(got) != 0 {
		t.Error("left:", got)
	}
}

// TestRouteBySource: an IPv6 route that is for packets from a certain network is in nobody's way.
func TestRouteBySource(t *testing.T) {
	for _, policy := range []ConflictPolicy{Refuse, TakeOver} {
		k := newKernel(t, Options{Conflict: policy})
		k.addAddress("v0", "2001:db8::2/64")
		k.run("-6 route add 2001:db8:1::/48 from 2001:db8:9::/48 dev v0 proto static")
		state := State{Routes: []Route{{Dst: pfx("2001:db8:1::/48"), Interface: "v0"}}}
		k.converge(state)
		k.settled(state)
		k.converge(State{})
		if got := k.run("-6 route show proto static"); !strings.Contains(got, "from 2001:db8:9::/48") {
			t.Error("another's route is gone:", got)
		}
	}
}

// TestAdoptBehindSimilar: the kernel would delete the first route of all that a request does not tell apart,
// so that what stands behind such a one cannot be adopted. It is enough as it is.
func TestAdoptBehindSimilar(t *testing.T) {
	pairs := []struct{ similar, wanted string }{
		{"10.1.0.0/16 via 10.0.0.1 proto static src 10.0.0.2", "10.1.0.0/16 via 10.0.0.1 proto static"},
		{"10.2.0.0/16 via 10.0.0.1 proto static mtu 1400", "10.2.0.0/16 via 10.0.0.1 proto static"},
		{"10.3.0.0/16 via 10.0.0.1 dev v0 proto static onlink", "10.3.0.0/16 via 10.0.0.1 proto static"},
		{"10.4.0.0/16 via 10.0.0.1 dev v0 proto static", "10.4.0.0/16 dev v0 proto static scope global"},
		{"2001:db8:1::/48 via 2001:db8::1 proto static", "2001:db8:1::/48 dev v0 proto static"},
	}
	for _, inFront := range []bool{false, true} {
		k := newKernel(t, Options{Conflict: TakeOver})
		k.addAddress("v0", "10.0.0.2/24")
		k.addAddress("v0", "2001:db8::2/64")
		for _, p := range pairs {
			k.run("route append " + p.wanted)
		}
		state, _, err := k.src.Observe(t.Context())
		if err != nil || len(state.Routes) != len(pairs) {
			t.Fatal(state.Routes, err)
		}
		state.Addresses = nil
		for _, p := range pairs {
			if !inFront {
				k.run("route del " + p.wanted)
			}
			k.run("route append " + p.similar)
			if !inFront {
				k.run("route append " + p.wanted)
			}
		}
		before := k.ipRoutes("main")
		if r := k.converge(state); len(r.Applied) > 0 != inFront {
			t.Error(show(r))
		}
		k.settled(state)
		after := k.ipRoutes("main")
		for i := range after {
			after[i] = strings.Replace(after[i], "protocol 76", "protocol static", 1)
		}
		if slices.Sort(after); !slices.Equal(before, after) {
			t.Errorf("%q became %q", before, after)
		}
	}
}

func TestConflictErrorNamesTheMaker(t *testing.T) {
	for want, e := range map[string]ConflictError{
		"held by address 10.0.0.2/24 dev v0, of no protocol":             {Holder: on("v0", "10.0.0.2/24")},
		"held by address ::1/128 dev lo, of protocol 1 (kernel_lo)":      {Holder: on("lo", "::1/128"), Protocol: 1},
		"held by address 10.0.0.2/24 dev v0, of protocol 16 (dhcp): why": {Holder: on("v0", "10.0.0.2/24"), Protocol: 16, Reason: "why"},
		"held by route blackhole 10.0.0.0/8, of protocol 1 (redirect)":   {Holder: Route{Dst: pfx("10.0.0.0/8"), Type: Blackhole}, Protocol: 1},
		"held by link br0 type bridge: it differs in mtu":                {Holder: described("link br0 type bridge"), Reason: "it differs in mtu"},
	} {
		if got := e.Error(); !strings.HasSuffix(got, want) {
			t.Errorf("%q does not end with %q", got, want)
		}
	}
}
