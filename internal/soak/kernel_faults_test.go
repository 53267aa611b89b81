package soak

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx/rtnl"
)

// addressDeleted deletes an address of ours, if it is there.
func addressDeleted(r *rand.Rand) step {
	n, which, side := r.IntN(places), r.IntN(4), r.IntN(2) == 0
	what := fmt.Sprintf("place %d: address %d deleted, side: %v", n, which, side)
	return step{"address deleted", what, func(w *world) {
		p := w.places[n]
		all := p.state(side).Addresses
		if which >= len(all) {
			return
		}
		p.checkForeign("before an address is deleted")
		_ = deleteAddress(p.Netlink(), all[which]) // it may not be there at the moment
		for n := range disputes {
			p.taken[n] = p.taken[n] && disputed(n) != all[which]
		}
		p.restore() // what was its secondary is gone
	}}
}

// routeDeleted deletes a route of ours, if it is there.
func routeDeleted(r *rand.Rand) step {
	n, which, side := r.IntN(places), r.IntN(routes+routes6), r.IntN(2) == 0
	return step{"route deleted", fmt.Sprintf("place %d: route %d deleted, side: %v", n, which, side), func(w *world) {
		p := w.places[n]
		all, protocol := p.state(side).Routes, mainProtocol
		if side {
			protocol = sideProtocol
		}
		if which >= len(all) {
			return
		}
		if route, err := netlinkRoute(p.Netlink(), all[which]); err == nil {
			route.Protocol = netlink.RouteProtocol(protocol)
			_ = p.Netlink().RouteDel(route)
		}
	}}
}

// routeReplaced does "ip route replace" to a route of side, which takes over what has its routes' places.
func routeReplaced(r *rand.Rand) step {
	n, which := r.IntN(places), r.IntN(routes)
	return step{"route replaced", fmt.Sprintf("place %d: route %d replaced", n, which), func(w *world) {
		p := w.places[n]
		if all := p.side.desired.Routes; which < len(all) && all[which].Dst.Addr().Is4() {
			p.replace(all[which])
		}
	}}
}

func (p *place) replace(ours rtnl.Route) {
	p.w.t.Helper()
	theirs := rtnl.Route{Dst: ours.Dst, Table: ours.Table, Gateway: addr("198.51.100.99"), Interface: "w0"}
	route, err := netlinkRoute(p.Netlink(), theirs)
	if err == nil {
		err = p.Netlink().RouteReplace(route)
	}
	if err != nil {
		p.w.fail("%s: replacing %v: %v", p.name, ours, err)
	}
	p.replaced = append(p.replaced, theirs)
}

// takeBack deletes what has replaced routes of side, and that side wanted no more before it could take it
// over.
func (p *place) takeBack() {
	for _, theirs := range p.replaced {
		if route, err := netlinkRoute(p.Netlink(), theirs); err == nil {
			_ = p.Netlink().RouteDel(route)
		}
	}
	p.replaced = nil
}

// slotToggled has another writer put something there, or take it away.
func slotToggled(r *rand.Rand) step {
	n, i := r.IntN(places), r.IntN(len(slots))
	return step{"foreign toggled", fmt.Sprintf("place %d: %v toggled", n, &slots[i]), func(w *world) {
		if p := w.places[n]; !slots[i].fixed {
			p.checkForeign("before a change of theirs")
			p.toggle(i)
		}
	}}
}

// addressTaken has another writer make an address of its own just as main wants it now or later, or delete
// whoever's is there.
func addressTaken(r *rand.Rand) step {
	n, which, make := r.IntN(places), r.IntN(disputes), r.IntN(3) != 0
	return step{"address taken", fmt.Sprintf("place %d: disputed address %d, made: %v", n, which, make), func(w *world) {
		p := w.places[n]
		p.checkForeign("before an address is taken")
		_ = deleteAddress(p.Netlink(), disputed(which))
		p.taken[which] = false
		if make {
			p.taken[which] = p.first(addAddress(p.Netlink(), disputed(which)))
		}
	}}
}

