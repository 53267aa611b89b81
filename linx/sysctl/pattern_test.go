package sysctl

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

func TestPatternsRefused(t *testing.T) {
	for _, c := range []struct {
		ns      linx.Namespace
		desired Settings
		why     string
	}{
		{linx.Self(), Settings{"net.ipv4.conf.[.rp_filter": "1"}, "is no pattern"},
		{linx.Self(), Settings{"*.hostname": "a"}, "first part"},
		{linx.Self(), Settings{"net*.ipv4.ip_forward": "1"}, "first part"},
		{linx.PID(1), Settings{"vm.*": "1"}, "whole machine"},
		{linx.Path("/run/netns/blue"), Settings{"kernel.*name": "a"}, "whole machine"},
		{linx.Self(), Settings{"-net.ipv4.conf.eth0.rp_filter": "1"}, "leave out one"},
		{linx.Self(), Settings{"-net.ipv4.conf.*.rp_filter": ""}, "by their names"},
		{linx.Self(), Settings{"-net": ""}, "names no key"},
		{linx.Self(), Settings{"net.ipv4.conf.*.rp_filter": "1\n"}, "one line"},
		{linx.Self(), Settings{"net.ipv4.conf.eth0.rp_filter": "1", "-net.ipv4.conf.eth0.rp_filter": ""}, "give it once"},
		{linx.Self(), Settings{"net.ipv4.conf.*.rp_filter": "1", "net/ipv4/conf/*/rp_filter": "1"}, "give it once"},
		{linx.Self(), Settings{"net.ipv4.conf.e*.rp_filter": "1", "net.ipv4.conf.*0.rp_filter": "2"}, "as specific"},
		{linx.Self(), Settings{"net.ipv4.conf.eth*.arp_*": "1", "net.ipv4.conf.*0.*_filte*": "2"}, "as specific"},
	} {
		if err := New(c.ns, Options{}).Validate(c.desired); err == nil || !strings.Contains(err.Error(), c.why) || !strings.Contains(err.Error(), "settings[") {
			t.Errorf("%v: %v; want %q", c.desired, err, c.why)
		}
	}
	fine := Settings{
		"net.ipv4.conf.*.rp_filter":     "1",
		"net.ipv4.conf.eth*.rp_filter":  "2",
		"net.ipv4.conf.wlan*.rp_filter": "1",
		"net.ipv6.conf.*.rp_filter":     "2",
		"net.ipv4.conf.et*.rp_filter":   "1", // as specific as nothing that has another value
		"-net.ipv4.conf.eth7.rp_filter": "",
	}
	if err := New(linx.Self(), Options{}).Validate(fine); err != nil {
		t.Error(err)
	}
}

func TestExpand(t *testing.T) {
	w, err := Settings{
		"net.ipv4.conf.*.rp_filter":     "1",
		"net.ipv4.conf.eth*.rp_filter":  "2",
		"net.ipv4.conf.eth0.rp_filter":  "3",
		"-net.ipv4.conf.eth7.rp_filter": "",
		"net.ipv4.route.*":              "1",
	}.compile(linx.Self())
	if err != nil {
		t.Fatal(err)
	}
	conf := func(name string) key { return key("net/ipv4/conf/" + name + "/rp_filter") }
	got := w.expand(linx.Self(), []key{conf("eth0"), conf("eth1"), conf("eth7"), conf("lo"), conf("lo.5"), "net/ipv4/route/flush", "net/ipv4/route/gc_timeout"})
	want := map[key]Value{conf("eth0"): "3", conf("eth1"): "2", conf("lo"): "1", conf("lo.5"): "1", "net/ipv4/route/gc_timeout": "1"}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s is %q, want %q", k, got[k], v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Patterns that match one key are known to overlap.
func TestOverlap(t *testing.T) {
	part := rapid.StringMatching(`[ab*?]{1,3}`)
	name := rapid.StringMatching(`[ab]{1,3}`)
	rapid.Check(t, func(t *rapid.T) {
		p := pattern{glob: key("net/" + part.Draw(t, "p1") + "/" + part.Draw(t, "p2"))}
		q := pattern{glob: key("net/" + part.Draw(t, "q1") + "/" + part.Draw(t, "q2"))}
		k := key("net/" + name.Draw(t, "k1") + "/" + name.Draw(t, "k2"))
		if k.matches(p.glob) && k.matches(q.glob) && !p.overlaps(q) {
			t.Fatalf("%s matches %s and %s", k, p.glob, q.glob)
		}
	})
}

// Interfaces are set as they come, those that are excluded are not, and those that are no longer matched
// get back what they had.
func TestPatternFollowsInterfaces(t *testing.T) {
	linxtest.CheckLeaks(t)
	n := testns.New(t)
	n.Veth("v0.1", "w0")
	n.Veth("v9", "v8")
	loop := served(t, New(n.Namespace(), Options{RevertOnRelease: true}), Settings{
		"net.ipv4.conf.v*.arp_filter":    "1",
		"-net.ipv4.conf.v9.arp_filter":   "",
		"net.ipv4.conf.v8.arp_filter":    "0",
		"net.ipv4.neigh.*.gc_stale_time": "77",
	}, Config{Interval: reconcile.Never, Debounce: reconcile.Immediate})
	arp := func(name string) string { return look(t, n, "net/ipv4/conf/"+name+"/arp_filter") }
	if arp("v0.1") != "1" || arp("w0") != "0" || look(t, n, "net/ipv4/neigh/lo/gc_stale_time") != "77" {
		t.Error("not all that match are set")
	}
	n.Veth("v1", "w1")
	linxtest.Eventually(t, "a new interface is set", func() bool { return arp("v1") == "1" })
	if arp("v9") != "0" || arp("v8") != "0" {
		t.Error("a key is set that is excluded, or given itself")
	}
	if err := loop.PutDesired(Settings{"net.ipv4.conf.v0*.arp_filter": "1"}); err != nil {
		t.Fatal(err)
	}
	linxtest.Eventually(t, "what is not matched any more is reverted", func() bool {
		return arp("v1") == "0" && look(t, n, "net/ipv4/neigh/lo/gc_stale_time") == "60"
	})
	if arp("v0.1") != "1" {
		t.Error("what is still matched is not kept")
	}
	if _, err := loop.Release(t.Context()); err != nil || arp("v0.1") != "0" {
		t.Error(err)
	}
}

func TestPatternThatMatchesNothing(t *testing.T) {
	n := testns.New(t)
	r := reconciled(t, source(t, n.Namespace(), Options{}), Settings{"net.nonsense.*": "1", "net.ipv4.conf.zz*.arp_filter": "1"}, LastApplied{})
	if !r.Converged || len(r.Applied) > 0 {
		t.Errorf("%s", ops(r))
	}
	s := source(t, linx.Path(n.Path()+"absent"), Options{})
	if _, err := s.Reconcile(t.Context(), Settings{"net.ipv4.conf.*.arp_filter": "1"}, LastApplied{}, nil); !errors.Is(err, linx.ErrNamespaceGone) {
		t.Error(err)
	}
}
