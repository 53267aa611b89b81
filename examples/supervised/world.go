package main

import (
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
)

// world is what is at the other end of the wires.
type world struct{ far *testns.Net }

// newWorld gives this namespace eth0 and lan0, whose other ends are in a namespace of their own, and
// configures what somebody else might have: the bystanders.
func newWorld() (*world, error) {
	far, err := testns.Open()
	if err != nil {
		return nil, err
	}
	w := &world{far}
	for _, name := range []string{"eth0", "lan0"} {
		if err := w.wire(name); err != nil {
			w.end()
			return nil, fmt.Errorf("making %s: %w", name, err)
		}
	}
	err = netlink.AddrAdd(byName("eth0"), &netlink.Addr{IPNet: prefix("198.51.100.7/24")})
	if err == nil {
		err = netlink.RouteAdd(foreign("203.0.113.0/24", "198.51.100.1"))
	}
	if err != nil {
		w.end()
		return nil, fmt.Errorf("configuring the bystanders: %w", err)
	}
	return w, nil
}

func (w *world) wire(name string) error {
	at, err := os.Open(w.far.Path())
	if err != nil {
		return err
	}
	defer at.Close()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	err = netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: name, PeerNamespace: netlink.NsFd(at.Fd())})
	if err != nil {
		return err
	}
	w.far.Do(func() { err = netlink.LinkSetUp(byName(name)) })
	if err == nil {
		err = netlink.LinkSetUp(byName(name))
	}
	return err
}

func (w *world) end() {
	for _, name := range []string{"eth0", "lan0"} {
		_ = netlink.LinkDel(byName(name)) // fails only for what was never made
	}
	w.far.Close()
}

// What other people do, with another library.

func deleteAddress(dev, address string) error {
	return netlink.AddrDel(byName(dev), &netlink.Addr{IPNet: prefix(address)})
}

// replaceRoute is ip route replace: it hits whichever route of that destination and metric comes first.
func replaceRoute(dst, via string) error { return netlink.RouteReplace(foreign(dst, via)) }

func deleteForeignRoute(dst, via string) error { return netlink.RouteDel(foreign(dst, via)) }

// deleteRule is ip rule del priority: whichever rule of that priority comes first goes.
func deleteRule(priority int) error {
	rule := netlink.NewRule()
	rule.Priority = priority
	return netlink.RuleDel(rule)
}

func flip(knob, value string) error { return os.WriteFile("/proc/sys/"+knob, []byte(value), 0) }

func foreign(dst, via string) *netlink.Route {
	return &netlink.Route{Dst: prefix(dst), Gw: net.ParseIP(via), Protocol: unix.RTPROT_STATIC}
}

func prefix(s string) *net.IPNet {
	p, err := netlink.ParseIPNet(s)
	if err != nil {
		panic(err) // they are all literals
	}
	return p
}

// byName names a link without asking the kernel for it: the library looks it up where it has no index.
func byName(name string) netlink.Link {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: name}}
	}
	return link
}
