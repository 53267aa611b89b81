package rtnl

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

func claimState() State {
	return State{
		Addresses: []Address{on("v0", "10.0.0.2/24")},
		Routes:    []Route{{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.0.0.1")}},
	}
}

// TestClaim: ownership is claimed before the first change, and confirmed by the report.
func TestClaim(t *testing.T) {
	k := newKernel(t, Options{})
	var claims []string
	claim := func(l LastApplied) error {
		if got := append(k.addresses("v0"), k.ipRoutes("main")...); len(claims) == 0 && len(got) != 0 {
			t.Error("changed before the claim:", got)
		}
		data, err := json.Marshal(l)
		claims = append(claims, string(data))
		return err
	}
	r, err := k.src.Reconcile(t.Context(), claimState(), LastApplied{}, claim)
	if err != nil || !r.Converged || len(claims) != 1 {
		t.Fatal(show(r), err, claims)
	}
	for _, want := range []string{`"namespace":"`, `"prefix":"10.0.0.2/24"`, `"dst":"10.1.0.0/16"`} {
		if !strings.Contains(claims[0], want) {
			t.Errorf("%s is not in %s", want, claims[0])
		}
	}
	if n := strings.Count(claims[0], `"claimed":true`); n != 2 {
		t.Errorf("%d claims are marked in %s", n, claims[0])
	}
	data, _ := json.Marshal(r.LastApplied)
	if strings.Contains(string(data), "claimed") || !strings.Contains(string(data), "10.1.0.0/16") {
		t.Errorf("last applied: %s", data)
	}
	if r, err = k.src.Reconcile(t.Context(), claimState(), r.LastApplied, claim); err != nil || len(claims) != 1 {
		t.Error("a pass that changes nothing claims", claims, err)
	}
}

// TestClaimFails: nothing is applied.
func TestClaimFails(t *testing.T) {
	k := newKernel(t, Options{})
	boom := errors.New("disk full")
	r, err := k.src.Reconcile(t.Context(), claimState(), LastApplied{}, func(LastApplied) error { return boom })
	if !errors.Is(err, boom) || len(r.Applied) != 0 || len(r.Pending) != 2 || r.Converged {
		t.Error(show(r), err)
	}
	if got := append(k.addresses("v0"), k.ipRoutes("main")...); len(got) != 0 {
		t.Error("applied all the same:", got)
	}
	data, _ := json.Marshal(r.LastApplied)
	if strings.Contains(string(data), "10.") {
		t.Errorf("owns %s", data)
	}
}

// TestClaimPanics: the source can be used again.
func TestClaimPanics(t *testing.T) {
	k := newKernel(t, Options{})
	func() {
		defer func() {
			if recover() != "boom" {
				t.Error("the panic is lost")
			}
		}()
		k.src.Reconcile(t.Context(), claimState(), LastApplied{}, func(LastApplied) error { panic("boom") })
	}()
	k.converge(claimState())
}

// TestRenameDuringClaim: while the claim takes its time the interfaces change names; the address lands on
// the one that has the name by then.
func TestRenameDuringClaim(t *testing.T) {
	k := newKernel(t, Options{})
	claimed := 0
	r, err := k.src.Reconcile(t.Context(), claimState(), LastApplied{}, func(LastApplied) error {
		if claimed++; claimed > 1 {
			return nil
		}
		h := k.Netlink()
		for _, step := range [][2]string{{"v0", "aside"}, {"v1", "v0"}, {"aside", "v1"}} {
			link := k.link(step[0])
			if err := errors.Join(h.LinkSetDown(link), h.LinkSetName(link, step[1]), h.LinkSetUp(link)); err != nil {
				t.Fatal(err)
			}
		}
		return nil
	})
	if err != nil || !r.Converged {
		t.Fatal(show(r), err)
	}
	if v0, v1 := k.addresses("v0"), k.addresses("v1"); len(v0) != 1 || len(v1) != 0 {
		t.Errorf("v0 has %v, v1 has %v", v0, v1)
	}
}

// TestCancelled: a pass ends at the next kernel call; what it did is in the report, what it did not is
// pending.
func TestCancelled(t *testing.T) {
	k := newKernel(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	r, err := k.src.Reconcile(ctx, claimState(), LastApplied{}, func(LastApplied) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) || r.Converged || len(r.Applied)+len(r.Pending) != 2 || len(r.Pending) == 0 {
		t.Error(show(r), err)
	}
	for _, f := range r.Pending {
		if !errors.Is(f.Err, context.Canceled) {
			t.Error(f)
		}
	}
	k.last = r.LastApplied
	k.converge(claimState())
	if _, err := k.src.Reconcile(ctx, claimState(), k.last, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestMerelyClaimed: an address that was claimed, and that another made, is not deleted on the claim.
func TestMerelyClaimed(t *testing.T) {
	for _, untagged := range []bool{false, true} {
		k := newKernel(t, Options{})
		k.src.untagged = untagged
		var claim LastApplied
		stop := errors.New("killed")
		k.src.Reconcile(t.Context(), claimState(), LastApplied{}, func(l LastApplied) error { claim = l; return stop })
		k.addAddress("v0", "10.0.0.2/24")
		k.last = claim
		k.settled(State{})
		if got := k.addresses("v0"); !slices.Equal(got, []string{"10.0.0.2/24"}) {
			t.Errorf("untagged %v: left %v", untagged, got)
		}
	}
}

// TestUntagged: where the kernel keeps no IFA_PROTO, the record alone says what is ours.
func TestUntagged(t *testing.T) {
	k := newKernel(t, Options{})
	k.src.untagged = true
	k.addAddress("v0", "10.0.0.9/24")
	state := State{Addresses: []Address{on("v0", "10.0.0.2/24"), on("v0", "10.0.0.9/24"), on("v1", "2001:db8::1/64")}}
	r := k.converge(state)
	k.wantApplied(r, "create address 10.0.0.2/24 dev v0", "create address 2001:db8::1/64 dev v1")
	k.settled(state)
	var back LastApplied
	data, err := json.Marshal(k.last)
	if err := errors.Join(err, json.Unmarshal(data, &back)); err != nil {
		t.Fatal(err)
	}
	k.last = back

	// The interface of that index has another name: what is on it is not ours any more.
	link := k.link("v1")
	if err := errors.Join(k.Netlink().LinkSetDown(link), k.Netlink().LinkSetName(link, "w1"), k.Netlink().LinkSetUp(link)); err != nil {
		t.Fatal(err)
	}
	k.Netlink().AddrReplace(k.link("w1"), k.addr("2001:db8::1/64")) // down took it
	k.converge(State{})
	if got := append(k.addresses("v0"), k.addresses("w1")...); !slices.Equal(got, []string{"10.0.0.9/24", "2001:db8::1/64"}) {
		t.Error("left:", got)
	}
}

// TestUntaggedPeer: another's address that differs from ours in its peer alone is not ours.
func TestUntaggedPeer(t *testing.T) {
	k := newKernel(t, Options{})
	k.src.untagged = true
	k.converge(State{Addresses: []Address{on("v0", "10.0.0.3/32")}})
	k.run("addr add 10.0.0.3 peer 10.0.0.9/32 dev v0")
	k.converge(State{})
	if got := k.run("-br -4 addr show dev v0"); !strings.Contains(got, "10.0.0.3 peer 10.0.0.9/32") {
		t.Error("another's address is gone:", got)
	}
}

// TestRecreatedInterface: ownership does not survive the interface; another's address on a new one of the
// same name and index stays.
func TestRecreatedInterface(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{Addresses: []Address{on("v0", "10.0.0.2/24")}}
	k.converge(state)
	index := k.link("v0").Attrs().Index
	if err := k.Netlink().LinkDel(k.link("v0")); err != nil {
		t.Fatal(err)
	}
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "v0", Index: index, TxQLen: -1}, PeerName: "v1"}
	if err := k.Netlink().LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	k.addAddress("v0", "10.0.0.2/24")
	k.settled(State{})
	if got := k.addresses("v0"); !slices.Equal(got, []string{"10.0.0.2/24"}) {
		t.Error("left:", got)
	}
}
