package rtnl

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/linx-go/linx-go/internal/testns"
)

// kernel is a namespace with the veth pair v0, v1 in it, and a source that has it to itself.
type kernel struct {
	*testns.Net
	t    *testing.T
	src  *Source
	last LastApplied
}

func newKernel(t *testing.T, opts Options) *kernel {
	t.Helper()
	n := testns.New(t)
	n.Veth("v0", "v1")
	k := &kernel{Net: n, t: t, src: New(n.Namespace(), opts)}
	t.Cleanup(func() { k.src.Close() })
	// Without duplicate address detection IPv6 addresses can be used at once.
	k.sysctl("net/ipv6/conf/v0/accept_dad", "0")
	k.sysctl("net/ipv6/conf/v1/accept_dad", "0")
	return k
}

// pass runs one pass and keeps its ownership.
func (k *kernel) pass(state State) Report {
	k.t.Helper()
	report, err := k.src.Reconcile(k.t.Context(), state, k.last, nil)
	k.last = report.LastApplied
	if err != nil {
		k.t.Fatal(err)
	}
	return report
}

// converge runs one pass, which must converge, or more while duplicate address detection is under way: that
// takes the kernel a moment even where there is none to do. The report has what all of them did.
func (k *kernel) converge(state State) Report {
	k.t.Helper()
	var report Report
	k.eventually(func() bool {
		before := report.Applied
		report = k.pass(state)
		report.Applied = append(before, report.Applied...)
		for _, f := range report.Pending {
			if !strings.Contains(f.String(), "duplicate address detection") {
				k.t.Fatalf("not converged: %s", show(report))
			}
		}
		return len(report.Pending) == 0
	})
	if !report.Converged {
		k.t.Fatalf("not converged: %s", show(report))
	}
	return report
}

// eventually waits for a condition, which it tries again and again.
func (k *kernel) eventually(ok func() bool) {
	k.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	ctx, stop := context.WithTimeout(k.t.Context(), 20*time.Second)
	defer stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			k.t.Fatal("it never came")
		}
	}
}

// settled runs one pass, which must find nothing to do.
func (k *kernel) settled(state State) {
	k.t.Helper()
	if report := k.converge(state); len(report.Applied) != 0 {
		k.t.Fatalf("not settled: %s", show(report))
	}
}

func show(r Report) string {
	r.LastApplied = LastApplied{} // rarely of interest, and long
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func applied(r Report) []string {
	var out []string
	for _, op := range r.Applied {
		out = append(out, op.String())
	}
	return out
}

// wantApplied checks what a pass did.
func (k *kernel) wantApplied(r Report, want ...string) {
	k.t.Helper()
	if got := applied(r); !slices.Equal(got, want) {
		k.t.Fatalf("applied\n\t%s\nnot\n\t%s\n%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"), show(r))
	}
}

// run is ip(8) where that is installed; where not, the test is skipped.
func (k *kernel) run(command string) string { return k.IP(strings.Fields(command)...) }

func (k *kernel) sysctl(key, value string) {
	k.t.Helper()
	k.Do(func() {
		if err := os.WriteFile("/proc/sys/"+key, []byte(value), 0o644); err != nil {
			k.t.Fatal(err)
		}
	})
}

// ipRoutes gives a table's routes but the kernel's, in the words of ip(8), sorted: the witness that shares
// no code with us.
func (k *kernel) ipRoutes(table string) []string {
	k.t.Helper()
	var out []string
	for _, family := range []string{"-4", "-6"} {
		var routes []map[string]any
		if s := k.IP(family, "-json", "route", "show", "table", table); strings.TrimSpace(s) != "" {
			if err := json.Unmarshal([]byte(s), &routes); err != nil {
				k.t.Fatalf("%v: %s", err, s)
			}
		}
		for _, r := range routes {
			if r["protocol"] == "kernel" || strings.HasPrefix(fmt.Sprint(r["dst"]), "fe80") || r["dst"] == "multicast" {
				continue
			}
			var words []string
			if r["type"] != nil {
				words = append(words, fmt.Sprint(r["type"]))
			}
			words = append(words, fmt.Sprint(r["dst"]))
			for _, key := range []string{"tos", "gateway", "dev", "metric", "scope", "prefsrc", "protocol"} {
				if v, ok := r[key]; ok && !(key == "metric" && v == 1024.0) {
					words = append(words, key, fmt.Sprint(v))
				}
			}
			hops, _ := r["nexthops"].([]any)
			for _, hop := range hops {
				words = append(words, "nexthop", fmt.Sprint(hop.(map[string]any)["gateway"]))
			}
			out = append(out, strings.Join(words, " "))
		}
	}
	slices.Sort(out)
	return out
}

