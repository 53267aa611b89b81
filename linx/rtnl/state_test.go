package rtnl

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// TestPrint: ops and objects read like ip(8), so that one can paste them.
func TestPrint(t *testing.T) {
	for want, r := range map[string]Route{
		"route 10.1.0.0/16 via 10.0.0.2 dev v0 metric 50 table 100": {Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.0.0.2"),
			Interface: "v0", Metric: 50, Table: 100},
		"route default via 10.0.0.1": {Gateway: ipa("10.0.0.1")},
		"route default via 10.0.0.9": {NextHops: ways("10.0.0.9*7")},
		"route 10.1.0.0/16 nhid 7":   {Dst: pfx("10.1.0.0/16"), NextHopID: 7},
		"route 10.1.0.0/16 metric 50 nexthop via 10.0.0.2 dev v0 weight 2 nexthop via 10.0.0.3 dev v1 onlink": {Dst: pfx("10.1.0.0/16"), Metric: 50,
			NextHops: []NextHop{{Gateway: ipa("10.0.0.2"), Interface: "v0", Weight: 2}, {Gateway: ipa("10.0.0.3"), Interface: "v1", OnLink: true}}},
		"route ::/0 nexthop via 2001:db8::1 nexthop via 2001:db8::2": {NextHops: ways("2001:db8::1", "2001:db8::2")},
		"route default via fe80::1 dev v0":                           {Dst: pfx("::/0"), Gateway: ipa("fe80::1"), Interface: "v0", Table: 254},
		"route ::/0 dev v0":                                          {Dst: pfx("::/0"), Interface: "v0"},
		"route blackhole 10.0.0.0/8":                                 {Dst: pfx("10.0.0.0/8"), Type: Blackhole},
		"route unreachable 0.0.0.0/0 table 7":                        {Dst: pfx("0.0.0.0/0"), Type: Unreachable, Table: 7},
		"route 10.0.0.0/8 tos 0x10 via 10.0.0.2 dev v0 scope site src 10.0.0.3 mtu 1400 onlink": {Dst: pfx("10.0.0.0/8"), TOS: 16,
			Gateway: ipa("10.0.0.2"), Interface: "v0", Scope: ScopeSite, Source: ipa("10.0.0.3"), MTU: 1400, OnLink: true},
		"route 10.0.0.0/8 dev v0 mtu lock 1400 window 5000 ssthresh 9 advmss 1300 reordering 5 hoplimit 9 initcwnd 20 " +
			"rto_min 50ms initrwnd 30 quickack 1 fastopen_no_cookie 1 features ecn tcp_usec_ts congctl lock reno": {
			Dst: pfx("10.0.0.0/8"), Interface: "v0", MTU: 1400, MTULock: true, Window: 5000, SSThresh: 9, AdvMSS: 1300,
			Reordering: 5, HopLimit: 9, InitCwnd: 20, RTOMin: 50, InitRwnd: 30, QuickACK: true, FastOpenNoCookie: true,
			ECN: true, TCPUsecTS: true, CongCtl: "reno", CongCtlLock: true},
		"route ::/0 dev v0 pref high": {Dst: pfx("::/0"), Interface: "v0", Preference: PreferenceHigh},
	} {
		if r.String() != want {
			t.Errorf("%s, not %s", r, want)
		}
	}
	address := on("v0", "10.0.0.2/24")
	create := reconcile.Op{Verb: Create, Object: &address}
	if create.String() != "create address 10.0.0.2/24 dev v0" {
		t.Error(create)
	}
}

func TestStateJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		state := drawState(t).state
		data, err := json.Marshal(state)
		if err != nil {
			t.Fatal(err)
		}
		var back State
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		again, err := json.Marshal(back)
		if err != nil || string(again) != string(data) {
			t.Fatalf("%s\nbecame\n%s (%v)", data, again, err)
		}
	})
	var s State
	for in, want := range map[string]string{
		`{"routes": [{"gatewy": "10.0.0.1"}]}`:                   "gatewy",
		`{"routes": [{"dst": "10.0.0.0/8", "type": "hole"}]}`:    "blackhole",
		`{"routes": [{"dst": "10.0.0.0/8", "scope": "galaxy"}]}`: "global",
		`{"address": []}`: "address",
	} {
		if err := json.Unmarshal([]byte(in), &s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func TestLastAppliedJSON(t *testing.T) {
	l := LastApplied{
		namespace: "boot/1",
		addresses: []ownedAddress{
			{Address: on("v0", "10.0.0.2/24"), Index: 2, Tagged: true},
			{Address: on("v1", "2001:db8::1/64"), Index: 3, Claimed: true},
		},
		routes: routeList{all: []Route{{Gateway: ipa("10.0.0.1")}}},
		claims: []Route{{Dst: pfx("10.0.0.0/8"), Type: Blackhole}},
	}
	data, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"namespace":"boot/1","addresses":[` +
		`{"interface":"v0","prefix":"10.0.0.2/24","index":2,"tagged":true},` +
		`{"interface":"v1","prefix":"2001:db8::1/64","index":3,"claimed":true}],"routes":[` +
		`{"gateway":"10.0.0.1"},{"dst":"10.0.0.0/8","type":"blackhole","claimed":true}]}`
	if string(data) != want {
		t.Errorf("%s\nnot\n%s", data, want)
	}
	var back LastApplied
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, l) {
		t.Errorf("%+v, not %+v (%v)", back, l, err)
	}
	for _, bad := range []string{`[]`, `{"routes":[{}]}`, `{"addresses":[{"interface":"v0"}]}`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s: accepted", bad)
		}
	}
	if got := l.in("boot/2"); !reflect.DeepEqual(got, LastApplied{namespace: "boot/2"}) {
		t.Errorf("in another namespace: %+v", got)
	}
}

// TestIndexOncePerState: a state is known by its slices.
func TestIndexOncePerState(t *testing.T) {
	s := New(linx.Self(), Options{})
	a := State{Routes: []Route{{Gateway: ipa("10.0.0.1")}}}
	if err := s.Validate(a); err != nil {
		t.Fatal(err)
	}
	x, err := s.index(a)
	if err != nil || x != s.validated {
		t.Error("made twice for one state")
	}
	s.use(x)
	if y, _ := s.index(State{Routes: a.Routes[:1:1]}); y != x {
		t.Error("made twice for the same slices")
	}
	for _, other := range []State{{}, {Routes: []Route{a.Routes[0]}}, {Addresses: []Address{on("v0", "10.0.0.1/8")}, Routes: a.Routes}} {
		if y, _ := s.index(other); y == x {
			t.Errorf("another state taken for the same one: %+v", other)
		}
	}
}

// TestUnpack: what is packed comes back, defaults left out.
func TestUnpack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := drawState(t)
		for i := range x.routes {
			r := *x.route(int32(i))
			back := x.routes[i].unpack(r.Interface)
			p, q := packRoute(&r, 0), packRoute(&back, 0)
			if p != q || back.Interface != r.Interface {
				t.Fatalf("%v became %v", r, back)
			}
		}
		for i, a := range x.state.Addresses {
			if back := x.addresses[i].unpack(a.Interface); back != a {
				t.Fatalf("%v became %v", a, back)
			}
		}
	})
}
