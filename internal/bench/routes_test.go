package bench

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx/rtnl"
)

var million = flag.Bool("bench.million", false, "measure 1,000,000 routes as well")

func TestMain(m *testing.M) { testns.Main(m) }

func mustAddr(t testing.TB, s string) *netlink.Addr {
	a, err := netlink.ParseAddr(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func sizes() []int {
	s := []int{1_000, 10_000, 100_000}
	if *million {
		s = append(s, 1_000_000)
	}
	return s
}

// each runs f for both families and all sizes.
func each(b *testing.B, f func(b *testing.B, fam family, n int)) {
	for _, fam := range families {
		for _, n := range sizes() {
			b.Run(fmt.Sprintf("%s/%d", fam.name, n), func(b *testing.B) { f(b, fam, n) })
		}
	}
}

// state wants routes through one gateway.
func state(dsts []netip.Prefix, via netip.Addr, table uint32) rtnl.State {
	routes := make([]rtnl.Route, len(dsts))
	for i, d := range dsts {
		routes[i] = rtnl.Route{Dst: d, Gateway: via, Table: table}
	}
	return rtnl.State{Routes: routes}
}

// pass runs one and insists that it converged.
func pass(b *testing.B, src *rtnl.Source, desired rtnl.State, last *rtnl.LastApplied) (rtnl.Report, time.Duration) {
	b.Helper()
	var report rtnl.Report
	var err error
	took := clock(func() { report, err = src.Reconcile(context.Background(), desired, *last, nil) })
	if err != nil || !report.Converged {
		b.Fatalf("converged %v, error %v, failed %d, pending %d", report.Converged, err, len(report.Failed), len(report.Pending))
	}
	*last = report.LastApplied
	return report, took
}

// ratio reports the medians, per object, of ours and of the floor.
func ratio(b *testing.B, ours, floor []time.Duration, n int) {
	mine, least := median(ours), median(floor)
	b.ReportMetric(float64(mine.Nanoseconds())/float64(n), "ns/object")
	b.ReportMetric(float64(least.Nanoseconds())/float64(n), "floor-ns/object")
	b.ReportMetric(float64(mine)/float64(least), "x-floor")
}

func clock(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

// median sorts times.
func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2]
}

// First convergence, verified, against one thread that packs messages and one bare dump.
func BenchmarkConverge(b *testing.B) {
	each(b, func(b *testing.B, fam family, n int) {
		ns := world(b)
		f := newFloor(b, ns)
		dsts := destinations(fam.af, n)
		src := rtnl.New(ns.Namespace(), rtnl.Options{})
		defer src.Close()
		var ours, floor []time.Duration
		for b.Loop() {
			var last rtnl.LastApplied
			desired := state(dsts, fam.gateway, 0)
			_, took := pass(b, src, desired, &last)
			ours = append(ours, took)
			f.remove(dsts, fam.gateway, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)

			count := 0
			floor = append(floor, clock(func() {
				f.install(dsts, fam.gateway, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
				count = f.dump(fam.af, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
			}))
			if count != n {
				b.Fatalf("the floor installed %d routes, want %d", count, n)
			}
			f.remove(dsts, fam.gateway, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
		}
		ratio(b, ours, floor, n)
		peers(b, ns, f, dsts, fam.gateway, median(floor))
	})
}

// A pass that finds everything in place, against a bare dump; and what it allocates.
func BenchmarkInPlace(b *testing.B) {
	each(b, func(b *testing.B, fam family, n int) {
		ns := world(b)
		f := newFloor(b, ns)
		src := rtnl.New(ns.Namespace(), rtnl.Options{})
		defer src.Close()
		var last rtnl.LastApplied
		desired := state(destinations(fam.af, n), fam.gateway, 0)
		pass(b, src, desired, &last)
		pass(b, src, desired, &last)
		b.ReportAllocs()
		var ours, floor []time.Duration
		for b.Loop() {
			_, took := pass(b, src, desired, &last)
			ours = append(ours, took)
			floor = append(floor, clock(func() { f.dump(fam.af, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN) }))
		}
		ratio(b, ours, floor, n)
	})
}

// One route in a hundred is gone, against a dump, putting those back, and a dump.
func BenchmarkDriftOfOnePercent(b *testing.B) {
	each(b, func(b *testing.B, fam family, n int) {
		ns := world(b)
		f := newFloor(b, ns)
		dsts := destinations(fam.af, n)
		gone := dsts[:n/100]
		var last rtnl.LastApplied
		desired := state(dsts, fam.gateway, 0)
		var ours, floor []time.Duration
		for b.Loop() {
			src := rtnl.New(ns.Namespace(), rtnl.Options{}) // to one that did it before it would be a fight
			pass(b, src, desired, &last)
			pass(b, src, desired, &last)
			f.remove(gone, fam.gateway, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
			_, took := pass(b, src, desired, &last)
			ours = append(ours, took)
			src.Close()

			f.remove(gone, fam.gateway, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
			floor = append(floor, clock(func() {
				f.dump(fam.af, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
				f.install(gone, fam.gateway, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
				f.dump(fam.af, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
			}))
		}
		ratio(b, ours, floor, n)
	})
}

// All removed, against a dump, deleting, and a dump of nothing.
func BenchmarkRemoveAll(b *testing.B) {
	each(b, func(b *testing.B, fam family, n int) {
		ns := world(b)
		f := newFloor(b, ns)
		dsts := destinations(fam.af, n)
		src := rtnl.New(ns.Namespace(), rtnl.Options{})
		defer src.Close()
		var ours, floor []time.Duration
		for b.Loop() {
			var last rtnl.LastApplied
			pass(b, src, state(dsts, fam.gateway, 0), &last)
			_, took := pass(b, src, rtnl.State{}, &last)
			ours = append(ours, took)

			f.install(dsts, fam.gateway, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
			floor = append(floor, clock(func() {
				f.dump(fam.af, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
				f.remove(dsts, fam.gateway, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
				f.dump(fam.af, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
			}))
		}
		ratio(b, ours, floor, n)
	})
}

// All gateways changed, against deleting and adding, with a dump before and after.
func BenchmarkChangeGateways(b *testing.B) {
	each(b, func(b *testing.B, fam family, n int) {
		ns := world(b)
		f := newFloor(b, ns)
		dsts := destinations(fam.af, n)
		src := rtnl.New(ns.Namespace(), rtnl.Options{})
		defer src.Close()
		var ours, floor []time.Duration
		for b.Loop() {
			var last rtnl.LastApplied
			pass(b, src, state(dsts, fam.gateway, 0), &last)
			_, took := pass(b, src, state(dsts, fam.second, 0), &last)
			ours = append(ours, took)

			floor = append(floor, clock(func() {
				f.dump(fam.af, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
				f.remove(dsts, fam.second, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
				f.install(dsts, fam.gateway, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
				f.dump(fam.af, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
			}))
			f.remove(dsts, fam.gateway, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
		}
		ratio(b, ours, floor, n)
	})
}

// Ten of ours among 100,000 of others, in one table and in a table of our own, against the dump that the
// kernel filters.
func BenchmarkTenAmongForeign(b *testing.B) {
	const foreign, protocol = 100_000, 42
	for _, table := range []uint32{unix.RT_TABLE_MAIN, 1000} {
		b.Run(fmt.Sprintf("table/%d", table), func(b *testing.B) {
			ns := world(b)
			f := newFloor(b, ns)
			fam := families[0]
			dsts := destinations(fam.af, foreign+10)
			f.install(dsts[10:], fam.gateway, protocol, unix.RT_TABLE_MAIN)
			src := rtnl.New(ns.Namespace(), rtnl.Options{})
			defer src.Close()
			var last rtnl.LastApplied
			desired := state(dsts[:10], fam.gateway, table)
			pass(b, src, desired, &last)
			pass(b, src, desired, &last)
			var ours, floor []time.Duration
			for b.Loop() {
				_, took := pass(b, src, desired, &last)
				ours = append(ours, took)
				count := 0
				floor = append(floor, clock(func() { count = f.dump(fam.af, rtnl.DefaultProtocol, table) }))
				if count != 10 {
					b.Fatalf("%d of ours, want 10", count)
				}
			}
			ratio(b, ours, floor, 1)
		})
	}
}

// What a source keeps for each route, beyond the desired state itself.
func BenchmarkMemory(b *testing.B) {
	const n = 100_000
	ns := world(b)
	dsts := destinations(unix.AF_INET, n)
	desired := state(dsts, families[0].gateway, 0)
	var kept uint64
	for b.Loop() {
		before := heap()
		src := rtnl.New(ns.Namespace(), rtnl.Options{})
		var last rtnl.LastApplied
		pass(b, src, desired, &last)
		pass(b, src, desired, &last)
		kept += heap() - before
		pass(b, src, rtnl.State{}, &last)
		src.Close()
		runtime.KeepAlive(last)
	}
	b.ReportMetric(float64(kept)/float64(b.N)/n, "B/route")
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
