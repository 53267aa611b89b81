package rtnl

import (
	"encoding/json"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// drawDetail gives r some of what few routes have.
func drawDetail(t *rapid.T, r *Route) {
	number := func(label string, of ...uint32) uint32 { return rapid.SampledFrom(append(of, 0, 0, 0)).Draw(t, label) }
	yes := func(label string) bool { return rapid.IntRange(0, 5).Draw(t, label) == 5 }
	r.MTU, r.AdvMSS, r.HopLimit = number("mtu", 1400, 65520), number("advmss", 1300, 65495), number("hoplimit", 1, 255)
	r.MTULock = r.MTU != 0 && yes("lock")
	r.Window, r.SSThresh, r.Reordering = number("window", 5000), number("ssthresh", 9), number("reordering", 5)
	r.InitCwnd, r.InitRwnd, r.RTOMin = number("initcwnd", 20), number("initrwnd", 30), number("rto_min", 50)
	r.QuickACK, r.FastOpenNoCookie = yes("quickack"), yes("fastopen_no_cookie")
	r.ECN, r.TCPUsecTS = yes("ecn"), yes("tcp_usec_ts")
	r.CongCtl = rapid.SampledFrom([]string{"", "", "reno", "cubic", "fifteenletters_"}).Draw(t, "congctl")
	r.CongCtlLock = r.CongCtl != "" && yes("congctl lock")
	if r.Dst.Addr().Is6() {
		r.Preference = rapid.SampledFrom([]Preference{PreferenceMedium, PreferenceLow, PreferenceHigh}).Draw(t, "pref")
	}
}

// TestDetail: what is asked for is what is sent, seen and said again.
func TestDetail(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Route{Dst: pfx(rapid.SampledFrom([]string{"10.1.0.0/16", "2001:db8:1::/48"}).Draw(t, "dst")), Interface: "v0"}
		drawDetail(t, &r)
		if err := r.fault(); err != nil {
			t.Fatal(err)
		}
		want := packRoute(&r, 3)
		var b rtnetlink.Batch
		putRoute(&b, unix.NLM_F_EXCL, &want, nil)
		var got route
		if !new(routeDecoder).decode(b.Request(0)[unix.SizeofNlMsghdr:], &got) || got != want || !want.is(&got, 3) {
			t.Fatalf("sent %+v of %v, saw %+v of %+v", want, want.details(), got, got.details())
		}
		back := got.unpack("v0")
		if back.String() != r.String() {
			t.Fatalf("%v became %v", r, back)
		}
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var again Route
		if err := json.Unmarshal(data, &again); err != nil || packRoute(&again, 3) != want {
			t.Fatalf("%s became %+v (%v)", data, again, err)
		}
	})
}

// TestUnknownMetric: a route with a metric of a newer kernel is nothing that can be wanted.
func TestUnknownMetric(t *testing.T) {
	want := packRoute(&Route{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.0.0.1"), MTU: 1400}, 0)
	var b rtnetlink.Batch
	putRoute(&b, 0, &want, nil)
	end := b.Nest(unix.RTA_METRICS | unix.NLA_F_NESTED)
	b.Uint32(unix.RTAX_MAX+1, 1)
	end()
	var got route
	if !new(routeDecoder).decode(b.Request(0)[unix.SizeofNlMsghdr:], &got) || want.is(&got, 0) {
		t.Errorf("%+v is %+v", got, want)
	}
}

// TestAdvertised: what the kernel takes from a router's advertisement is no difference, unless another value
// is asked for.
func TestAdvertised(t *testing.T) {
	want := Route{Dst: pfx("::/0"), Gateway: ipa("fe80::1"), Interface: "v0"}
	for _, c := range []struct {
		change   func(want, seen *Route)
		protocol uint8
		is       bool
	}{
		{func(_, seen *Route) {}, unix.RTPROT_STATIC, true},
		{func(_, seen *Route) { seen.HopLimit = 64 }, unix.RTPROT_STATIC, false},
		{func(_, seen *Route) { seen.HopLimit, seen.MTU, seen.Preference = 64, 1400, PreferenceHigh }, unix.RTPROT_RA, true},
		{func(want, seen *Route) { want.HopLimit, seen.HopLimit = 64, 64 }, unix.RTPROT_RA, true},
		{func(want, seen *Route) { want.HopLimit, seen.HopLimit = 9, 64 }, unix.RTPROT_RA, false},
		{func(want, seen *Route) { want.Preference, seen.Preference = PreferenceLow, PreferenceHigh }, unix.RTPROT_RA, false},
		{func(_, seen *Route) { seen.AdvMSS = 1300 }, unix.RTPROT_RA, false},
	} {
		w, s := want, want
		c.change(&w, &s)
		asked, seen := packRoute(&w, 3), packRoute(&s, 3)
		seen.protocol = c.protocol
		if asked.is(&seen, 3) != c.is {
			t.Errorf("%v of protocol %d is %v: want %v", s, c.protocol, w, c.is)
		}
	}
}

func TestPreferenceText(t *testing.T) {
	var p Preference
	if err := p.UnmarshalText([]byte("highest")); err == nil || !strings.Contains(err.Error(), "medium, low and high") {
		t.Error(err)
	}
	if _, err := Preference(9).MarshalText(); err == nil || Preference(9).String() != "Preference(9)" {
		t.Error(Preference(9), err)
	}
}

// TestPlain: each thing that makes a route less than plain does so by itself.
func TestPlain(t *testing.T) {
	if r := (Route{Dst: pfx("10.0.0.0/8"), Interface: "v0", Source: ipa("10.0.0.1"), Metric: 7}); !r.plain() {
		t.Error("a route without metrics is not plain")
	}
	for _, r := range []Route{
		{MTU: 1}, {MTULock: true}, {AdvMSS: 1}, {Window: 1}, {InitCwnd: 1}, {InitRwnd: 1}, {SSThresh: 1}, {Reordering: 1},
		{RTOMin: 1}, {HopLimit: 1}, {QuickACK: true}, {ECN: true}, {TCPUsecTS: true}, {CongCtl: "reno"}, {CongCtlLock: true},
		{FastOpenNoCookie: true}, {Preference: PreferenceLow},
	} {
		if r.plain() {
			t.Errorf("plain: %+v", r)
		}
	}
}
