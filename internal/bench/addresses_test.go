package bench

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx/rtnl"
)

// 3,000 addresses in place, against a bare dump.
func BenchmarkAddressesInPlace(b *testing.B) {
	const n = 3000
	ns := world(b)
	f := newFloor(b, ns)
	var desired rtnl.State
	for _, dst := range destinations(unix.AF_INET, n) {
		desired.Addresses = append(desired.Addresses, rtnl.Address{
			Interface: "v0", Prefix: netip.PrefixFrom(dst.Addr().Next(), dst.Bits()),
		})
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
		count := 0
		floor = append(floor, clock(func() { count = f.dumpAddresses() }))
		if count < n {
			b.Fatalf("%d addresses, want %d", count, n)
		}
	}
	ratio(b, ours, floor, n)
}
