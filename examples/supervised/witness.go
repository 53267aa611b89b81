package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// look gives what the kernel holds, a line for each address, neighbour, route, rule and sysctl that the story
// is about: all but lo's addresses, what the kernel makes by itself, and what it learns.
func look() ([]string, error) {
	var seen []string
	links, err := netlink.LinkList()
	if err != nil {
		return nil, err
	}
	names := map[int]string{}
	for _, link := range links {
		name := link.Attrs().Name
		names[link.Attrs().Index] = name
		if name == "lo" {
			continue
		}
		addrs, err := netlink.AddrList(link, netlink.FAMILY_V4)
		if err != nil {
			return nil, err
		}
		for _, a := range addrs {
			seen = append(seen, fmt.Sprintf("%s dev %s", a.IPNet, name))
		}
	}
	everyTable := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_V4, everyTable, netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, err
	}
	for _, r := range routes {
		if r.Protocol != unix.RTPROT_KERNEL {
			seen = append(seen, route(r, names[r.LinkIndex]))
		}
	}
	neighbors, err := netlink.NeighList(0, netlink.FAMILY_V4)
	if err != nil {
		return nil, err
	}
	for _, n := range neighbors {
		if n.State == netlink.NUD_PERMANENT {
			seen = append(seen, fmt.Sprintf("%s lladdr %s dev %s", n.IP, n.HardwareAddr, names[n.LinkIndex]))
		}
	}
	rules, err := netlink.RuleList(netlink.FAMILY_V4)
	if err != nil {
		return nil, err
	}
	for _, r := range rules {
		if r.Protocol != unix.RTPROT_KERNEL {
			seen = append(seen, fmt.Sprintf("rule %d from %s table %d proto %d", r.Priority, r.Src, r.Table, r.Protocol))
		}
	}
	for key := range knobs() {
		value, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(key, ".", "/"))
		if err != nil {
			return nil, err
		}
		seen = append(seen, key+" = "+strings.Join(strings.Fields(string(value)), " "))
	}
	slices.Sort(seen)
	return seen, nil
}

// route gives "10.1.0.0/16 via 10.0.0.2 dev lan0 metric 50 table 100 proto 76", less what is unset.
func route(r netlink.Route, dev string) string {
	dst := r.Dst
	if dst == nil {
		dst = &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)}
	}
	line := dst.String()
	if r.Type != unix.RTN_UNICAST {
		line = fmt.Sprintf("type %d %s", r.Type, line)
	}
	if r.Gw != nil {
		line += " via " + r.Gw.String()
	}
	if dev != "" {
		line += " dev " + dev
	}
	if r.Priority != 0 {
		line += fmt.Sprint(" metric ", r.Priority)
	}
	if r.Table != unix.RT_TABLE_MAIN {
		line += fmt.Sprint(" table ", r.Table)
	}
	return line + fmt.Sprint(" proto ", int(r.Protocol))
}

// shows is nil if the kernel holds the lines of all parts, and nothing besides.
func shows(parts ...string) error {
	var want []string
	for line := range strings.Lines(strings.Join(parts, "\n")) {
		if line = strings.TrimSpace(line); line != "" {
			want = append(want, line)
		}
	}
	seen, err := look()
	if err != nil {
		return err
	}
	var wrong []error
	for _, line := range want {
		if !slices.Contains(seen, line) {
			wrong = append(wrong, fmt.Errorf("missing: %s", line))
		}
	}
	for _, line := range seen {
		if !slices.Contains(want, line) {
			wrong = append(wrong, fmt.Errorf("too much: %s", line))
		}
	}
	return errors.Join(wrong...)
}
