package rtnl

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// detailed are routes with one attribute each, and what `ip -json route` says of it, in and out of "metrics".
var detailed = []struct {
	Route
	metrics, besides map[string]any
}{
	{Route{MTU: 1400}, map[string]any{"mtu": 1400.0}, nil},
	{Route{MTU: 1400, MTULock: true}, map[string]any{"mtu": 1400.0}, nil}, // of the lock, JSON says nothing
	{Route{AdvMSS: 65495}, map[string]any{"advmss": 65495.0}, nil},
	{Route{Window: 5000}, map[string]any{"window": 5000.0}, nil},
	{Route{InitCwnd: 20}, map[string]any{"initcwnd": 20.0}, nil},
	{Route{InitRwnd: 30}, map[string]any{"initrwnd": 30.0}, nil},
	{Route{SSThresh: 9}, map[string]any{"ssthresh": 9.0}, nil},
	{Route{Reordering: 5}, map[string]any{"reordering": 5.0}, nil},
	{Route{RTOMin: 50}, map[string]any{"rto_min": 50.0}, nil},
	{Route{HopLimit: 255}, map[string]any{"hoplimit": 255.0}, nil},
	{Route{QuickACK: true}, map[string]any{"quickack": 1.0}, nil},
	{Route{ECN: true}, map[string]any{"ecn": nil}, nil},
	{Route{CongCtl: "reno"}, map[string]any{"congestion": "reno"}, nil},
	{Route{CongCtl: "reno", CongCtlLock: true}, map[string]any{"congestion": "reno"}, nil},
	{Route{FastOpenNoCookie: true}, map[string]any{"fastopen_no_cookie": 1.0}, nil},
	{Route{Preference: PreferenceLow}, nil, map[string]any{"pref": "low"}},
	{Route{Preference: PreferenceHigh}, nil, map[string]any{"pref": "high"}},
	{Route{AdvMSS: 1300, HopLimit: 9, ECN: true}, map[string]any{"advmss": 1300.0, "hoplimit": 9.0, "ecn": nil}, nil},
}

// TestDetailOnKernel: each attribute is made, seen by ip(8), nothing to do about afterwards, pasted to ip(8)
// the same route, changed to the next one's and taken away, each without a gap.
func TestDetailOnKernel(t *testing.T) {
	for family, base := range map[string]Route{
		"IPv4": {Gateway: ipa("10.0.0.1"), Interface: "v0"},
		"IPv6": {Gateway: ipa("2001:db8::1"), Interface: "v0"},
	} {
		t.Run(family, func(t *testing.T) {
			v6 := family == "IPv6"
			k, pasted := newKernel(t, Options{}), newKernel(t, Options{})
			state := State{Addresses: []Address{on("v0", "10.0.0.2/24"), on("v0", "2001:db8::2/64")}}
			plain, turned := state, state
			var commands []string
			for n, d := range detailed {
				dst := fmt.Sprintf("10.%d.0.0/16", n+1)
				if v6 {
					dst = fmt.Sprintf("2001:db8:%x::/48", n+1)
				} else if d.Preference != PreferenceMedium {
					continue
				}
				r, bare := d.Route, base
				r.Gateway, r.Interface, r.Dst, bare.Dst = base.Gateway, base.Interface, pfx(dst), pfx(dst)
				state.Routes, plain.Routes = append(state.Routes, r), append(plain.Routes, bare)
				commands = append(commands, strings.Replace(r.String(), "route ", "route add ", 1)+" proto 76")
			}
			turned.Routes = slices.Clone(state.Routes)
			for n := range turned.Routes {
				turned.Routes[n].Dst = state.Routes[(n+1)%len(turned.Routes)].Dst
			}
			k.converge(state)
			k.settled(state)
			k.witnessDetail(state.Routes)

			pasted.addAddress("v0", "10.0.0.2/24")
			pasted.addAddress("v0", "2001:db8::2/64")
			if _, err := newWitness(t, pasted.Net).ip(commands, map[bool]string{true: "-6", false: "-4"}[v6]); err != nil {
				t.Fatal(err)
			}
			pasted.settled(State{Routes: state.Routes})

			w := k.watchRoutes()
			for _, next := range []State{turned, plain, state} {
				k.converge(next)
				k.settled(next)
				standing := make(map[ip]int)
				for _, e := range w.mustDrain() {
					switch {
					case e.protocol != us:
						continue
					case e.typ == unix.RTM_NEWROUTE:
						standing[e.dst]++
					case e.typ == unix.RTM_DELROUTE:
						standing[e.dst]--
					}
					if standing[e.dst] < 0 {
						t.Fatalf("a moment without %v", e.unpack(""))
					}
				}
			}
			k.converge(State{})
			if left := k.ipRoutes("main"); len(left) != 0 {
				t.Error("left:", left)
			}
		})
	}
}

