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
// a tight loop, while ours are updated thousands of times. By the kernel's events, no route of theirs is
// ever removed by us, and none of theirs is replaced by one of ours; in the end ours are as desired.
func TestForeignWriter(t *testing.T) {
	for _, family := range []string{"IPv4", "IPv6"} {
		t.Run(family, func(t *testing.T) { foreignWriter(t, family == "IPv6") })
	}
}

const rivals = 8 // destinations

func foreignWriter(t *testing.T, v6 bool) {
	k := newKernel(t, Options{})
	addresses := []Address{on("v0", "10.0.0.2/24"), on("v0", "2001:db8::2/64")}
	gateway := func(n int) netip.Addr {
		if v6 {
			return ipa(fmt.Sprintf("2001:db8::%x", 16+n))
		}
		return ipa(fmt.Sprintf("10.0.0.%d", 16+n))
	}
	dst := func(n int) netip.Prefix {
		if v6 {
			return pfx(fmt.Sprintf("2001:db8:%x::/48", n+1))
		}
		return pfx(fmt.Sprintf("10.%d.0.0/16", n+1))
	}
	state := func(round int) State {
		s := State{Addresses: addresses}
		for n := range rivals {
			r := Route{Dst: dst(n), Gateway: gateway((round + n) % 5), Metric: 10}
			if round%3 == 0 {
				r.MTU = uint32(1300 + round%7)
			}
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
			foreign[n][g] = k.route(Route{Dst: dst(n), Gateway: gateway(g), Metric: 10}, unix.RTPROT_STATIC)
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
	for round := 0; (updates < 2000 || theirs.Load() < 2000) && ctx.Err() == nil; round++ {
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
	if updates < 2000 || theirs.Load() < 2000 {
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
