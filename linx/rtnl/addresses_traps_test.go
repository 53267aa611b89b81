package rtnl

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/fight"
)

// TestReplacedPrimary: an address that has to go to be changed takes no other's secondary along, and of ours
// none for long.
func TestReplacedPrimary(t *testing.T) {
	for _, promote := range []string{"0", "1"} {
		k := newKernel(t, Options{})
		k.sysctl("net/ipv4/conf/v0/promote_secondaries", promote)
		k.sysctl("net/ipv4/conf/all/promote_secondaries", "0")
		state := State{Addresses: []Address{on("v0", "10.0.0.2/24"), on("v0", "10.0.0.3/24")}}
		k.converge(state)
		k.addAddress("v0", "10.0.0.9/24")
		labelled := State{Addresses: slices.Clone(state.Addresses)}
		labelled.Addresses[0].Label = "v0:x"
		r := k.pass(labelled)
		if got := k.addresses("v0"); !slices.Equal(got, []string{"10.0.0.2/24", "10.0.0.3/24", "10.0.0.9/24"}) {
			t.Errorf("promote_secondaries %s: %q: %s", promote, got, show(r))
		}
		var conflict *ConflictError
		if promote == "1" {
			k.wantApplied(r, "update "+labelled.Addresses[0].String())
		} else if len(r.Failed) != 1 || !errors.As(r.Failed[0].Err, &conflict) || conflict.Holder.String() != "address 10.0.0.9/24 dev v0" {
			t.Error(show(r))
		}
		k.delAddress("v0", "10.0.0.9/24")
		k.converge(labelled)
		k.settled(labelled)
		k.converge(State{})
		if got := k.addresses("v0"); len(got) != 0 {
			t.Error("left:", got)
		}
	}
}

// TestReplacedLast: while the last IPv4 address of an interface is replaced, whatever its length, all routes
// over it stay.
func TestReplacedLast(t *testing.T) {
	for _, prefix := range []string{"10.0.0.2/32", "10.0.0.2/31", "10.0.0.2/24"} {
		k := newKernel(t, Options{})
		state := State{Addresses: []Address{on("v0", prefix)}}
		k.converge(state)
		k.run("route add 10.7.0.0/16 dev v0 src 10.0.0.2 proto static")
		w := k.watchRoutes()
		labelled := State{Addresses: []Address{{Interface: "v0", Prefix: pfx(prefix), Label: "v0:x", NoPrefixRoute: true}}}
		k.wantApplied(k.converge(labelled), "update "+labelled.Addresses[0].String())
		k.settled(labelled)
		for _, e := range w.mustDrain() {
			if e.protocol != unix.RTPROT_KERNEL {
				t.Errorf("%s: event %d of %v", prefix, e.typ, e.unpack("v0"))
			}
		}
		if got := k.ipRoutes("main"); len(got) != 1 {
			t.Errorf("%s: routes %q", prefix, got)
		}
		if got := k.addresses("v0"); !slices.Equal(got, []string{prefix}) {
			t.Errorf("%s: addresses %q", prefix, got)
		}
	}
}

// TestAddressUpdateMeanwhile: another makes an address theirs, changes it, or deletes it, between our looking
// and changing it in place. Theirs keeps being theirs.
func TestAddressUpdateMeanwhile(t *testing.T) {
	for name, c := range map[string]struct{ meanwhile, left string }{
		"theirs":  {"addr change %s dev v0", ""},
		"another": {"addr change %s dev v0 metric 99", `"metric":99`},
		"gone":    {"addr del %s dev v0", ""},
	} {
		for _, prefix := range []string{"10.0.0.2/24", "2001:db8::2/64"} {
			t.Run(name+" "+prefix, func(t *testing.T) {
				k := newKernel(t, Options{})
				k.converge(State{Addresses: []Address{on("v0", prefix)}})
				state := State{Addresses: []Address{{Interface: "v0", Prefix: pfx(prefix), ValidLifetime: hour}}}
				p := k.stale(state, func() { k.run(strings.Replace(c.meanwhile, "%s", prefix, 1)) })
				if p.round.applied != 0 || !p.round.again {
					t.Errorf("%+v", p.round)
				}
				got := strings.Join(witness{k.Net}.ipAddresses(), "\n")
				if !strings.Contains(got, c.left) || strings.Contains(got, `"valid_life_time":60`) {
					t.Error(got)
				}
				var conflict *ConflictError
				r := k.pass(state)
				if name == "gone" {
					k.wantApplied(r, "create "+state.Addresses[0].String())
				} else if len(r.Failed) != 1 || !errors.As(r.Failed[0].Err, &conflict) {
					t.Error(show(r))
				}
				k.pass(State{})
				if left := len(k.addresses("v0")); left != map[bool]int{false: 1, true: 0}[name == "gone"] {
					t.Error("left:", k.addresses("v0"))
				}
			})
		}
	}
}

