package rtnl

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// everyAddress is a state with each shape of address.
func everyAddress() State {
	return State{Addresses: []Address{
		{Interface: "v0", Prefix: pfx("10.0.0.2/24"), Broadcast: ipa("10.0.0.255"), Label: "v0:one", Metric: 7},
		{Interface: "v0", Prefix: pfx("10.0.0.2/32"), Peer: ipa("10.1.0.1")},
		{Interface: "v0", Prefix: pfx("10.0.0.2/24"), Peer: ipa("10.2.0.1")},
		{Interface: "v0", Prefix: pfx("10.3.0.2/24"), Peer: ipa("10.3.0.9"), Scope: ScopeLink, NoPrefixRoute: true},
		{Interface: "v1", Prefix: pfx("10.4.0.2/24"), ValidLifetime: hour, PreferredLifetime: hour / 2},
		{Interface: "v1", Prefix: pfx("10.5.0.2/24"), Deprecated: true},
		{Interface: "lo", Prefix: pfx("127.0.0.5/8"), Label: "lo:x"},
		{Interface: "v0", Prefix: pfx("2001:db8::2/64"), Peer: ipa("2001:db8:9::1"), Metric: 7, NoPrefixRoute: true},
		{Interface: "v0", Prefix: pfx("2001:db8:1::2/64"), NoDAD: true, Home: true, ManageTempAddr: true},
		{Interface: "v1", Prefix: pfx("2001:db8:2::2/64"), ValidLifetime: hour},
		{Interface: "v1", Prefix: pfx("2001:db8:3::2/128"), ValidLifetime: hour, Deprecated: true},
	}}
}

// ipAddresses gives the addresses but the kernel's, in the words of ip(8), sorted; of lifetimes, the minutes
// that have begun.
func (w witness) ipAddresses() (lines []string) {
	var links []map[string]any
	if err := json.Unmarshal([]byte(w.IP("-json", "-details", "addr", "show")), &links); err != nil {
		panic(err)
	}
	for _, o := range addressesOf(links) {
		if makesItself("address", o) {
			continue
		}
		plain(o)
		if o["family"] == "inet6" && o["metric"] == 256.0 { // what 0 means, by its name
			delete(o, "metric")
		}
		for _, key := range []string{"valid_life_time", "preferred_life_time"} {
			if v, finite := o[key].(float64); finite {
				o[key] = math.Ceil(v / 60)
			}
		}
		line, _ := json.Marshal(o) // of what was JSON before; keys are sorted
		lines = append(lines, string(line))
	}
	slices.Sort(lines)
	return lines
}

// paste gives what ip(8) makes of a state as it prints.
func (w witness) paste(state State) []string {
	commands := []string{"addr flush dev v0", "addr flush dev v1", "addr flush dev lo"}
	for _, a := range state.Addresses {
		commands = append(commands, strings.Replace(a.String(), "address", "address add", 1))
	}
	w.batch(commands...)
	return w.ipAddresses()
}

