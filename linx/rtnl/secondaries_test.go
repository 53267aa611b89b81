package rtnl

import (
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSecondaries: a deleted IPv4 primary takes no secondary of another's along.
func TestSecondaries(t *testing.T) {
	for name, c := range map[string]struct {
		dev, all string
		conflict bool
	}{
		"not promoted":               {"0", "0", true},
		"promoted":                   {"1", "0", false},
		"promoted on all interfaces": {"0", "1", false},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t, Options{})
			k.sysctl("net/ipv4/conf/v0/promote_secondaries", c.dev)
			k.sysctl("net/ipv4/conf/all/promote_secondaries", c.all)
			k.converge(State{Addresses: []Address{on("v0", "10.0.0.2/24"), on("v0", "10.0.0.3/24")}})
			k.addAddress("v0", "10.0.0.9/24")
			r := k.pass(State{})
			got := k.addresses("v0")
			if !slices.Contains(got, "10.0.0.9/24") {
				t.Fatal("another's address is gone:", show(r))
			}
			var conflict *ConflictError
			if c.conflict {
				if len(r.Failed) != 1 || !errors.As(r.Failed[0].Err, &conflict) || len(got) != 2 {
					t.Error(got, show(r))
				}
				k.delAddress("v0", "10.0.0.9/24")
				k.converge(State{})
			} else if !r.Converged || len(got) != 1 {
				t.Error(got, show(r))
			} else {
				k.wantApplied(r, "delete address 10.0.0.3/24 dev v0", "delete address 10.0.0.2/24 dev v0")
			}
		})
	}
}

// TestSwapPrimary: ours alone may fall with its primary, and come back in the same pass.
func TestSwapPrimary(t *testing.T) {
	k := newKernel(t, Options{})
	k.sysctl("net/ipv4/conf/v0/promote_secondaries", "0")
	k.sysctl("net/ipv4/conf/all/promote_secondaries", "0")
	routes := []Route{{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.0.0.1")}}
	k.converge(State{Addresses: []Address{on("v0", "10.0.0.2/24")}, Routes: routes})
	state := State{Addresses: []Address{on("v0", "10.0.0.3/24")}, Routes: routes}
	k.converge(state)
	k.settled(state)
	if got := k.addresses("v0"); !slices.Equal(got, []string{"10.0.0.3/24"}) {
		t.Error(got)
	}
}

// TestRenumber: an address is replaced by another of the same network, and no route over the interface is
// lost, nor the new address missing for good.
func TestRenumber(t *testing.T) {
	for _, promote := range []string{"0", "1"} {
		k := newKernel(t, Options{})
		k.sysctl("net/ipv4/conf/v0/promote_secondaries", promote)
		k.sysctl("net/ipv4/conf/all/promote_secondaries", "0")
		k.converge(State{Addresses: []Address{on("v0", "10.0.0.2/24")}})
		k.run("route add 10.7.0.0/16 via 10.0.0.1 proto static")
		w := k.watchRoutes()
		state := State{Addresses: []Address{on("v0", "10.0.0.3/24"), on("v0", "10.0.0.4/24")}}
		k.converge(state)
		k.settled(state)
		if got := k.ipRoutes("main"); !slices.Equal(got, []string{"10.7.0.0/16 gateway 10.0.0.1 dev v0 protocol static"}) {
			t.Errorf("promote_secondaries %s: routes %q", promote, got)
		}
		for _, e := range w.mustDrain() {
			if e.protocol != unix.RTPROT_KERNEL {
				t.Errorf("promote_secondaries %s: event %d of %v", promote, e.typ, e.unpack(""))
			}
		}
		if got := k.addresses("v0"); !slices.Equal(got, []string{"10.0.0.3/24", "10.0.0.4/24"}) {
			t.Errorf("promote_secondaries %s: addresses %q", promote, got)
		}
	}
}

// TestNothingLeftToStandIn: of a new address, which falls with its primary, an old one of the same host cannot
// stand in, as it goes too.
func TestNothingLeftToStandIn(t *testing.T) {
	for _, olds := range [][]string{{"10.0.0.3/32"}, {"10.0.0.3/32", "10.0.0.2/31"}} {
		k := newKernel(t, Options{})
		k.sysctl("net/ipv4/conf/v0/promote_secondaries", "0")
		k.sysctl("net/ipv4/conf/all/promote_secondaries", "0")
		before := State{Addresses: []Address{on("v0", "10.0.0.9/24")}}
		for _, old := range olds {
			before.Addresses = append(before.Addresses, on("v0", old))
		}
		k.converge(before)
		k.run("route add 10.7.0.0/16 dev v0 proto static")
		w := k.watchRoutes()
		state := State{Addresses: []Address{on("v0", "10.0.0.3/24")}}
		k.converge(state)
		k.settled(state)
		if got := k.addresses("v0"); !slices.Equal(got, []string{"10.0.0.3/24"}) {
			t.Errorf("%s: addresses %q", olds, got)
		}
		if got := k.ipRoutes("main"); len(got) != 1 {
			t.Errorf("%s: routes %q", olds, got)
		}
		for _, e := range w.mustDrain() {
			if e.protocol != unix.RTPROT_KERNEL {
				t.Errorf("%s: event %d of %v", olds, e.typ, e.unpack(""))
			}
		}
	}
}