// TestAddressRival: another makes addresses in the place of ours, takes ours over and deletes them, in a tight
// loop, while ours are changed in place and anew. What is elsewhere stays as it is, and in the end ours are as
// desired.
func TestAddressRival(t *testing.T) {
	k := newKernel(t, Options{})
	k.sysctl("net/ipv4/conf/all/promote_secondaries", "1")
	k.addAddress("v0", "10.9.0.1/24")
	now := time.Now()
	k.src.now = func() time.Time { now = now.Add(fight.Window); return now } // too slow for a fight
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var rival sync.WaitGroup
	h, link, rounds := k.writer(), k.link("v0"), atomic.Int64{}
	places := []*netlink.Addr{k.addr("10.0.0.2/24"), k.addr("2001:db8::2/64")}
	rival.Go(func() {
		defer h.Close()
		for n := 0; ctx.Err() == nil; n++ {
			a := places[n%len(places)]
			h.AddrReplace(link, a)
			if n%3 == 0 {
				h.AddrDel(link, a)
			}
			rounds.Add(1)
		}
	})
	state := func(n int) State {
		four, six := on("v0", "10.0.0.2/24"), on("v0", "2001:db8::2/64")
		four.ValidLifetime, six.ValidLifetime = hour*Lifetime(1+n%2), hour*Lifetime(1+n%2)
		if n%5 == 0 {
			four.Label = "v0:x"
		}
		return State{Addresses: []Address{four, six}}
	}
	updates := 0
	for n := 0; updates < 100 || rounds.Load() < 1000; n++ {
		updates += len(k.pass(state(n)).Applied)
		if got := k.addresses("v0"); !slices.Contains(got, "10.9.0.1/24") {
			t.Fatal("what is elsewhere is gone:", got)
		}
	}
	stop()
	rival.Wait()
	for _, a := range places {
		k.Netlink().AddrDel(k.link("v0"), a)
	}
	k.converge(state(1))
	k.settled(state(1))
	k.converge(State{})
	if got := k.addresses("v0"); !slices.Equal(got, []string{"10.9.0.1/24"}) {
		t.Error("left:", got)
	}
}

