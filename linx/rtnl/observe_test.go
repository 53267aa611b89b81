package rtnl

import (
	"fmt"
	"testing"
)

// TestAsksOnlyWhatMatters: a pass that finds everything in place reads nothing that no desired or owned
// object is about. A read is a call to ask, one for the answer, and one for its end.
func TestAsksOnlyWhatMatters(t *testing.T) {
	address := []Address{on("v0", "10.0.0.2/24")}
	four := Route{Dst: pfx("10.1.0.0/16"), Type: Blackhole}
	six := Route{Dst: pfx("2001:db8::/64"), Type: Blackhole}
	for _, test := range []struct {
		name  string
		state State
		reads int
	}{
		{"nothing", State{}, 0},
		{"an IPv4 route", State{Routes: []Route{four}}, 1},
		{"an IPv6 route", State{Routes: []Route{six}}, 1},
		{"routes of both", State{Routes: []Route{four, six}}, 2},
		{"a route on an interface", State{Routes: []Route{{Dst: pfx("10.2.0.0/16"), Interface: "v0"}}}, 2},
		{"an address", State{Addresses: address}, 2},
		{"an address and a route", State{Addresses: address, Routes: []Route{four}}, 3},
	} {
		k := newKernel(t, Options{})
		k.converge(test.state)
		k.settled(test.state)
		if e := k.measure(func() { k.settled(test.state) }); e.calls != 3*test.reads {
			t.Errorf("%s: %d calls, want %d", test.name, e.calls, 3*test.reads)
		}
	}
}

// TestOneInterfaceAmongMany: to look at the one that is named costs nothing for the others.
func TestOneInterfaceAmongMany(t *testing.T) {
	state := State{Addresses: []Address{on("v0", "10.0.0.2/24")}}
	k := newKernel(t, Options{})
	k.converge(state)
	k.settled(state)
	few := k.measure(func() { k.settled(state) })
	for i := range 50 {
		k.Veth(fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i))
	}
	if many := k.measure(func() { k.settled(state) }); many.calls != few.calls {
		t.Errorf("%d calls beside two interfaces, %d beside a hundred more", few.calls, many.calls)
	}
}

// TestAlternativeNameIsNoName: the kernel finds an interface by either, but a state means the name.
func TestAlternativeNameIsNoName(t *testing.T) {
	k := newKernel(t, Options{})
	k.run("link property add dev v0 altname other")
	state := State{Addresses: []Address{on("other", "10.0.0.2/24")}}
	if r := k.pass(state); len(r.Pending) != 1 || len(r.Applied) != 0 {
		t.Errorf("not waiting for an interface of that name: %s", show(r))
	}
}