// witnessDetail has ip(8) tell what routes have.
func (k *kernel) witnessDetail(routes []Route) {
	k.t.Helper()
	seen := make(map[string]map[string]any)
	for _, family := range []string{"-4", "-6"} {
		var list []map[string]any
		if err := json.Unmarshal([]byte(k.IP(family, "-json", "route")), &list); err != nil {
			k.t.Fatal(err)
		}
		for _, r := range list {
			seen[fmt.Sprint(r["dst"])] = r
		}
	}
	at := 0
	for _, r := range routes {
		for packDetail(&detailed[at].Route) != packDetail(&r) {
			at++
		}
		got := seen[r.Dst.String()]
		metrics, _ := got["metrics"].([]any)
		if len(metrics) == 0 {
			metrics = []any{map[string]any(nil)}
		}
		if !reflect.DeepEqual(metrics[0], any(detailed[at].metrics)) {
			k.t.Errorf("%v: ip shows %v", r, got)
		}
		for key, value := range detailed[at].besides {
			if got[key] != value {
				k.t.Errorf("%v: ip shows %v", r, got)
			}
		}
	}
}

// TestExtraDetail: what ours has and is not asked for is taken away; another's that has it is not as desired.
func TestExtraDetail(t *testing.T) {
	for _, family := range []struct{ option, dst, via string }{
		{"-4 ", "10.1.0.0/16", "10.0.0.1"}, {"-6 ", "2001:db8:1::/48", "2001:db8::1"},
	} {
		for _, extra := range []string{"advmss 1300", "mtu lock 1400", "rtt 50", "cwnd 8", "hoplimit lock 9", "window 1000"} {
			k := newKernel(t, Options{})
			k.addAddress("v0", "10.0.0.2/24")
			k.addAddress("v0", "2001:db8::2/64")
			state := State{Routes: []Route{{Dst: pfx(family.dst), Gateway: ipa(family.via)}}}
			k.run(family.option + "route add " + family.dst + " via " + family.via + " proto 76 " + extra)
			k.wantApplied(k.converge(state), "update "+state.Routes[0].String())
			k.settled(state)
			k.converge(State{})
			k.run(family.option + "route add " + family.dst + " via " + family.via + " proto static " + extra)
			var conflict *ConflictError
			if r := k.pass(state); r.Converged || len(r.Failed) != 1 || !errors.As(r.Failed[0].Err, &conflict) {
				t.Errorf("%s: %s", extra, show(r))
			}
		}
	}
}

// TestTakeOverDetail: another's route is named with all it has, and goes.
func TestTakeOverDetail(t *testing.T) {
	for _, family := range []struct{ option, dst, via string }{
		{"-4 ", "10.1.0.0/16", "10.0.0.1"}, {"-6 ", "2001:db8:1::/48", "2001:db8::1"},
	} {
		for _, has := range []string{
			"via " + family.via + " advmss 1300 rtt 50 cwnd 8 mtu lock 1400 congctl reno",
			"encap ip id 7 dst 10.9.0.1 ttl 9 via " + family.via,
			"encap seg6 mode encap segs fc00::1 dev v0 hoplimit 9",
		} {
			k := newKernel(t, Options{Conflict: TakeOver})
			k.encaps(t, "IPv"+family.option[1:2])
			k.addAddress("v0", "10.0.0.2/24")
			k.addAddress("v0", "2001:db8::2/64")
			k.run(family.option + "route add " + family.dst + " " + has + " proto static")
			state := State{Routes: []Route{{Dst: pfx(family.dst), Gateway: ipa(family.via)}}}
			k.wantApplied(k.converge(state), "update "+state.Routes[0].String())
			k.settled(state)
			if got := k.ipRoutes("main"); len(got) != 1 {
				t.Errorf("%s: %v", has, got)
			}
		}
	}
}

// TestTCPUsecTS: ip(8) 6.1.0 does not know it.
func TestTCPUsecTS(t *testing.T) {
	k := newKernel(t, Options{})
	state := State{Routes: []Route{{Dst: pfx("10.1.0.0/16"), Interface: "v0", TCPUsecTS: true, ECN: true}}}
	if r := k.pass(state); len(r.Failed) == 1 && errors.Is(r.Failed[0].Err, unix.EINVAL) {
		t.Skip("this kernel is older than Linux 6.7, which has tcp_usec_ts")
	}
	k.settled(state)
	state = State{Routes: []Route{{Dst: pfx("10.1.0.0/16"), Interface: "v0", ECN: true}}}
	k.wantApplied(k.converge(state), "update "+state.Routes[0].String())
	k.settled(state)
}