// TestAddressUpdateCutShort: wherever a change is cut short, by whatever record, the next pass finds what is
// ours and completes it, and nothing is left behind.
func TestAddressUpdateCutShort(t *testing.T) {
	from := State{Addresses: []Address{
		{Interface: "v0", Prefix: pfx("10.0.0.2/24"), Label: "v0:x"}, {Interface: "v0", Prefix: pfx("10.1.0.2/24"), Metric: 7},
		{Interface: "v1", Prefix: pfx("10.2.0.2/32"), Peer: ipa("10.2.0.9")}, {Interface: "v1", Prefix: pfx("2001:db8::2/64"), Home: true},
	}}
	to := State{Addresses: []Address{
		{Interface: "v0", Prefix: pfx("10.0.0.2/24"), Label: "v0:y"}, {Interface: "v0", Prefix: pfx("10.1.0.2/24"), ValidLifetime: hour},
		{Interface: "v1", Prefix: pfx("10.2.0.2/32"), Peer: ipa("10.2.0.8")}, {Interface: "v1", Prefix: pfx("2001:db8::2/64"), Peer: ipa("2001:db8::3")},
	}}
	for _, untagged := range []bool{false, true} {
		k, w := newKernel(t, Options{}), newWitness(t, newKernel(t, Options{}).Net)
		k.src.untagged = untagged
		want := w.paste(to)
		for n, cut := int64(1), true; cut; n++ {
			k.converge(from)
			ctx, cancel := context.WithCancel(t.Context())
			c := &countdown{Context: ctx, cancel: cancel}
			c.left.Store(n)
			r, err := k.src.Reconcile(c, to, k.last, func(LastApplied) error { return nil })
			cut = err != nil
			k.last = r.LastApplied
			if n%2 == 0 {
				k.converge(State{})
				if got := append(k.addresses("v0"), k.addresses("v1")...); len(got) != 0 {
					t.Fatalf("untagged %v, cut short at %d: left %q", untagged, n, got)
				}
			}
			k.converge(to)
			if got := (witness{k.Net}).ipAddresses(); !slices.Equal(got, want) {
				t.Fatalf("untagged %v, cut short at %d: there is %q, not %q", untagged, n, got, want)
			}
			cancel()
		}
	}
}

// TestAddressUpdateKilled: after a crash between claim and change, and between change and report, what was
// changed in place is still ours, by the record alone too.
func TestAddressUpdateKilled(t *testing.T) {
	stop := errors.New("killed")
	from := State{Addresses: []Address{on("v0", "10.0.0.2/24"), on("v0", "2001:db8::2/64")}}
	to := State{Addresses: slices.Clone(from.Addresses)}
	for i := range to.Addresses {
		to.Addresses[i].ValidLifetime = hour
	}
	for _, untagged := range []bool{false, true} {
		for _, changed := range []bool{false, true} {
			k := newKernel(t, Options{})
			k.src.untagged = untagged
			k.converge(from)
			var claim LastApplied
			k.src.Reconcile(t.Context(), to, k.last, func(l LastApplied) error {
				claim = l
				if changed {
					return nil
				}
				return stop
			})
			data, err := json.Marshal(claim)
			k.last = LastApplied{}
			if err := errors.Join(err, json.Unmarshal(data, &k.last)); err != nil {
				t.Fatal(err)
			}
			k.converge(State{})
			if got := k.addresses("v0"); len(got) != 0 {
				t.Errorf("untagged %v, changed %v: left %q", untagged, changed, got)
			}
		}
	}
}

// TestUntaggedAddresses: where the kernel keeps no IFA_PROTO the record says what is ours, and no more than
// that: not what another has made in its place.
func TestUntaggedAddresses(t *testing.T) {
	k := newKernel(t, Options{})
	k.src.untagged = true
	state := State{Addresses: []Address{
		{Interface: "v0", Prefix: pfx("10.0.0.2/24"), Peer: ipa("10.1.0.1")}, on("v0", "10.0.0.3/32"), on("v1", "2001:db8::2/64"),
		{Interface: "v1", Prefix: pfx("2001:db8::3/64"), Peer: ipa("2001:db8:9::1")},
	}}
	k.converge(state)
	newWitness(t, k.Net).batch(
		"addr del 10.0.0.2 peer 10.1.0.1/24 dev v0", "addr add 10.0.0.2 peer 10.1.0.9/24 dev v0",
		"addr del 10.0.0.3/32 dev v0", "addr add 10.0.0.3 peer 10.0.0.9/32 dev v0",
		"addr del 2001:db8::2/64 dev v1", "addr add 2001:db8::2/128 dev v1",
		"addr del 2001:db8::3/64 dev v1", "addr add 2001:db8::3/64 dev v1")
	others := witness{k.Net}.ipAddresses()
	k.converge(State{})
	if got := (witness{k.Net}).ipAddresses(); !slices.Equal(got, others) || len(got) != 4 {
		t.Errorf("there was %q, and is %q", others, got)
	}
	taken := newKernel(t, Options{Conflict: TakeOver})
	taken.src.untagged = true
	taken.addAddress("v0", "10.0.0.2/24")
	lasting := State{Addresses: []Address{{Interface: "v0", Prefix: pfx("10.0.0.2/24"), ValidLifetime: hour}}}
	taken.wantApplied(taken.converge(lasting), "update "+lasting.Addresses[0].String())
	taken.settled(lasting)
	taken.converge(State{})
	if got := taken.addresses("v0"); len(got) != 0 {
		t.Error("what was taken over is left:", got)
	}
}

