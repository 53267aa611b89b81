package rtnl

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// wrapped are next hops that are wrapped, by family, and what `ip -json route` says of them.
var wrapped = map[string][]struct {
	Encap
	says map[string]any
}{
	"IPv4": {
		{IPTunnel{Dst: ipa("10.9.0.1"), Src: ipa("10.0.0.2"), ID: 7, TTL: 9, TOS: 4}.Encap(),
			map[string]any{"encap": "ip", "id": 7.0, "src": "10.0.0.2", "ttl": 9.0, "tos": 4.0}},
		{IPTunnel{Dst: ipa("10.9.0.1"), ID: 7, Key: true, Checksum: true, Sequence: true}.Encap(),
			map[string]any{"encap": "ip", "id": 7.0, "src": "0.0.0.0", "key": true, "csum": true, "seq": true}},
		{IPTunnel{Dst: ipa("2001:db8::9"), ID: 8}.Encap(), map[string]any{"encap": "ip6", "id": 8.0}},
		{MPLS{Labels: []uint32{100, 200}}.Encap(), map[string]any{"encap": "mpls"}},
		{MPLS{Labels: []uint32{100, 200}, TTL: 9}.Encap(), map[string]any{"encap": "mpls", "ttl": 9.0}},
		{SEG6{Segments: []netip.Addr{ipa("fc00::1"), ipa("fc00::2")}}.Encap(), map[string]any{"encap": "seg6", "mode": "encap"}},
	},
	"IPv6": {
		{IPTunnel{Dst: ipa("10.9.0.1"), ID: 7, TTL: 9}.Encap(), map[string]any{"encap": "ip", "id": 7.0, "ttl": 9.0}},
		{IPTunnel{Dst: ipa("2001:db8::9"), Src: ipa("2001:db8::2"), ID: 8, TTL: 9, TOS: 4}.Encap(),
			map[string]any{"encap": "ip6", "id": 8.0, "src": "2001:db8::2", "hoplimit": 9.0, "tc": 4.0}},
		{SEG6{Segments: []netip.Addr{ipa("fc00::1"), ipa("fc00::2")}}.Encap(), map[string]any{"encap": "seg6", "mode": "encap"}},
		{SEG6{Segments: []netip.Addr{ipa("fc00::2"), ipa("fc00::1")}}.Encap(), map[string]any{"encap": "seg6", "mode": "encap"}},
		{SEG6{Mode: SEG6Inline, Segments: []netip.Addr{ipa("fc00::1")}}.Encap(), map[string]any{"encap": "seg6", "mode": "inline"}},
		{SEG6{Mode: SEG6L2Encap, Segments: []netip.Addr{ipa("fc00::1")}}.Encap(), map[string]any{"encap": "seg6", "mode": "l2encap"}},
		{MPLS{Labels: []uint32{100, 200}}.Encap(), map[string]any{"encap": "mpls"}},
	},
}

// encaps gives the encapsulations for a family that this kernel has.
func (k *kernel) encaps(t *testing.T, family string) (list []Encap) {
	for _, c := range wrapped[family] {
		probe := Route{Dst: pfx("192.0.2.0/24"), Interface: "v0", Table: 99, Encap: c.Encap}
		if family == "IPv6" {
			probe.Dst = pfx("2001:db8:99::/48")
		}
		if r := k.pass(State{Routes: []Route{probe}}); len(r.Failed) == 1 && errors.Is(r.Failed[0].Err, unix.EOPNOTSUPP) {
			t.Logf("this kernel has no encap %v: tested by bytes alone", c.Encap)
			continue
		} else if !r.Converged {
			t.Fatal(show(r))
		}
		list = append(list, c.Encap)
	}
	k.converge(State{})
	if len(list) == 0 {
		t.Skip("this kernel has no lightweight tunnels (CONFIG_LWTUNNEL)")
	}
	return list
}

// TestEncapOnKernel: each is made, seen by ip(8), pasted to ip(8) the same, and changed to each other one and
// to none, without a gap.
func TestEncapOnKernel(t *testing.T) {
	for family, hops := range map[string][]Route{
		"IPv4": {{Gateway: ipa("10.0.0.1")}, {Interface: "v1"}},
		"IPv6": {{Gateway: ipa("2001:db8::1")}, {Interface: "v1"}},
	} {
		t.Run(family, func(t *testing.T) {
			k := newKernel(t, Options{})
			shapes := hops
			dst := pfx("10.1.0.0/16")
			if family == "IPv6" {
				dst = pfx("2001:db8:1::/48")
			}
			for _, e := range k.encaps(t, family) {
				for _, r := range hops {
					r.Encap = e
					shapes = append(shapes, r)
				}
			}
			for i := range shapes {
				shapes[i].Dst, shapes[i].Metric = dst, 10
			}
			updateEach(k, shapes)

			for _, r := range shapes[len(hops):] {
				state := State{Addresses: []Address{on("v0", "10.0.0.2/24"), on("v0", "2001:db8::2/64")}, Routes: []Route{r}}
				k.converge(state)
				k.witnessEncap(r)
				option := map[string]string{"IPv4": "-4", "IPv6": "-6"}[family]
				k.run(option + " route del " + dst.String() + " metric 10")
				k.run(option + strings.Replace(r.String(), "route", " route add", 1) + " proto 76")
				k.settled(state)
			}
		})
	}
}