// routeTaken is addressTaken for a route.
func routeTaken(r *rand.Rand) step {
	n, make := r.IntN(places), r.IntN(3) != 0
	return step{"route taken", fmt.Sprintf("place %d: disputed route, made: %v", n, make), func(w *world) {
		p := w.places[n]
		p.checkForeign("before a route is taken")
		route, err := netlinkRoute(p.Netlink(), disputedRoute)
		if err != nil {
			w.fail("%s: %v", p.name, err)
		}
		route.Protocol = 0 // whoever's
		_ = p.Netlink().RouteDel(route)
		route.Protocol = unix.RTPROT_STATIC
		p.takenRoute = make && p.first(p.Netlink().RouteAdd(route))
	}}
}

// first tells whether another writer came first with what main wants as well.
func (p *place) first(err error) bool {
	if err != nil && !errors.Is(err, unix.EEXIST) {
		p.w.fail("%s: taking: %v", p.name, err)
	}
	return err == nil
}

// sysctlFlipped writes another value to a key of ours.
func sysctlFlipped(r *rand.Rand) step {
	n, k := r.IntN(places), knobs[r.IntN(len(knobs))]
	return step{"sysctl flipped", fmt.Sprintf("place %d: %s flipped", n, k.name), func(w *world) {
		if k.flip != "" {
			w.places[n].write(k.name, string(k.flip))
		}
	}}
}

// foreignSysctlSet sets a key that no loop wants.
func foreignSysctlSet(r *rand.Rand) step {
	keys := []string{"net.ipv4.tcp_retries2", "net.ipv4.tcp_orphan_retries", "net.ipv4.igmp_max_memberships"}
	n, key, value := r.IntN(places), keys[r.IntN(len(keys))], strconv.Itoa(5+r.IntN(8))
	return step{"foreign sysctl set", fmt.Sprintf("place %d: %s is %s", n, key, value), func(w *world) {
		p := w.places[n]
		p.checkForeign("before a sysctl is set")
		p.write(key, value)
		p.values[key] = value
	}}
}

// linkFlapped takes an interface down and up again: routes and IPv6 addresses go.
func linkFlapped(r *rand.Rand) step {
	n, name, m := r.IntN(places), drawLink(r), drawMeanwhile(r)
	return step{"link flapped", fmt.Sprintf("place %d: %s down %v", n, name, m), func(w *world) {
		p := w.places[n]
		p.checkForeign("before a link goes down")
		p.onLink(name, p.Netlink().LinkSetDown)
		m.pass(w)
		p.onLink(name, p.Netlink().LinkSetUp)
		p.restore()
	}}
}

// linkRecreated deletes an interface and makes another of the same name.
func linkRecreated(r *rand.Rand) step {
	n, name, m := r.IntN(places), drawLink(r), drawMeanwhile(r)
	return step{"link recreated", fmt.Sprintf("place %d: %s gone %v", n, name, m), func(w *world) {
		p := w.places[n]
		p.checkForeign("before a link is deleted")
		p.onLink(name, p.Netlink().LinkDel)
		if name == "v0" {
			p.taken = [disputes]bool{}
		}
		m.pass(w)
		if name == "v0" {
			p.Veth("v0", "v1")
		} else {
			p.VethTo("w0", w.hub, p.farEnd())
		}
		p.restore()
	}}
}

// linkRenamed gives an interface another name for a while. It is down meanwhile, as the kernel wants it.
func linkRenamed(r *rand.Rand) step {
	n, name, m := r.IntN(places), drawLink(r), drawMeanwhile(r)
	return step{"link renamed", fmt.Sprintf("place %d: %s renamed %v", n, name, m), func(w *world) {
		p := w.places[n]
		p.checkForeign("before a link is renamed")
		p.onLink(name, p.Netlink().LinkSetDown)
		p.onLink(name, func(l netlink.Link) error { return p.Netlink().LinkSetName(l, "x0") })
		p.onLink("x0", p.Netlink().LinkSetUp)
		p.renamed[name] = true
		m.pass(w)
		p.onLink("x0", p.Netlink().LinkSetDown)
		p.onLink("x0", func(l netlink.Link) error { return p.Netlink().LinkSetName(l, name) })
		p.onLink(name, p.Netlink().LinkSetUp)
		p.restore()
	}}
}

