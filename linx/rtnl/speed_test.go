package rtnl

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/internal/testns"
)

// many gives n routes of one family in a table.
func many(n int, v6 bool, table uint32) State {
	s := State{Addresses: []Address{{"v0", pfx("10.0.0.2/24")}}}
	gateway := ipa("10.0.0.1")
	if v6 {
		s.Addresses[0].Prefix, gateway = pfx("2001:db8::2/64"), ipa("2001:db8::1")
	}
	for i := range n {
		var dst netip.Prefix
		if v6 {
			dst = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb9, 0, byte(i >> 16), byte(i >> 8), byte(i)}), 64)
		} else {
			dst = netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(16 + i>>16), byte(i >> 8), byte(i), 0}), 24)
		}
		s.Routes = append(s.Routes, Route{Dst: dst, Gateway: gateway, Table: table})
	}
	return s
}

// TestScaling counts, as time would depend on the machine: what a pass allocates does not depend on how
// many routes are in place.
func TestScaling(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		var allocs []float64
		for _, n := range []int{500, 8000} {
			k := newKernel(t, Options{})
			state := many(n, v6, 0)
			k.converge(state)
			k.settled(state)
			allocs = append(allocs, testing.AllocsPerRun(5, func() { k.settled(state) }))
		}
		t.Logf("IPv6 %v: %v allocations", v6, allocs)
		if allocs[1] > allocs[0]+20 {
			t.Errorf("IPv6 %v: %v allocations for 500 routes, %v for 8000", v6, allocs[0], allocs[1])
		}
	}
}

// BenchmarkPass measures passes over 100,000 routes against a bare dump in the same run.
func BenchmarkPass(b *testing.B) {
	for _, v6 := range []bool{false, true} {
		b.Run(familyName(v6), func(b *testing.B) {
			n := testns.New(b)
			n.Veth("v0", "v1")
			src := New(n.Namespace(), Options{})
			defer src.Close()
			state := many(100000, v6, 0)
			var last LastApplied
			pass := func(state State) Report {
				r, err := src.Reconcile(context.Background(), state, last, nil)
				if err != nil {
					b.Fatal(err)
				}
				last = r.LastApplied
				return r
			}
			began := time.Now()
			r := pass(state)
			b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms-converge")
			for !r.Converged {
				r = pass(state)
			}
			var floor, ours time.Duration
			b.ReportAllocs()
			for b.Loop() {
				began := time.Now()
				bareDump(b, src, v6)
				floor += time.Since(began)
				began = time.Now()
				if r := pass(state); len(r.Applied) != 0 {
					b.Fatal("applied something")
				}
				ours += time.Since(began)
			}
			b.ReportMetric(float64(ours)/float64(floor), "x-floor")
			b.ReportMetric(float64(floor.Microseconds())/1000/float64(b.N), "ms-floor")
			b.ReportMetric(float64(ours.Microseconds())/1000/float64(b.N), "ms-ours")
		})
	}
}

func bareDump(b *testing.B, src *Source, v6 bool) {
	var batch rtnetlink.Batch
	askRoutes(&batch, v6, unix.RT_TABLE_MAIN, 0)
	n := 0
	if err := src.conn.Dump(context.Background(), &batch, func(uint16, []byte) error { n++; return nil }); err != nil || n < 100000 {
		b.Fatal(fmt.Sprint(n, err))
	}
}