// addresses gives an interface's addresses but the kernel's, by another library.
func (k *kernel) addresses(name string) []string {
	k.t.Helper()
	link, err := k.Netlink().LinkByName(name)
	if err != nil {
		k.t.Fatal(err)
	}
	list, err := k.Netlink().AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		k.t.Fatal(err)
	}
	var out []string
	for _, a := range list {
		if !a.IP.IsLinkLocalUnicast() {
			out = append(out, a.IPNet.String())
		}
	}
	slices.Sort(out)
	return out
}

// addAddress adds an address that is another's.
func (k *kernel) addAddress(name, prefix string) {
	k.t.Helper()
	if err := k.Netlink().AddrAdd(k.link(name), k.addr(prefix)); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kernel) delAddress(name, prefix string) {
	k.t.Helper()
	if err := k.Netlink().AddrDel(k.link(name), k.addr(prefix)); err != nil {
		k.t.Fatal(err)
	}
}

func (k *kernel) addr(prefix string) *netlink.Addr {
	a, err := netlink.ParseAddr(prefix)
	if err != nil {
		k.t.Fatal(err)
	}
	return a
}

func (k *kernel) link(name string) netlink.Link {
	k.t.Helper()
	link, err := k.Netlink().LinkByName(name)
	if err != nil {
		k.t.Fatal(err)
	}
	return link
}

// route makes another library's route of one of ours.
func (k *kernel) route(r Route, protocol int) *netlink.Route {
	k.t.Helper()
	p := packRoute(&r, 0)
	out := &netlink.Route{
		Table: int(p.table), Priority: int(r.Metric), Protocol: netlink.RouteProtocol(protocol), Type: int(p.kind), Tos: int(r.TOS),
		Scope: netlink.Scope(p.scope), MTU: int(r.MTU), AdvMSS: int(r.AdvMSS),
	}
	if r.OnLink {
		out.SetFlag(netlink.FLAG_ONLINK)
	}
	_, out.Dst, _ = net.ParseCIDR(p.dst.prefix(p.v6, p.bits).String())
	if r.Gateway.IsValid() {
		out.Gw = r.Gateway.AsSlice()
	}
	if r.Source.IsValid() {
		out.Src = r.Source.AsSlice()
	}
	if r.Interface != "" {
		out.LinkIndex = k.link(r.Interface).Attrs().Index
	}
	return out
}

// protocols gives the protocols of the routes to a destination in a table, in the kernel's order.
func (k *kernel) protocols(table int, dst string) []int {
	k.t.Helper()
	family := netlink.FAMILY_V4
	if netip.MustParsePrefix(dst).Addr().Is6() {
		family = netlink.FAMILY_V6
	}
	list, err := k.Netlink().RouteListFiltered(family, &netlink.Route{Table: table}, netlink.RT_FILTER_TABLE)
	if err != nil {
		k.t.Fatal(err)
	}
	var out []int
	for _, r := range list {
		if r.Dst.String() == dst {
			out = append(out, int(r.Protocol))
		}
	}
	return out
}

// during runs a pass in the middle of which, once it has observed and claims, another does something.
func (k *kernel) during(state State, do func()) Report {
	k.t.Helper()
	once := false
	r, err := k.src.Reconcile(k.t.Context(), state, k.last, func(LastApplied) error {
		if !once {
			do()
		}
		once = true
		return nil
	})
	if err != nil {
		k.t.Fatal(err)
	}
	k.last = r.LastApplied
	return r
}
