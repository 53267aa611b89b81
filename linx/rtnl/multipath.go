package rtnl

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// NextHop is one of the ways that a route leads.
type NextHop struct {
	// Gateway is the next hop. Zero: the destination is directly on Interface, which is for IPv4 alone: the
	// kernel refuses it for one of several IPv6 ways.
	Gateway netip.Addr `json:"gateway,omitzero"`
	// Interface is the name of the interface. Empty: whatever reaches Gateway. If one does not exist, the
	// route is waited for, as a whole: without one of its ways, the others would get that one's traffic.
	Interface string `json:"interface,omitempty"`
	// Weight is the share of the traffic, 1 to 256. 0: 1. It means nothing if there is no other way.
	Weight uint16 `json:"weight,omitempty"`
	// OnLink says that Gateway is reached over Interface although no address tells so.
	OnLink bool `json:"onlink,omitempty"`
	// Encap is how packets are wrapped on their way. Zero: not at all.
	Encap Encap `json:"encap,omitzero"`
}

const (
	maximumWeight = 256  // rtnh_hops, which is less 1, has a byte
	maximumWays   = 1000 // of a route, or group; the kernel shows all in one message of 32 KiB, or nothing at all
)

// way gives where r leads, if that is one way: zero where it is several, a nexthop object, or nowhere.
func (r *Route) way() NextHop {
	switch len(r.NextHops) {
	case 0:
		return NextHop{Gateway: r.Gateway, Interface: r.Interface, OnLink: r.OnLink, Encap: r.Encap}
	case 1:
		return r.NextHops[0]
	}
	return NextHop{}
}

// v6 tells the family of r.
func (r *Route) v6() bool {
	switch {
	case r.Dst.IsValid():
		return r.Dst.Addr().Is6()
	case len(r.NextHops) > 0:
		return r.NextHops[0].Gateway.Is6()
	}
	return r.Gateway.Is6()
}

// words gives " via 10.0.0.2 dev v0".
func (h *NextHop) words() string {
	var b strings.Builder
	if h.Encap != (Encap{}) {
		b.WriteString(" encap " + h.Encap.String())
	}
	if h.Gateway.IsValid() {
		b.WriteString(" via " + h.Gateway.String())
	}
	if h.Interface != "" {
		b.WriteString(" dev " + h.Interface)
	}
	return b.String()
}

// nexthops gives " nexthop via 10.0.0.2 dev v0 weight 2" for each of several ways.
func (r *Route) nexthops() string {
	if len(r.NextHops) < 2 {
		return ""
	}
	var b strings.Builder
	for i := range r.NextHops {
		h := &r.NextHops[i]
		b.WriteString(" nexthop" + h.words())
		if h.Weight > 1 {
			b.WriteString(" weight " + strconv.Itoa(int(h.Weight)))
		}
		if h.OnLink {
			b.WriteString(" onlink")
		}
	}
	return b.String()
}

func packHop(h *NextHop, link int32) hop {
	return hop{gateway: packIP(h.Gateway), link: link, onlink: h.OnLink, weight: uint8(max(h.Weight, 1) - 1), encap: h.Encap.handle}
}

// packHops gives the ways of r, if there are several. link gives the number of an interface.
func packHops(r *Route, link func(name string) int32) []hop {
	if len(r.NextHops) < 2 {
		return nil
	}
	hops := make([]hop, len(r.NextHops))
	for i := range hops {
		hops[i] = packHop(&r.NextHops[i], link(r.NextHops[i].Interface))
	}
	return hops
}

func (h *hop) unpack(v6 bool, name namer) NextHop {
	u := NextHop{Gateway: h.gateway.addr(v6), Interface: name(h.link), OnLink: h.onlink, Encap: Encap{h.encap}}
	if h.weight > 0 {
		u.Weight = uint16(h.weight) + 1
	}
	return u
}

// describe gives an observed route as a Route.
func (f *found) describe(name namer) Route {
	if !f.several {
		return f.unpack(name(f.link))
	}
	u := f.outline()
	for i := range f.hops {
		u.NextHops = append(u.NextHops, f.hops[i].unpack(f.v6, name))
	}
	f.unpackScope(&u)
	return u
}

// nextHopsFault finds what is wrong with the ways of a route.
func (r *Route) nextHopsFault() error {
	if len(r.NextHops) == 0 {
		return nil
	}
	if r.Gateway.IsValid() || r.Interface != "" || r.OnLink || r.Encap != (Encap{}) {
		return errors.New("NextHops beside Gateway, Interface, OnLink or Encap; they are one way, so put them into NextHops")
	}
	if r.Type != Unicast {
		return fmt.Errorf("%v route with NextHops; only a unicast one leads several ways", r.Type)
	}
	if n := len(r.NextHops); n > maximumWays {
		return fmt.Errorf("NextHops has %d ways; at most %d are possible", n, maximumWays)
	}
	for i := range r.NextHops {
		h := &r.NextHops[i]
		err := h.fault()
		switch {
		case err != nil:
		case h.Weight > maximumWeight:
			err = fmt.Errorf("weight %d; at most %d is possible", h.Weight, maximumWeight)
		case h.Gateway.IsValid() && h.Gateway.Is6() != r.v6():
			err = fmt.Errorf("gateway %v is not of the route's family, %s", h.Gateway, familyName(r.v6()))
		case !h.Gateway.IsValid() && r.v6() && len(r.NextHops) > 1:
			err = errors.New("no Gateway, which the kernel demands of each of several IPv6 ways")
		default:
			err = h.Encap.fault(r.v6())
		}
		for k := range r.NextHops[:i] {
			if o := &r.NextHops[k]; o.Gateway == h.Gateway && (o.Interface == h.Interface || o.Interface == "" || h.Interface == "") {
				err = fmt.Errorf("the same way as NextHops[%d]; a Weight says how much goes there", k)
			}
		}
		if err != nil {
			return fmt.Errorf("NextHops[%d]: %w", i, err)
		}
	}
	return nil
}
