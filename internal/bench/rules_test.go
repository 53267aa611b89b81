package bench

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx/rtnl"
)

const manyRules = 1000

// ruleState wants a rule for each of many sources.
func ruleState() (s rtnl.State) {
	for i, from := range destinations(unix.AF_INET, manyRules) {
		s.Rules = append(s.Rules, rtnl.Rule{Priority: uint32(1000 + i), From: from, Table: 100})
	}
	return s
}

// rules sends one request for each, 128 a sendmsg.
func (f *floor) rules(typ, flags uint16, list []rtnl.Rule) {
	last := 0
	for i := range list {
		r := &list[i]
		last = f.begin(typ, flags, unix.AF_INET, 0, byte(r.From.Bits()), 0, byte(r.Table), 0, 0, unix.FR_ACT_TO_TBL, 0, 0, 0, 0)
		f.attr(unix.FRA_PRIORITY, native.AppendUint32(nil, r.Priority))
		f.attr(unix.FRA_PROTOCOL, []byte{rtnl.DefaultProtocol})
		f.attr(unix.FRA_SRC, r.From.Addr().AsSlice())
		f.end(last)
		if i%128 == 127 {
			f.flush(last)
		}
	}
	f.flush(last)
}

// dumpRules reads those of IPv4.
func (f *floor) dumpRules() (count int) {
	f.end(f.begin(unix.RTM_GETRULE, unix.NLM_F_DUMP, unix.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
	return f.count()
}

// First convergence of 1,000 rules, verified, against packing messages and one bare dump.
func BenchmarkRulesConverge(b *testing.B) {
	ns := world(b)
	f := newFloor(b, ns)
	src := rtnl.New(ns.Namespace(), rtnl.Options{})
	defer src.Close()
	var ours, floor []time.Duration
	for b.Loop() {
		var last rtnl.LastApplied
		desired := ruleState()
		_, took := pass(b, src, desired, &last)
		ours = append(ours, took)
		f.rules(unix.RTM_DELRULE, 0, desired.Rules)

		count := 0
		floor = append(floor, clock(func() {
			f.rules(unix.RTM_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, desired.Rules)
			count = f.dumpRules()
		}))
		if count < manyRules {
			b.Fatalf("the floor installed %d rules, want %d", count, manyRules)
		}
		f.rules(unix.RTM_DELRULE, 0, desired.Rules)
	}
	ratio(b, ours, floor, manyRules)
}

// 1,000 rules in place, against a bare dump.
func BenchmarkRulesInPlace(b *testing.B) {
	ns := world(b)
	f := newFloor(b, ns)
	src := rtnl.New(ns.Namespace(), rtnl.Options{})
	defer src.Close()
	var last rtnl.LastApplied
	desired := ruleState()
	pass(b, src, desired, &last)
	pass(b, src, desired, &last)
	b.ReportAllocs()
	var ours, floor []time.Duration
	for b.Loop() {
		_, took := pass(b, src, desired, &last)
		ours = append(ours, took)
		floor = append(floor, clock(func() { f.dumpRules() }))
	}
	ratio(b, ours, floor, manyRules)
}

// 1,000 neighbours in place, against a bare dump.
func BenchmarkNeighborsInPlace(b *testing.B) {
	const n = 1000
	ns := world(b)
	f := newFloor(b, ns)
	var desired rtnl.State
	addr := netip.MustParseAddr("10.0.1.0")
	for range n {
		addr = addr.Next()
		desired.Neighbors = append(desired.Neighbors, rtnl.Neighbor{Interface: "v0", Destination: addr, LinkAddr: rtnl.MAC{2, 5: 1}})
	}
	src := rtnl.New(ns.Namespace(), rtnl.Options{})
	defer src.Close()
	var last rtnl.LastApplied
	pass(b, src, desired, &last)
	pass(b, src, desired, &last)
	b.ReportAllocs()
	var ours, floor []time.Duration
	for b.Loop() {
		_, took := pass(b, src, desired, &last)
		ours = append(ours, took)
		floor = append(floor, clock(func() {
			f.end(f.begin(unix.RTM_GETNEIGH, unix.NLM_F_DUMP, append([]byte{unix.AF_INET}, make([]byte, 11)...)...))
			f.count()
		}))
	}
	ratio(b, ours, floor, n)
}