// TestUntaggedAdopt: where there is no mark to put on it, another's address stays the other's.
func TestUntaggedAdopt(t *testing.T) {
	k := newKernel(t, Options{Conflict: Adopt})
	k.src.untagged = true
	k.addAddress("v0", "10.0.0.2/24")
	k.settled(State{Addresses: []Address{on("v0", "10.0.0.2/24")}})
	k.settled(State{})
	if got := k.addresses("v0"); len(got) != 1 {
		t.Error(got)
	}
}

// TestNoDAD: without duplicate address detection there is none to wait for.
func TestNoDAD(t *testing.T) {
	k := newKernel(t, Options{})
	k.sysctl("net/ipv6/conf/v0/accept_dad", "1")
	k.sysctl("net/ipv6/conf/v0/dad_transmits", "1")
	a := Address{Interface: "v0", Prefix: pfx("2001:db8::2/64"), NoDAD: true}
	state := State{Addresses: []Address{a}, Routes: []Route{{Dst: pfx("2001:db8:1::/48"), Interface: "v0", Source: a.Prefix.Addr()}}}
	if r := k.pass(state); !r.Converged {
		t.Error(show(r))
	}
}

// TestTemporaryAddresses: those that the kernel makes beside ours are the kernel's.
func TestTemporaryAddresses(t *testing.T) {
	k := newKernel(t, Options{})
	k.sysctl("net/ipv6/conf/v0/use_tempaddr", "2")
	k.sysctl("net/ipv6/conf/v0/temp_prefered_lft", "3600")
	k.sysctl("net/ipv6/conf/v0/temp_valid_lft", "3600")
	temporary := func() bool { return strings.Contains(k.run("-6 addr show dev v0"), "temporary") }
	state := State{Addresses: []Address{{Interface: "v0", Prefix: pfx("2001:db8::2/64"), ManageTempAddr: true}}}
	k.converge(state)
	k.eventually(temporary)
	k.settled(state)
	if !temporary() {
		t.Error("the temporary address is gone")
	}
	plain := State{Addresses: []Address{on("v0", "2001:db8::2/64")}}
	k.converge(plain)
	k.settled(plain)
}

// TestAddressFight: one that another keeps changing in place is left alone after a while.
func TestAddressFight(t *testing.T) {
	k := newKernel(t, Options{Conflict: TakeOver})
	state := State{Addresses: []Address{{Interface: "v0", Prefix: pfx("10.0.0.2/24"), Metric: 7}}}
	for n := 0; k.pass(state).Converged; n++ {
		k.run("addr change 10.0.0.2/24 dev v0 metric 9")
		if n > 2*fight.Repairs {
			t.Fatal("it goes on for ever")
		}
	}
}

// TestNetworkOutlives: the route to the network of an IPv6 address that begins to count down does not expire
// before the address.
func TestNetworkOutlives(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{Addresses: []Address{on("v0", "2001:db8::2/64")}}
	k.converge(state)
	finite := State{Addresses: slices.Clone(state.Addresses)}
	finite.Addresses[0].ValidLifetime = hour
	for range 2 {
		k.wantApplied(k.converge(finite), "update "+finite.Addresses[0].String())
		k.settled(finite)
		if got := k.run("-6 route get 2001:db8::9"); !strings.Contains(got, "dev v0") {
			t.Error(got)
		}
		k.converge(state)
	}
}