// bufferOverflown shrinks the receive buffers of the monitors of a place, stalls their readers, and makes
// more events than fit.
func bufferOverflown(r *rand.Rand) step {
	n, events := r.IntN(places), 20+r.IntN(100)
	return step{"buffer overflown", fmt.Sprintf("place %d: %d events unread", n, events), func(w *world) {
		p := w.places[n]
		for _, s := range p.saboteurs() {
			s.stall.Lock()
			defer s.stall.Unlock()
		}
		if err := p.shrinkBuffers(); err != nil {
			w.fail("%s: shrinking buffers: %v", p.name, err)
		}
		before := p.drops()
		theirs := rtnl.Route{Dst: prefix("203.0.113.200/32"), Gateway: addr("192.0.2.9"), Interface: "v0"}
		route, err := netlinkRoute(p.Netlink(), theirs)
		for i := 0; i < events && err == nil; i++ {
			route.MTU = 1300 + i%2
			err = p.Netlink().RouteReplace(route)
			p.onLink("v1", func(l netlink.Link) error { return p.Netlink().LinkSetMTU(l, 1400+i%2) })
		}
		if err == nil {
			err = p.Netlink().RouteDel(route)
		}
		if err != nil {
			w.fail("%s: a storm of routes: %v", p.name, err)
		}
		if p.drops() > before {
			w.overflows++
		}
	}}
}

// pathUnmounted takes the file of a namespace away and brings it back; the namespace lives on.
func pathUnmounted(r *rand.Rand) step {
	n, m := r.IntN(byPath), drawMeanwhile(r)
	return step{"path unmounted", fmt.Sprintf("place %d: unmounted %v", n, m), func(w *world) {
		p := w.places[n]
		p.checkForeign("before it is unmounted")
		p.Unmount()
		m.pass(w)
		p.Remount()
	}}
}

// namespaceReplaced puts a fresh namespace in the place of a path's. The old one must end: nobody holds
// it any more.
func namespaceReplaced(r *rand.Rand) step {
	n := r.IntN(byPath)
	return step{"namespace replaced", fmt.Sprintf("place %d: replaced", n), func(w *world) {
		p := w.places[n]
		p.checkForeign("before it is replaced")
		p.renew()
		p.awaitKnobs()
	}}
}

// renew puts a fresh, furnished namespace in the place of the old one, once that has ended.
func (p *place) renew() {
	p.w.t.Helper()
	p.Replace()
	if !poll(time.Minute, func() bool {
		_, err := p.w.hub.Netlink().LinkByName(p.farEnd())
		return errors.As(err, new(netlink.LinkNotFoundError))
	}) {
		p.w.fail("%s: the old namespace is still there: somebody holds it", p.name)
	}
	p.furnish()
}

func (p *place) state(side bool) rtnl.State {
	if side {
		return p.side.desired
	}
	return p.main.desired
}

func (p *place) onLink(name string, do func(netlink.Link) error) {
	p.w.t.Helper()
	link, err := p.Netlink().LinkByName(name)
	if err == nil {
		err = do(link)
	}
	if err != nil {
		p.w.fail("%s: %s: %v", p.name, name, err)
	}
}

func (p *place) saboteurs() []*saboteur {
	main, side, sysctls := p.main.src.(rtnlSource), p.side.src.(rtnlSource), p.sysctls.src.(sysctlSource)
	return []*saboteur{main.saboteur, side.saboteur, sysctls.saboteur}
}

func drawLink(r *rand.Rand) string { return []string{"v0", "w0"}[r.IntN(2)] }

// meanwhile is how long something stays broken, and what else goes wrong before it is whole again.
type meanwhile struct {
	d     time.Duration
	steps []step
}

// drawMeanwhile has now no time at all, now enough for several passes.
func drawMeanwhile(r *rand.Rand) meanwhile {
	m := meanwhile{d: []time.Duration{0, 1, 30, 200}[r.IntN(4)] * time.Millisecond}
	others := []func(*rand.Rand) step{
		memberFails, monitorEnds, sourceClosed, loopReadded, programRestarted, reconcileCalled, desiredPut,
	}
	for range r.IntN(4) {
		m.steps = append(m.steps, others[r.IntN(len(others))](r))
	}
	return m
}

func (m meanwhile) String() string {
	s := fmt.Sprint("for ", m.d)
	for i := range m.steps {
		s += "; meanwhile " + m.steps[i].what
	}
	return s
}

func (m meanwhile) pass(w *world) {
	for i := range m.steps {
		m.steps[i].do(w)
		w.kinds[m.steps[i].kind]++
		pause(m.d / time.Duration(len(m.steps)))
	}
	if len(m.steps) == 0 {
		pause(m.d)
	}
}
