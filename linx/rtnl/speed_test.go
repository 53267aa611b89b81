package rtnl

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/internal/testns"
)

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
