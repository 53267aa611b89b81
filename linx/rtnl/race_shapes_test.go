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

// raceShapes are all shapes that a route of ours takes, and those without an encapsulation another's too.
var raceShapes = map[string][]Route{
	"IPv4": {
		{Gateway: ipa("10.0.0.1")},
		{Gateway: ipa("10.0.0.1"), MTU: 1400},
		{Gateway: ipa("10.0.0.1"), Source: ipa("10.0.0.3")},
		{Gateway: ipa("10.0.0.1"), AdvMSS: 1300},
		{Gateway: ipa("10.9.9.9"), Interface: "v0", OnLink: true},
		{Gateway: ipa("10.0.0.9")},
		{Interface: "v0"},
		{Interface: "v1"},
		{Type: Blackhole},
		{Type: Unreachable},
		{Type: Prohibit},
		{Type: Throw},
		{Type: Local, Interface: "lo"},
	},
	"IPv6": {
		{Gateway: ipa("2001:db8::1")},
		{Gateway: ipa("2001:db8::1"), MTU: 1400},
		{Gateway: ipa("2001:db8::1"), Source: ipa("2001:db8::2")},
		{Gateway: ipa("2001:db8::1"), AdvMSS: 1300},
		{Gateway: ipa("2001:db8:ff::9"), Interface: "v0", OnLink: true},
		{Gateway: ipa("2001:db8::9")},
		{Interface: "v0"},
		{Interface: "v1"},
		{Type: Blackhole},
		{Type: Unreachable},
		{Type: Prohibit},
		{Type: Throw},
		{Type: Local, Interface: "lo"},
	},
}

// TestShapesUnderForeignWriter changes routes from shape to shape, while another writer keeps adding one of
// any shape to the same places and deleting it. It always finds its own as it left it, and no deletion of
// ours leaves a destination without a route, unless theirs went right before: that one was in our way, or
// enough.
func TestShapesUnderForeignWriter(t *testing.T) {
	for family, shapes := range raceShapes {
		t.Run(family, func(t *testing.T) { raceShape(newKernel(t, Options{}), family, shapes) })
	}
}

func raceShape(k *kernel, family string, shapes []Route) {
	dst := func(n int) netip.Prefix {
		if family == "IPv6" {
			return pfx(fmt.Sprintf("2001:db8:%x::/48", n+1))
		}
		return pfx(fmt.Sprintf("10.%d.0.0/16", n+1))
	}
	at := func(n int, r Route) Route { r.Dst, r.Metric = dst(n), 10; return r }
	addresses := []Address{on("v0", "10.0.0.2/24"), on("v0", "10.0.0.3/24"), on("v0", "2001:db8::2/64")}
	mine := shapes
	k.t.Run("encap", func(t *testing.T) { // which is skipped where the kernel has none
		for _, e := range k.encaps(t, family) {
			gateway, device := shapes[0], shapes[6]
			gateway.Encap, device.Encap = e, e
			mine = append(mine[:len(mine):len(mine)], gateway, device)
		}
	})
	state := func(round int) State {
		s := State{Addresses: addresses}
		for n := range rivals {
			s.Routes = append(s.Routes, at(n, mine[(round*(n+1)+n)%len(mine)]))
		}
		return s
	}
	k.converge(State{Addresses: addresses})
	var foreign [rivals][]*netlink.Route
	for n := range foreign {
		for _, r := range shapes {
			foreign[n] = append(foreign[n], k.route(at(n, r), unix.RTPROT_STATIC))
		}
	}
	w := k.watchRoutes()
	ctx, stop := context.WithTimeout(k.t.Context(), time.Minute)
	defer stop()
	ahead := make(chan struct{}, 64) // no more events than the test's receive buffer holds
	var theirs atomic.Int64
	var writer sync.WaitGroup
	handle := k.writer()
	writer.Go(func() {
		defer handle.Close()
		var there [rivals]*netlink.Route
		remove := func(d int) {
			if err := handle.RouteDel(there[d]); err != nil {
				k.t.Errorf("theirs was gone, or changed: %v: %v", there[d], err)
			}
			there[d] = nil
			theirs.Add(1)
		}
		for n := 0; ctx.Err() == nil; n++ {
			select {
			case ahead <- struct{}{}:
			case <-ctx.Done():
				continue
			}
			d, add := n%rivals, handle.RouteAdd
			if n/rivals%2 == 0 {
				add = handle.RouteAppend
			}
			if there[d] != nil {
				remove(d)
			} else if r := foreign[d][n/rivals%len(shapes)]; add(r) == nil {
				there[d] = r
				theirs.Add(1)
			}
		}
		for d := range there {
			if there[d] != nil {
				remove(d)
			}
		}
	})
	standing, deserted := make(map[ip]int), make(map[ip]bool)
	check := func() {
		events := w.mustDrain()
		for len(ahead) > 0 {
			<-ahead
		}
		for _, e := range events {
			if e.protocol == unix.RTPROT_KERNEL {
				continue
			}
			ours := e.portID == k.src.conn.PortID()
			if standing[e.dst]++; e.typ == unix.RTM_DELROUTE {
				standing[e.dst] -= 2
			}
			switch {
			case ours && e.typ == unix.RTM_DELROUTE && e.protocol != us:
				k.t.Errorf("we deleted %v of protocol %d", e.unpack(""), e.protocol)
			case ours && e.flags&unix.NLM_F_REPLACE != 0:
				k.t.Errorf("we replaced: %v", e.unpack(""))
			case ours && standing[e.dst] < 1 && !deserted[e.dst]:
				k.t.Errorf("we left nothing where %v was", e.unpack(""))
			}
			deserted[e.dst] = !ours && e.typ == unix.RTM_DELROUTE
		}
	}
	const enough = 500
	updates := 0
	for round := 0; (updates < enough || theirs.Load() < enough) && ctx.Err() == nil; round++ {
		for _, op := range k.pass(state(round)).Applied { // may well not converge
			if op.Verb == Update {
				updates++
			}
		}
		check()
	}
	stop()
	writer.Wait()
	check()
	k.t.Logf("%d updates of ours against %d changes of theirs", updates, theirs.Load())
	if updates < enough || theirs.Load() < enough {
		k.t.Error("that was no race")
	}
	for round := range len(mine) {
		k.converge(state(round))
		k.settled(state(round))
	}
	k.converge(State{Addresses: addresses})
	if left := k.ipRoutes("main"); len(left) != 0 {
		k.t.Error("left:", left)
	}
}