// looksLike checks that the addresses are those that ip(8) would make of the state.
func (k *kernel) looksLike(w witness, state State) {
	k.t.Helper()
	got, want := witness{k.Net}.ipAddresses(), w.paste(state)
	if !slices.Equal(got, want) {
		k.t.Fatalf("there is\n\t%s\nnot\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// TestAddresses: from nothing to every shape, which is as ip(8) makes it and needs nothing then, and back.
func TestAddresses(t *testing.T) {
	for _, untagged := range []bool{false, true} {
		k, w := newKernel(t, Options{}), newWitness(t, newKernel(t, Options{}).Net)
		k.src.untagged = untagged
		k.addAddress("v0", "10.9.0.9/24")
		k.addAddress("v1", "10.5.0.9/24")
		k.delAddress("v0", "10.9.0.9/24")
		state := everyAddress()
		r := k.converge(state)
		if len(r.Applied) != len(state.Addresses) {
			t.Error(show(r))
		}
		k.settled(state)
		k.delAddress("v1", "10.5.0.9/24")
		k.converge(state)
		k.looksLike(w, state)
		var back LastApplied
		data, err := json.Marshal(k.last)
		if err := errors.Join(err, json.Unmarshal(data, &back)); err != nil {
			t.Fatal(err)
		}
		k.last = back
		k.settled(state)
		k.converge(State{})
		k.looksLike(w, State{})
		if len(k.last.addresses) != 0 {
			t.Errorf("still owned: %+v", k.last.addresses)
		}
	}
}

// TestAddressUpdates changes an address from each shape to each other: in place where the kernel can. Another's
// route over the interface, and ours that has the address for its source, are there all the time.
func TestAddressUpdates(t *testing.T) {
	for family, c := range map[string]struct {
		prefix, route string
		inPlace       func(a, b *Address) bool
		shapes        []func(*Address)
	}{
		"IPv4": {"10.0.0.2/24", "route add 10.7.0.0/16 dev v0 src 10.0.0.2 proto static",
			func(a, b *Address) bool {
				return a.Label == b.Label && a.Broadcast == b.Broadcast && a.NoPrefixRoute == b.NoPrefixRoute && a.Scope == b.Scope
			},
			[]func(*Address){
				func(*Address) {},
				func(a *Address) { a.Label, a.Broadcast = "v0:x", ipa("10.0.0.255") },
				func(a *Address) { a.Metric = 9 },
				func(a *Address) { a.ValidLifetime = hour },
				func(a *Address) { a.Deprecated = true },
				func(a *Address) { a.NoPrefixRoute, a.Scope = true, ScopeLink },
				func(a *Address) { a.Peer = ipa("10.0.0.9") },
			}},
		"IPv6": {"2001:db8::2/64", "",
			func(*Address, *Address) bool { return true },
			[]func(*Address){
				func(*Address) {},
				func(a *Address) { a.NoPrefixRoute, a.Home = true, true },
				func(a *Address) { a.ValidLifetime, a.PreferredLifetime = hour, hour/2 },
				func(a *Address) { a.Deprecated, a.NoDAD, a.ManageTempAddr = true, true, true },
				func(a *Address) { a.Metric = 9 },
				func(a *Address) { a.Peer = ipa("2001:db8:9::1") },
				func(a *Address) { a.Prefix = pfx("2001:db8::2/128") },
			}},
	} {
		t.Run(family, func(t *testing.T) {
			k, w := newKernel(t, Options{}), newWitness(t, newKernel(t, Options{}).Net)
			events := k.watch(unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR)
			routes := k.watchRoutes()
			states, looks := make([]State, len(c.shapes)), make([][]string, len(c.shapes))
			for n, shape := range c.shapes {
				a := on("v0", c.prefix)
				shape(&a)
				states[n] = State{Addresses: []Address{a}}
				looks[n] = w.paste(states[n])
			}
			k.converge(states[0])
			if c.route != "" {
				k.run(c.route)
			}
			routes.drain()
			for n := range states {
				for m := range states {
					k.converge(states[n])
					events.types()
					r := k.converge(states[m])
					from, to := &states[n].Addresses[0], &states[m].Addresses[0]
					if n == m {
						k.wantApplied(r)
						continue
					}
					k.wantApplied(r, "update "+to.String())
					gone := slices.Contains(events.types(), unix.RTM_DELADDR)
					if want := from.Peer != to.Peer || from.Prefix != to.Prefix || !c.inPlace(from, to); gone != want {
						t.Errorf("%v to %v: gone for a moment: %v", from, to, gone)
					}
					if got := (witness{k.Net}).ipAddresses(); !slices.Equal(got, looks[m]) {
						t.Errorf("there is %q, not %q", got, looks[m])
					}
				}
			}
			for _, e := range routes.mustDrain() {
				if e.protocol != unix.RTPROT_KERNEL {
					t.Errorf("event %d of %v", e.typ, e.unpack("v0"))
				}
			}
		})
	}
}

// put makes an address as ip(8) cannot: with our mark, or with a lifetime and our mark.
func (k *kernel) put(a Address, flag uint16, protocol uint8) {
	k.t.Helper()
	p := packAddress(&a, int32(k.link(a.Interface).Attrs().Index))
	p.protocol = protocol
	var b rtnetlink.Batch
	putAddress(&b, flag, &p)
	if _, err := k.src.conn.Do(k.t.Context(), &b, func(_ int, err error) { k.t.Fatal(err) }); err != nil {
		k.t.Fatal(err)
	}
}

// TestLifetimes: a countdown is no drift; what is half over, was shortened below that, or lengthened is put
// right in place; what has expired comes back.
func TestLifetimes(t *testing.T) {
	for _, prefix := range []string{"10.0.0.2/24", "2001:db8::2/64"} {
		k := newKernel(t, Options{})
		a := on("v0", prefix)
		a.ValidLifetime, a.PreferredLifetime = hour, hour/2
		state := State{Addresses: []Address{a}}
		k.converge(state)
		for _, c := range []struct {
			valid, preferred Lifetime
			deprecated, put  bool
		}{
			{valid: hour * 2 / 3, preferred: hour / 3},
			{valid: hour / 2, preferred: hour / 3, put: true},
			{valid: hour, preferred: hour / 4, put: true},
			{valid: 2 * hour, preferred: hour / 2, put: true},
			{put: true},
			{valid: hour, deprecated: true, put: true},
		} {
			b := a
			b.ValidLifetime, b.PreferredLifetime, b.Deprecated = c.valid, c.preferred, c.deprecated
			k.put(b, unix.NLM_F_REPLACE, us)
			if r := k.converge(state); len(r.Applied) > 0 != c.put {
				t.Errorf("%v: %s", b, show(r))
			}
			k.settled(state)
		}
		endless := State{Addresses: []Address{on("v0", prefix)}}
		k.wantApplied(k.converge(endless), "update "+endless.Addresses[0].String())
		k.put(a, unix.NLM_F_REPLACE, us)
		k.wantApplied(k.converge(endless), "update "+endless.Addresses[0].String())
		k.settled(endless)
	}
}

// TestRenewed: as long as it is desired, an address is there; one that the kernel has removed since nobody
// renewed it is noticed, and comes back.
func TestRenewed(t *testing.T) {
	k, late := newKernel(t, Options{}), newKernel(t, Options{})
	four, six := on("v0", "10.0.0.2/24"), on("v0", "2001:db8::2/64")
	four.ValidLifetime, six.ValidLifetime = Lifetime(2*time.Second), Lifetime(2*time.Second)
	state := State{Addresses: []Address{four, six}}
	k.converge(state)
	late.converge(state)
	for _, a := range state.Addresses {
		a.ValidLifetime = Lifetime(time.Second)
		late.put(a, unix.NLM_F_REPLACE, us)
	}
	heard := late.hints()

	events := k.watch(unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR)
	for renewed := map[string]bool{}; len(renewed) < 2; {
		for _, op := range applied(k.pass(state)) {
			renewed[op] = true
		}
		events.wait()
		if slices.Contains(events.types(), unix.RTM_DELADDR) {
			t.Fatal("it went")
		}
	}
	late.eventually(func() bool { return len(late.addresses("v0")) == 0 && heard.Load() > 0 })
	late.wantApplied(late.converge(state), "create "+four.String(), "create "+six.String())
}

// TestAddressConflicts: another's address in the place of ours, which has less or something else, under each
// policy.
func TestAddressConflicts(t *testing.T) {
	for _, policy := range []ConflictPolicy{Refuse, Adopt, TakeOver} {
		k, w := newKernel(t, Options{Conflict: policy}), newWitness(t, newKernel(t, Options{}).Net)
		theirs := State{Addresses: []Address{
			{Interface: "v0", Prefix: pfx("10.0.0.2/24"), Broadcast: ipa("10.0.0.255"), Label: "v0:x", Metric: 7}, // has more
			{Interface: "v0", Prefix: pfx("10.1.0.2/24"), Peer: ipa("10.1.0.3")},
			{Interface: "v0", Prefix: pfx("10.2.0.2/24"), Metric: 7},
			{Interface: "v1", Prefix: pfx("2001:db8::2/64"), NoPrefixRoute: true, Metric: 9},
			{Interface: "v1", Prefix: pfx("2001:db8::3/64"), ValidLifetime: hour, Metric: 9},
		}}
		for _, a := range theirs.Addresses {
			k.run(strings.Replace(a.String(), "address", "address add", 1))
		}
		state := State{Addresses: []Address{
			{Interface: "v0", Prefix: pfx("10.0.0.2/24"), Metric: 7},
			{Interface: "v0", Prefix: pfx("10.1.0.2/24"), Peer: ipa("10.1.0.4")},
			{Interface: "v0", Prefix: pfx("10.2.0.2/24"), Label: "v0:y"},
			{Interface: "v1", Prefix: pfx("2001:db8::2/64"), Home: true},
			{Interface: "v1", Prefix: pfx("2001:db8::3/64"), ValidLifetime: hour / 2, Metric: 9},
		}}
		r := k.pass(state)
		if policy != TakeOver {
			var conflict *ConflictError
			if len(r.Failed) != 4 || !errors.As(r.Failed[0].Err, &conflict) ||
				conflict.Holder.String() != "address 10.1.0.2 peer 10.1.0.3/24 dev v0" || conflict.Protocol != 0 {
				t.Error(policy, show(r))
			}
		}
		if want := map[ConflictPolicy]int{Refuse: 0, Adopt: 1, TakeOver: 5}[policy]; len(r.Applied) != want {
			t.Error(policy, show(r))
		}
		if r := k.pass(state); len(r.Applied) != 0 {
			t.Error(policy, "and again", show(r))
		}
		switch policy {
		case Refuse, Adopt:
			k.looksLike(w, theirs)
		case TakeOver:
			taken := slices.Clone(state.Addresses)
			taken[0] = theirs.Addresses[0]
			taken[3].NoPrefixRoute, taken[3].Metric = true, 9
			k.looksLike(w, State{Addresses: taken})
		}
		k.pass(State{})
		left := map[ConflictPolicy][]Address{Refuse: theirs.Addresses, Adopt: theirs.Addresses[1:]}[policy]
		k.looksLike(w, State{Addresses: left})
	}
}

// TestAttributesTakenBack: what is no longer asked for goes, also where the next process was told by
// LastApplied, and also after a crash before the change.
func TestAttributesTakenBack(t *testing.T) {
	stop := errors.New("killed")
	for _, crash := range []bool{false, true} {
		k, w := newKernel(t, Options{}), newWitness(t, newKernel(t, Options{}).Net)
		full := State{Addresses: []Address{
			{Interface: "v0", Prefix: pfx("10.0.0.2/24"), Broadcast: ipa("10.0.0.255"), Label: "v0:x", Metric: 7, NoPrefixRoute: true},
			{Interface: "v0", Prefix: pfx("2001:db8::2/64"), Metric: 7, NoPrefixRoute: true, Home: true},
		}}
		plain := State{Addresses: []Address{on("v0", "10.0.0.2/24"), on("v0", "2001:db8::2/64")}}
		k.converge(full)
		if crash {
			var claim LastApplied
			k.src.Reconcile(t.Context(), plain, k.last, func(l LastApplied) error { claim = l; return stop })
			data, err := json.Marshal(claim)
			k.last = LastApplied{}
			if err := errors.Join(err, json.Unmarshal(data, &k.last)); err != nil {
				t.Fatal(err)
			}
		}
		k.src.Close()
		k.src = New(k.Namespace(), Options{})
		k.converge(plain)
		k.settled(plain)
		got := witness{k.Net}.ipAddresses()
		if want := w.paste(plain); !slices.Equal(got, want) {
			t.Errorf("crash %v: there is %q, not %q", crash, got, want)
		}
	}
}

// TestRenamedLabels: renaming an interface changes labels that nobody asked for, which is nobody's concern.
func TestRenamedLabels(t *testing.T) {
	k := newKernel(t, Options{})
	state := func(name string) State {
		return State{Addresses: []Address{on(name, "10.0.0.2/24"), on(name, "10.0.0.3/24"), on(name, "10.0.0.4/24")}}
	}
	k.converge(state("v0"))
	newWitness(t, k.Net).batch("link set v0 down", "link set v0 name w0", "link set w0 up")
	k.settled(state("w0"))
	if got := k.run("-4 -br addr show dev w0"); !strings.Contains(got, "10.0.0.4/24") {
		t.Error(got)
	}
	if got := fmt.Sprint(witness{k.Net}.ipAddresses()); !strings.Contains(got, `"label":"w0:3"`) {
		t.Error("the kernel does not do that any more:", got)
	}
}
