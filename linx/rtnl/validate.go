package rtnl

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"
	"unique"

	"golang.org/x/sys/unix"
)

// fault finds what is wrong with a route, without asking the kernel, and says what would be right.
func (r *Route) fault() error {
	if int(r.Type) >= len(routeTypes) {
		return fmt.Errorf("no route type: %v; the constants from Unicast to Throw are", r.Type)
	}
	if int(r.Scope) >= len(scopes) {
		return fmt.Errorf("no scope: %v; the constants from ScopeDefault to ScopeHost are", r.Scope)
	}
	for _, check := range []func() error{r.metricFault, r.dstFault, r.hopFault, r.familyFault} {
		if err := check(); err != nil {
			return err
		}
	}
	return tosFault(r.TOS)
}

func (r *Route) dstFault() error {
	dst := r.Dst
	switch {
	case dst == netip.Prefix{} && len(r.NextHops) > 0 && r.NextHops[0].Gateway.IsValid():
		return nil
	case dst == netip.Prefix{} && !r.Gateway.IsValid():
		return errors.New("a default route without a gateway has no family; write Dst 0.0.0.0/0 or ::/0")
	case dst == netip.Prefix{}:
		return nil
	case !dst.IsValid():
		return fmt.Errorf("destination %v/%d: no valid prefix; an IPv4 length is at most 32, an IPv6 one 128", dst.Addr(), dst.Bits())
	case dst.Addr().Is4In6():
		return fmt.Errorf("destination %v is an IPv4-mapped IPv6 prefix; write it as IPv4", dst)
	case dst != dst.Masked():
		return fmt.Errorf("destination %v has host bits set; the network is %v", dst, dst.Masked())
	}
	return nil
}

func (r *Route) hopFault() error {
	way := NextHop{Gateway: r.Gateway, Interface: r.Interface, OnLink: r.OnLink, Encap: r.Encap}
	switch {
	case r.NextHopID != 0:
		return r.nextHopIDFault()
	case len(r.NextHops) > 0:
		return r.nextHopsFault()
	case r.Type == Unicast:
	case r.Type == Local:
		if way.Gateway.IsValid() || way.Interface == "" {
			return errors.New("a local route takes an Interface, such as lo, and no Gateway")
		}
		if r.Encap != (Encap{}) {
			return errors.New("a local route sends nothing; leave out Encap")
		}
	default:
		if way != (NextHop{}) || packDetail(r) != (unique.Handle[detail]{}) {
			return fmt.Errorf("%v route: packets go nowhere; leave out Gateway, Interface, Encap, Source, MTU and the like", r.Type)
		}
		return nil
	}
	if err := way.fault(); err != nil {
		return err
	}
	if r.v6() && way.Interface == "lo" && way.Encap != (Encap{}) {
		return errors.New("IPv6 route over lo with Encap; the kernel makes that one that sends nothing, and keeps no Encap")
	}
	return way.Encap.fault(r.v6())
}

func (h *NextHop) fault() error {
	gw := h.Gateway
	if h.Interface != "" {
		if err := interfaceFault(h.Interface); err != nil {
			return err
		}
	}
	switch {
	case !gw.IsValid() && h.Interface == "":
		return errors.New("neither Gateway nor Interface; give one, or both")
	case !gw.IsValid():
		if h.OnLink {
			return errors.New("OnLink without a Gateway; a route with an Interface alone is on link anyway")
		}
	case gw.Is4In6():
		return mappedFault(gw)
	case gw.Zone() != "":
		return fmt.Errorf("gateway %v has a zone; write %v and Interface %q", gw, gw.WithZone(""), gw.Zone())
	case gw.IsUnspecified(), gw.IsMulticast():
		return fmt.Errorf("gateway %v is no address of a host; without a gateway, leave it out", gw)
	case h.Interface == "" && gw.IsLinkLocalUnicast() && gw.Is6():
		return fmt.Errorf("gateway %v is link-local; give its Interface", gw)
	case h.Interface == "" && h.OnLink:
		return errors.New("OnLink without an Interface; give the one that the gateway is on")
	}
	return nil
}

func (r *Route) familyFault() error {
	src := r.Source
	switch {
	case !src.IsValid():
	case src.Is4In6():
		return mappedFault(src)
	case src.Zone() != "":
		return fmt.Errorf("source %v has a zone; write %v", src, src.WithZone(""))
	case src.IsUnspecified(), src.IsMulticast():
		return fmt.Errorf("source %v is no address of a host; for the kernel's choice, leave it out", src)
	}
	v6 := r.v6()
	if r.Dst.IsValid() && r.Gateway.IsValid() && r.Gateway.Is6() != v6 {
		return fmt.Errorf("destination %v and gateway %v are of different families", r.Dst, r.Gateway)
	}
	if src.IsValid() && src.Is6() != v6 {
		return fmt.Errorf("source %v is not of the route's family, %s", src, familyName(v6))
	}
	if v6 && r.TOS != 0 {
		return errors.New("IPv6 routes have no TOS; leave it 0")
	}
	if v6 && r.Scope != ScopeDefault {
		return errors.New("IPv6 routes have no scope; leave it ScopeDefault")
	}
	if !v6 && r.Preference != PreferenceMedium {
		return errors.New("IPv4 routes have no preference; leave it PreferenceMedium")
	}
	return r.scopeFault()
}

// scopeFault follows fib_create_info and fib_check_nh in the kernel's net/ipv4/fib_semantics.c.
func (r *Route) scopeFault() error {
	way := r.way()
	switch scope := r.Scope; {
	case scope == ScopeDefault:
	case r.Type == Local && scope != ScopeHost:
		return fmt.Errorf("local route of scope %v; it is host, or leave it out", scope)
	case scope == ScopeHost && (way.Gateway.IsValid() || len(r.NextHops) > 1):
		return errors.New("route of scope host with a gateway or several ways; scope link is for what is directly attached")
	case scope == ScopeLink && way.OnLink:
		return errors.New("route of scope link with OnLink; a gateway is farther away, so leave Scope out")
	}
	return nil
}

func tosFault(tos uint8) error {
	if tos&3 != 0 {
		return fmt.Errorf("TOS %#x: the lowest two bits are not for routing; %#x would do", tos, tos&^3)
	}
	return nil
}

func familyName(v6 bool) string {
	if v6 {
		return "IPv6"
	}
	return "IPv4"
}

func mappedFault(addr netip.Addr) error {
	return fmt.Errorf("%v is an IPv4-mapped IPv6 address; write %v", addr, addr.Unmap())
}

// interfaceFault follows dev_valid_name in the kernel's net/core/dev.c.
func interfaceFault(name string) error {
	switch {
	case name == "":
		return errors.New("no Interface; give its name, such as eth0")
	case len(name) >= unix.IFNAMSIZ:
		return fmt.Errorf("interface name %q has %d bytes; at most %d are possible", name, len(name), unix.IFNAMSIZ-1)
	case name == ".", name == "..", strings.ContainsAny(name, "/: \t\n\v\f\r\x00"):
		return fmt.Errorf("no interface can be named %q; names hold no slash, colon, space or NUL", name)
	case strings.Contains(name, "\xa0"):
		return fmt.Errorf("no interface can be named %q; the kernel takes the byte a0 in it for a space", name)
	case !utf8.ValidString(name): // the kernel would take it, JSON would not
		return fmt.Errorf("interface name %q is no UTF-8", name)
	}
	return nil
}
