package rtnl

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestForeignWriter: another writer adds, replaces and deletes routes of the same destinations as ours, in
// a tight loop, while ours are updated thousands of times, from each shape to the next. By the kernel's events,
// no route of theirs is ever removed by us, and none of theirs is replaced by one of ours; in the end ours are
// as desired.
func TestForeignWriter(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		gw := func(n int) netip.Addr { return rivalGateway(v6, n) }
		hops := func(list ...NextHop) Route { return Route{NextHops: list} }
		way := func(n int, weight uint16) NextHop { return NextHop{Gateway: gw(n), Weight: weight} }
		wide := hops(way(6, 1), way(0, 1))
		wide.MTU = 1400
		several := []Route{
			hops(way(0, 1), way(5, 1)), hops(way(0, 1), way(6, 1)), hops(way(5, 1), way(7, 3)), hops(way(5, 2), way(7, 1)),
			{Gateway: gw(5)}, wide,
		}
		t.Run(familyName(v6), func(t *testing.T) {
			foreignWriter(t, v6, 2000, nil, func(n, round int) Route {
				r := Route{Gateway: gw((round + n) % 5)}
				if round%3 == 0 {
					r.MTU = uint32(1300 + round%7)
				}
				return r
			})
		})
		t.Run(familyName(v6)+", several ways", func(t *testing.T) {
			foreignWriter(t, v6, 500, nil, func(n, round int) Route { return several[(round+n)%len(several)] })
		})
		if v6 {
			continue
		}
		objects := []NexthopObject{
			{ID: 5, Gateway: gw(0), Interface: "v0"}, {ID: 6, Gateway: gw(5), Interface: "v0"},
			{ID: 9, Group: []NexthopMember{{ID: 5}, {ID: 6}}},
		}
		t.Run("nexthop objects", func(t *testing.T) {
			shapes := []Route{{NextHopID: 5}, {NextHopID: 9}, {Gateway: gw(0), Interface: "v0"}, several[0], {NextHopID: 6}}
			foreignWriter(t, v6, 500, objects, func(n, round int) Route { return shapes[(round+n)%len(shapes)] })
		})
	}
}

const rivals = 8 // destinations

func rivalGateway(v6 bool, n int) netip.Addr {
	if v6 {
		return ipa(fmt.Sprintf("2001:db8::%x", 16+n))
	}
	return ipa(fmt.Sprintf("10.0.0.%d", 16+n))
}

// foreignWriter has us change the routes to all destinations, round by round, until there have been enough
// updates.
func foreignWriter(t *testing.T, v6 bool, enough int, objects []NexthopObject, route func(n, round int) Route) {
	k := newKernel(t, Options{})
	addresses := []Address{on("v0", "10.0.0.2/24"), on("v0", "2001:db8::2/64")}
	dst := func(n int) netip.Prefix {
		if v6 {
			return pfx(fmt.Sprintf("2001:db8:%x::/48", n+1))
		}
		return pfx(fmt.Sprintf("10.%d.0.0/16", n+1))
	}
	state := func(round int) State {
		s := State{Addresses: addresses, Nexthops: objects}
		for n := range rivals {
			r := route(n, round)
			r.Dst, r.Metric = dst(n), 10
			s.Routes = append(s.Routes, r)
		}
		return s
	}
	k.converge(State{Addresses: addresses})
	w := k.watchRoutes()

	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	// The writer is ahead of the reader of the events by no more than the test's receive buffer holds.
	ahead := make(chan struct{}, 64)
	var theirs atomic.Int64
	var writer sync.WaitGroup
	handle := k.writer()
	var foreign [rivals][3]*netlink.Route
	for n := range foreign {
		for g := range foreign[n] {
			foreign[n][g] = k.route(Route{Dst: dst(n), Gateway: rivalGateway(v6, g), Metric: 10}, unix.RTPROT_STATIC)
		}
	}
	writer.Go(func() {
		defer handle.Close()
		for n := 0; ; n++ {
			select {
			case ahead <- struct{}{}:
			case <-ctx.Done():
				return
			}
			r := foreign[n%rivals][n%3]
			var err error
			switch n / rivals % 6 {
			case 0:
				err = handle.RouteAdd(r)
			case 1:
				err = handle.RouteReplace(r)
			case 2:
				err = handle.RouteAppend(r)
			default:
				err = handle.RouteDel(r)
			}
			if err == nil {
				theirs.Add(1)
			}
		}
	})
	var ours, updates int
	port := k.src.conn.PortID()
	check := func() {
		events, lost := w.drain()
		for len(ahead) > 0 {
			<-ahead
		}
		if lost {
			t.Error("the test lost events")
		}
		for _, e := range events {
			mine := e.portID == port
			switch {
			case mine && e.typ == unix.RTM_DELROUTE && e.protocol != us:
				t.Errorf("we deleted %v of protocol %d", e.unpack(""), e.protocol)
			case mine && e.typ == unix.RTM_NEWROUTE && e.flags&unix.NLM_F_REPLACE != 0:
				t.Errorf("we replaced: %v", e.unpack(""))
			case mine:
				ours++
			}
		}
	}
	var reader sync.WaitGroup
	reader.Go(func() {
		for ctx.Err() == nil {
			w.wait()
			check()
		}
	})
	for round := 0; (updates < enough || theirs.Load() < int64(enough)) && ctx.Err() == nil; round++ {
		r := k.pass(state(round)) // may well not converge
		for _, op := range r.Applied {
			if op.Verb == Update {
				updates++
			}
		}
	}
	stop()
	writer.Wait()
	reader.Wait()
	check()
	t.Logf("%d changes and %d updates of ours against %d of theirs", ours, updates, theirs.Load())
	if updates < enough || theirs.Load() < int64(enough) {
		t.Error("that was no race")
	}

	// Once they have gone, ours are as desired.
	k.deleteAll(unix.RTPROT_STATIC)
	k.converge(state(1))
	k.settled(state(1))
	k.converge(State{Addresses: addresses})
	if left := k.ipRoutes("main"); len(left) != 0 {
		t.Error("left:", left)
	}
}

// writer is a handle for another goroutine than the test's.
func (k *kernel) writer() *netlink.Handle {
	var h *netlink.Handle
	var err error
	k.Do(func() { h, err = netlink.NewHandle(unix.NETLINK_ROUTE) })
	if err != nil {
		k.t.Fatal(err)
	}
	return h
}

// deleteAll deletes all routes of a protocol.
func (k *kernel) deleteAll(protocol int) {
	k.t.Helper()
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		for range 100 { // IPv6 shows merged routes by the first one's protocol
			list, err := k.Netlink().RouteListFiltered(family, &netlink.Route{Protocol: netlink.RouteProtocol(protocol)}, netlink.RT_FILTER_PROTOCOL)
			if err != nil {
				k.t.Fatal(err)
			}
			if len(list) == 0 {
				break
			}
			for _, r := range list {
				for _, hop := range r.MultiPath {
					one := r
					one.MultiPath, one.Gw, one.LinkIndex = nil, hop.Gw, hop.LinkIndex
					k.Netlink().RouteDel(&one)
				}
				if len(r.MultiPath) == 0 {
					k.Netlink().RouteDel(&r)
				}
			}
		}
	}
}
