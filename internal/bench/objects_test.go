package bench

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx/rtnl"
)

// All gateways changed with nexthop objects, against what it takes without: deleting and adding, with a dump
// before and after.
func BenchmarkChangeGatewaysOfObject(b *testing.B) {
	fam := families[0]
	through := func(dsts []netip.Prefix, via netip.Addr) rtnl.State {
		s := state(dsts, via, 0)
		for i := range s.Routes {
			s.Routes[i].Interface = "v0"
		}
		return s
	}
	for _, n := range sizes() {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			ns := world(b)
			f := newFloor(b, ns)
			dsts := destinations(fam.af, n)
			src := rtnl.New(ns.Namespace(), rtnl.Options{NexthopObjects: true})
			defer src.Close()
			var ours, floor []time.Duration
			for b.Loop() {
				var last rtnl.LastApplied
				pass(b, src, through(dsts, fam.gateway), &last)
				_, took := pass(b, src, through(dsts, fam.second), &last)
				ours = append(ours, took)
				pass(b, src, rtnl.State{}, &last)

				f.install(dsts, fam.gateway, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
				floor = append(floor, clock(func() {
					f.dump(fam.af, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
					f.remove(dsts, fam.gateway, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
					f.install(dsts, fam.second, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
					f.dump(fam.af, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
				}))
				f.remove(dsts, fam.second, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
			}
			ratio(b, ours, floor, n)
		})
	}
}