// witnessEncap has ip(8) tell how the route is wrapped.
func (k *kernel) witnessEncap(r Route) {
	k.t.Helper()
	family, option := "IPv4", "-4"
	if r.v6() {
		family, option = "IPv6", "-6"
	}
	at := slices.IndexFunc(wrapped[family], func(c struct {
		Encap
		says map[string]any
	}) bool {
		return c.Encap == r.Encap
	})
	var list []map[string]any
	if err := json.Unmarshal([]byte(k.IP(option, "-json", "route", "show", "metric", "10")), &list); err != nil || len(list) != 1 {
		k.t.Fatal(list, err)
	}
	for key, value := range wrapped[family][at].says {
		if list[0][key] != value {
			k.t.Errorf("%v: ip shows %v", r, list[0])
		}
	}
}

// TestForeignEncap: another's route with another encapsulation is in the way; it is not touched.
func TestForeignEncap(t *testing.T) {
	for _, c := range []struct{ option, dst, via, encap string }{
		{"-4", "10.1.0.0/16", "via 10.0.0.1", "ip id 7 dst 10.9.0.1"},
		{"-6", "2001:db8:1::/48", "via 2001:db8::1", "ip id 7 dst 10.9.0.1"},
		{"-6", "2001:db8:1::/48", "dev v0", "seg6local action End"},
	} {
		k := newKernel(t, Options{})
		k.encaps(t, "IPv4")
		k.addAddress("v0", "10.0.0.2/24")
		k.addAddress("v0", "2001:db8::2/64")
		k.run(fmt.Sprintf("%s route add %s encap %s %s metric 10 proto static", c.option, c.dst, c.encap, c.via))
		before := k.run(c.option + " route show " + c.dst)
		want := Route{Dst: pfx(c.dst), Metric: 10}
		if at, ok := strings.CutPrefix(c.via, "via "); ok {
			want.Gateway = ipa(at)
		} else {
			want.Interface = "v0"
		}
		var conflict *ConflictError
		if r := k.pass(State{Routes: []Route{want}}); len(r.Failed) != 1 || !errors.As(r.Failed[0].Err, &conflict) ||
			!strings.Contains(conflict.Error(), " encap "+strings.Fields(c.encap)[0]) {
			t.Errorf("%s: %s", c.encap, show(r))
		}
		k.pass(State{})
		if after := k.run(c.option + " route show " + c.dst); after != before {
			t.Errorf("%q became %q", before, after)
		}
	}
}

// TestEncapTwins: IPv6 keeps two next hops that differ in their encapsulation alone, and deletes the first of
// its protocol. Ours and another's stand side by side: only ours is changed, and deleted.
func TestEncapTwins(t *testing.T) {
	for _, first := range []bool{true, false} {
		k := newKernel(t, Options{})
		k.encaps(t, "IPv6")
		addresses := []Address{on("v0", "2001:db8::2/64")}
		foreign := "-6 route append 2001:db8:1::/48 encap ip id 9 dst 10.9.0.9 via 2001:db8::1 metric 10 proto static"
		route := func(id uint64) State {
			return State{Addresses: addresses, Routes: []Route{{Dst: pfx("2001:db8:1::/48"), Gateway: ipa("2001:db8::1"), Metric: 10,
				Encap: IPTunnel{ID: id, Dst: ipa("10.9.0.1")}.Encap()}}}
		}
		seven, eight := route(7), route(8)
		k.converge(State{Addresses: addresses})
		if first {
			k.run(foreign)
			k.run("-6 route append 2001:db8:1::/48 encap ip id 7 dst 10.9.0.1 via 2001:db8::1 metric 10 proto 76")
			k.last.claims = seven.Routes // as after a crash
		} else {
			k.converge(seven)
			k.run(foreign)
		}
		w := k.watchRoutes()
		for _, state := range []State{seven, eight, seven} {
			k.converge(state)
			k.settled(state)
		}
		k.converge(State{Addresses: addresses})
		for _, e := range w.mustDrain() {
			if e.protocol == unix.RTPROT_STATIC && e.typ == unix.RTM_DELROUTE {
				t.Errorf("foreign first is %v: deleted %v", first, e.unpack("v0"))
			}
		}
		left := k.run("-6 route show 2001:db8:1::/48")
		if !strings.Contains(left, "id 9") || strings.Contains(left, "10.9.0.1 ") {
			t.Errorf("foreign first is %v: left %q", first, left)
		}
	}
}

// TestEncapNeedsNoObject: nexthop objects of ours wrap nothing, so that a route that does has none.
func TestEncapNeedsNoObject(t *testing.T) {
	k := newKernel(t, Options{NexthopObjects: true})
	k.encaps(t, "IPv4")
	r := Route{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.0.0.1"), Interface: "v0"}
	state := State{Addresses: []Address{on("v0", "10.0.0.2/24")}, Routes: []Route{r}}
	k.converge(state)
	r.Encap = IPTunnel{Dst: ipa("10.9.0.1")}.Encap()
	state.Routes = []Route{r}
	k.converge(state)
	k.settled(state)
	if got := k.run("nexthop show"); got != "" {
		t.Error(got)
	}
}

// TestBehindRight: of two of ours in one place the right one stays, or is back before the other has gone,
// even if the kernel cannot tell them apart by what the wrong one has not.
func TestBehindRight(t *testing.T) {
	tunnel := IPTunnel{ID: 7, Dst: ipa("10.9.0.1")}.Encap()
	for _, c := range []struct {
		right Route
		wrong string
	}{
		{Route{AdvMSS: 1300}, ""},
		{Route{Source: ipa("10.0.0.2")}, ""},
		{Route{Encap: tunnel}, ""},
		{Route{}, "advmss 1300"},
		{Route{Encap: tunnel}, "encap ip id 8 dst 10.9.0.1"},
	} {
		k := newKernel(t, Options{})
		k.encaps(t, "IPv4")
		c.right.Dst, c.right.Gateway, c.right.Metric = pfx("10.1.0.0/16"), ipa("10.0.0.1"), 10
		state := State{Addresses: []Address{on("v0", "10.0.0.2/24")}, Routes: []Route{c.right}}
		k.converge(state)
		k.run("route append 10.1.0.0/16 " + c.wrong + " via 10.0.0.1 metric 10 proto 76")
		w, standing := k.watchRoutes(), 2
		k.converge(state)
		k.settled(state)
		for _, e := range w.mustDrain() {
			if standing++; e.typ == unix.RTM_DELROUTE {
				standing -= 2
			}
			if standing < 1 {
				t.Errorf("%v before %q: a moment without a route", c.right, c.wrong)
			}
		}
		if got := k.ipRoutes("main"); len(got) != 1 {
			t.Errorf("%v before %q: %v", c.right, c.wrong, got)
		}
	}
}

// TestEncapOfWays: each of several ways is wrapped by itself; to wrap one otherwise leaves no moment without.
func TestEncapOfWays(t *testing.T) {
	k := newKernel(t, Options{})
	addresses := []Address{on("v0", "10.0.0.2/24"), on("v0", "2001:db8::2/64")}
	a, b := IPTunnel{ID: 7, Dst: ipa("10.9.0.1")}.Encap(), IPTunnel{ID: 8, Dst: ipa("10.9.0.1")}.Encap()
	k.encaps(t, "IPv4")
	w := k.watchRoutes()
	for dst, gateways := range map[string][2]netip.Addr{
		"10.1.0.0/16": {ipa("10.0.0.1"), ipa("10.0.0.4")}, "2001:db8:1::/48": {ipa("2001:db8::1"), ipa("2001:db8::4")},
	} {
		var shapes []Route
		for _, e := range [][2]Encap{{}, {a, b}, {b, a}, {a, {}}} {
			shapes = append(shapes, Route{NextHops: []NextHop{
				{Gateway: gateways[0], Interface: "v0", Encap: e[0]}, {Gateway: gateways[1], Interface: "v0", Encap: e[1], Weight: 2},
			}})
		}
		for _, from := range shapes {
			for _, to := range shapes {
				if from.String() == to.String() {
					continue
				}
				k.leadOver(w, addresses, dst, from, to, "")
				family := map[bool]string{true: "-6", false: "-4"}[gateways[0].Is6()]
				shown := strings.Join(strings.Fields(k.run(family+" route show "+dst)), " ")
				for _, h := range to.NextHops {
					line := "nexthop via " + h.Gateway.String() + " dev v0"
					if h.Encap != (Encap{}) {
						line = fmt.Sprintf("nexthop encap ip id %d src 0.0.0.0 dst 10.9.0.1 ttl 0 tos 0 via %v dev v0", h.Encap.kernel().id, h.Gateway)
					}
					if !strings.Contains(shown, line) {
						t.Errorf("%v: ip shows %q, without %q", to, shown, line)
					}
				}
			}
		}
	}
}

// TestObserveEncap: what can be said is, the rest in words.
func TestObserveEncap(t *testing.T) {
	k := newKernel(t, Options{})
	k.encaps(t, "IPv6")
	k.run("-6 route add 2001:db8:1::/48 encap seg6 mode inline segs fc00::1,fc00::2 dev v0 proto static")
	k.run("-6 route add 2001:db8:2::/48 encap seg6local action End dev v0 proto static")
	state, unsaid, err := k.src.Observe(t.Context())
	if err != nil || len(state.Routes) != 1 || len(unsaid) != 1 {
		t.Fatal(state.Routes, unsaid, err)
	}
	if got := state.Routes[0].String(); got != "route 2001:db8:1::/48 encap seg6 mode inline segs fc00::1,fc00::2 dev v0" {
		t.Error(got)
	}
	if !strings.HasPrefix(unsaid[0], "route 2001:db8:2::/48 encap seg6local ... dev v0: ") {
		t.Error(unsaid)
	}
}
