package soak

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/rtnl"
)

// slot is where another writer may put something. What is there is in the model; a fault fills it or
// empties it.
type slot struct {
	address  rtnl.Address // or
	route    rtnl.Route   // of protocol static, or
	rule     rtnl.Rule    // likewise, or
	neighbor rtnl.Neighbor
	blocks   bool // it keeps a loop from converging: it stands where something of ours is to be
	fixed    bool // always there
}

// slots are the same in every place. The fixed ones make sure that no interface's last address is one of
// ours: deleting that takes all routes over the interface along, whoever's, as rtnl's documentation says.
var slots = slices.Concat([]slot{
	{address: rtnl.Address{Interface: "v0", Prefix: prefix("192.0.2.1/24")}, fixed: true},
	{address: rtnl.Address{Interface: "w0", Prefix: prefix("198.51.100.1/24")}, fixed: true},
	{address: rtnl.Address{Interface: "v0", Prefix: prefix("fd00::1/64")}, fixed: true},

	{address: rtnl.Address{Interface: "v0", Prefix: prefix("192.0.2.10/24")}},
	{address: rtnl.Address{Interface: "w0", Prefix: prefix("198.51.100.10/25")}},
	{address: rtnl.Address{Interface: "v0", Prefix: prefix("fd00::10/64")}},
	{address: rtnl.Address{Interface: "v0", Prefix: prefix("2001:db8:1::10/64")}},
	{address: rtnl.Address{Interface: "v0", Prefix: prefix("10.1.1.200/24")}, blocks: true}, // our secondary
	{address: rtnl.Address{Interface: "w0", Prefix: prefix("10.2.1.200/24")}, blocks: true},

	{route: rtnl.Route{Dst: prefix("203.0.113.0/25"), Gateway: addr("192.0.2.9"), Interface: "v0"}},
	{route: rtnl.Route{
		Dst: prefix("203.0.113.128/25"), Gateway: addr("198.51.100.9"), Interface: "w0", Table: otherTable}},
	{route: rtnl.Route{Dst: prefix("203.0.113.0/24"), Type: rtnl.Blackhole, Table: otherTable + 1}},
	{route: rtnl.Route{Dst: prefix("2001:db8:f::/48"), Gateway: addr("fd00::9"), Interface: "v0", Metric: metric6}},
	// Our destinations, with other metrics:
	{route: rtnl.Route{Dst: mainDst(0), Gateway: addr("192.0.2.9"), Interface: "v0", Metric: metric4 + 1}},
	{route: rtnl.Route{Dst: mainDst(1), Gateway: addr("192.0.2.9"), Interface: "v0", Metric: metric4 - 1}},
	{route: rtnl.Route{Dst: mainDst6(0), Gateway: addr("fd00::9"), Interface: "v0", Metric: metric6 + 1}},
}, policySlots, conflicts())

// conflicts are what takes the very place of main's routes. In IPv6 it joins them as another next hop.
func conflicts() (slots []slot) {
	for n := range 4 {
		slots = append(slots, slot{blocks: true,
			route: rtnl.Route{Dst: mainDst(n), Gateway: addr("192.0.2.99"), Interface: "v0", Metric: metric4}})
	}
	for n := range 2 {
		slots = append(slots, slot{blocks: true,
			route: rtnl.Route{Dst: mainDst6(n), Gateway: addr("fd00::99"), Interface: "v0", Metric: metric6}})
	}
	return slots
}

func (s *slot) String() string {
	switch {
	case s.address.Interface != "":
		return "foreign " + s.address.String()
	case s.rule.Priority != 0:
		return "foreign " + s.rule.String()
	case s.neighbor.Interface != "":
		return "foreign " + s.neighbor.String()
	}
	return "foreign " + s.route.String()
}

// line is how the witness shows what is in the slot.
func (s *slot) line() string {
	switch {
	case s.address.Interface != "":
		return addressLine(s.address)
	case s.rule.Priority != 0:
		return ruleLine(s.rule, unix.RTPROT_STATIC)
	case s.neighbor.Interface != "":
		return neighborLine(s.neighbor)
	}
	return routeLine(s.route, unix.RTPROT_STATIC)
}

// fill makes it, as somebody else would. What is ours is replaced (IPv4) or joined (IPv6) by it.
func (s *slot) fill(k *netlink.Handle) error {
	var r *netlink.Route
	var err error
	switch {
	case s.address.Interface != "":
		err = addAddress(k, s.address)
	case s.rule.Priority != 0:
		err = k.RuleAdd(netlinkRule(s.rule, unix.RTPROT_STATIC))
	case s.neighbor.Interface != "":
		err = addNeighbor(k, s.neighbor)
	case s.route.Dst.Addr().Is6():
		if r, err = netlinkRoute(k, s.route); err == nil {
			err = k.RouteAppend(r)
		}
	default:
		if r, err = netlinkRoute(k, s.route); err == nil {
			err = k.RouteReplace(r)
		}
	}
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

func (s *slot) empty(k *netlink.Handle) error {
	switch {
	case s.address.Interface != "":
		return deleteAddress(k, s.address)
	case s.rule.Priority != 0:
		return k.RuleDel(netlinkRule(s.rule, unix.RTPROT_STATIC))
	case s.neighbor.Interface != "":
		return deleteNeighbor(k, s.neighbor)
	}
	r, err := netlinkRoute(k, s.route)
	if err != nil {
		return err
	}
	return k.RouteDel(r)
}

// addAddress fails with EEXIST if it is there.
func addAddress(k *netlink.Handle, a rtnl.Address) error {
	link, err := k.LinkByName(a.Interface)
	if err != nil {
		return err
	}
	addr := &netlink.Addr{IPNet: ipNet(a.Prefix)}
	if a.Prefix.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	return k.AddrAdd(link, addr)
}

func deleteAddress(k *netlink.Handle, a rtnl.Address) error {
	link, err := k.LinkByName(a.Interface)
	if err != nil {
		return err
	}
	return k.AddrDel(link, &netlink.Addr{IPNet: ipNet(a.Prefix)})
}

// netlinkRoute gives r as another's; of ours, the caller sets the protocol.
func netlinkRoute(k *netlink.Handle, r rtnl.Route) (*netlink.Route, error) {
	out := &netlink.Route{
		Dst: ipNet(r.Dst), Gw: net.IP(r.Gateway.AsSlice()), Src: net.IP(r.Source.AsSlice()), Priority: int(r.Metric),
		Table: int(r.Table), MTU: int(r.MTU), Protocol: unix.RTPROT_STATIC, Type: kernelType(r.Type),
	}
	if r.Interface != "" {
		link, err := k.LinkByName(r.Interface)
		if err != nil {
			return nil, err
		}
		out.LinkIndex = link.Attrs().Index
	}
	for _, way := range r.NextHops {
		link, err := k.LinkByName(way.Interface)
		if err != nil {
			return nil, err
		}
		out.MultiPath = append(out.MultiPath, &netlink.NexthopInfo{
			LinkIndex: link.Attrs().Index, Gw: way.Gateway.AsSlice(), Hops: int(way.Weight) - 1})
	}
	return out, nil
}

func kernelType(t rtnl.RouteType) int {
	switch t {
	case rtnl.Blackhole:
		return unix.RTN_BLACKHOLE
	case rtnl.Unreachable:
		return unix.RTN_UNREACHABLE
	default:
		return unix.RTN_UNICAST
	}
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

func addressLine(a rtnl.Address) string {
	return fmt.Sprintf("address %s dev %s", a.Prefix, a.Interface)
}

// routeLines gives a line for each way. (Weights are looked at by rtnl's own tests.)
func routeLines(r rtnl.Route, protocol int) (lines []string) {
	if len(r.NextHops) == 0 {
		return []string{routeLine(r, protocol)}
	}
	for _, way := range r.NextHops {
		r.Gateway, r.Interface = way.Gateway, way.Interface
		lines = append(lines, routeLine(r, protocol))
	}
	return lines
}

// routeLine leaves out, of IPv6 routes, what is not shown of those that the kernel has merged.
func routeLine(r rtnl.Route, protocol int) string {
	if r.Table == 0 {
		r.Table = unix.RT_TABLE_MAIN
	}
	if r.Dst.Addr().Is6() && r.Metric == 0 {
		r.Metric = 1024
	}
	line := fmt.Sprintf("route type %d %s via %v dev %s metric %d table %d",
		kernelType(r.Type), r.Dst, r.Gateway, r.Interface, r.Metric, r.Table)
	if r.Dst.Addr().Is6() {
		return line
	}
	return line + fmt.Sprintf(" src %v mtu %d proto %d", r.Source, r.MTU, protocol)
}

// stateLines is what the witness shows where a state holds.
func stateLines(s rtnl.State, protocol int) (lines []string) {
	for _, a := range s.Addresses {
		lines = append(lines, addressLine(a))
	}
	for _, r := range s.Routes {
		lines = append(lines, routeLines(r, protocol)...)
	}
	for _, r := range s.Rules {
		lines = append(lines, ruleLine(r, protocol))
	}
	for _, n := range s.Neighbors {
		lines = append(lines, neighborLine(n))
	}
	return lines
}

// look shows all addresses, routes, rules and neighbours of a place but those that the kernel makes by itself.
func (p *place) look() []string {
	k := p.Netlink()
	var lines []string
	names := map[int]string{}
	links := again(p, k.LinkList)
	for _, link := range links {
		names[link.Attrs().Index] = link.Attrs().Name
		if line, matters := lookAtLink(link.Attrs()); matters {
			lines = append(lines, line)
		}
		addrs := again(p, func() ([]netlink.Addr, error) { return k.AddrList(link, netlink.FAMILY_ALL) })
		for _, a := range addrs {
			at := netipPrefix(a.IPNet)
			if name := link.Attrs().Name; name != "lo" && !at.Addr().IsLinkLocalUnicast() {
				lines = append(lines, addressLine(rtnl.Address{Interface: name, Prefix: at}))
			}
		}
	}
	everyTable := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		list := again(p, func() ([]netlink.Route, error) {
			return k.RouteListFiltered(family, everyTable, netlink.RT_FILTER_TABLE)
		})
		for _, r := range list {
			if r.Protocol == unix.RTPROT_KERNEL || r.Dst == nil {
				continue
			}
			hops := r.MultiPath
			if len(hops) == 0 {
				hops = []*netlink.NexthopInfo{{LinkIndex: r.LinkIndex, Gw: r.Gw}}
			}
			for _, hop := range hops {
				lines = append(lines, seenRoute(&r, hop, names))
			}
		}
	}
	lines = append(lines, p.lookAtPolicy(names)...)
	slices.Sort(lines)
	return slices.Compact(lines) // an IPv6 dump taken while routes change repeats some
}

func seenRoute(r *netlink.Route, hop *netlink.NexthopInfo, names map[int]string) string {
	seen := rtnl.Route{Dst: netipPrefix(r.Dst), Metric: uint32(r.Priority), Table: uint32(r.Table), MTU: uint32(r.MTU)}
	seen.Gateway, _ = netip.AddrFromSlice(hop.Gw)
	seen.Gateway = seen.Gateway.Unmap()
	seen.Source, _ = netip.AddrFromSlice(r.Src)
	seen.Source = seen.Source.Unmap()
	switch r.Type {
	case unix.RTN_BLACKHOLE:
		seen.Type = rtnl.Blackhole
	case unix.RTN_UNREACHABLE:
		seen.Type = rtnl.Unreachable
	default:
		seen.Interface = names[hop.LinkIndex]
	}
	return routeLine(seen, int(r.Protocol))
}

func netipPrefix(n *net.IPNet) netip.Prefix {
	at, _ := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(at.Unmap(), bits)
}

// again repeats a dump that a change has interrupted.
func again[T any](p *place, list func() ([]T, error)) []T {
	p.w.t.Helper()
	for {
		all, err := list()
		if err == nil {
			return all
		}
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			p.w.t.Fatalf("%s: %v", p.name, err)
		}
	}
}

// missing gives what of want is not in seen, and surplus the rest.
func missing(want, seen []string) (lines []string) {
	for _, line := range want {
		if !slices.Contains(seen, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

// foreignLines is what the model has of others'.
func (p *place) foreignLines() (lines []string) {
	for i := range slots {
		if p.filled[i] {
			lines = append(lines, slots[i].line())
		}
	}
	for n, taken := range p.taken {
		if taken {
			lines = append(lines, addressLine(disputed(n)))
		}
	}
	if p.takenRoute {
		lines = append(lines, routeLine(disputedRoute, unix.RTPROT_STATIC))
	}
	return lines
}

// checkForeign looks whether all that is others' is still there. IPv6 dumps taken while routes change
// lack some, so it may take several.
func (p *place) checkForeign(when string) {
	p.w.t.Helper()
	var lost []string
	if !poll(patience, func() bool { lost = missing(p.foreignLines(), p.look()); return len(lost) == 0 }) {
		p.w.fail("%s: %s, of what is others' there is missing: %q", p.name, when, lost)
	}
	for key, value := range p.values {
		if got := p.read(key); got != value {
			p.w.fail("%s: %s, others' %s is %q, not %q", p.name, when, key, got, value)
		}
	}
}

// checkAll looks whether the place holds what is desired and what is others', and nothing else.
func (p *place) checkAll() {
	p.w.t.Helper()
	main, side := stateLines(p.main.desired, mainProtocol), stateLines(p.side.desired, sideProtocol)
	want := slices.Concat(p.foreignLines(), main, side, linkLines(p.main.desired, "v0"), linkLines(p.side.desired, ""))
	if p.takenRoute { // that is enough for main
		ours := routeLine(disputedRoute, mainProtocol)
		want = slices.DeleteFunc(want, func(line string) bool { return line == ours })
	}
	var lost, surplus []string
	if !poll(patience, func() bool {
		seen := p.look()
		lost, surplus = missing(want, seen), missing(seen, want)
		return len(lost)+len(surplus) == 0
	}) {
		p.w.fail("%s: missing: %q\nsurplus: %q", p.name, lost, surplus)
	}
	for _, k := range knobs {
		value, wanted := p.sysctls.desired[k.name]
		if !wanted {
			if p.renamed[k.device] {
				continue
			}
			value = p.originals[k.name]
		}
		if got := p.read(k.name); got != string(value) {
			p.w.fail("%s: %s is %q, not %q (desired: %v)", p.name, k.name, got, value, wanted)
		}
	}
	for key, value := range p.values {
		if got := p.read(key); got != value {
			p.w.fail("%s: others' %s is %q, not %q", p.name, key, got, value)
		}
	}
}

// checkHearing looks whether side still hears: it has no timer.
func (p *place) checkHearing() {
	p.w.t.Helper()
	for _, route := range p.side.desired.Routes {
		if !route.Dst.Addr().Is4() {
			continue
		}
		p.replace(route)
		ours := []string{routeLine(route, sideProtocol)}
		if !poll(2*time.Minute, func() bool { return len(missing(ours, p.look())) == 0 }) { // fought over
			p.w.fail("%s: nobody has heard that %v was replaced\n%s", p.name, route, p.side.explain())
		}
	}
}

// read gives a sysctl without the package that is tested.
func (p *place) read(key string) (value string) {
	p.w.t.Helper()
	p.Do(func() {
		data, err := os.ReadFile(knobPath(key))
		if err != nil {
			p.w.t.Fatalf("%s: %v", p.name, err)
		}
		value = strings.Join(strings.Fields(string(data)), " ")
	})
	return value
}

func (p *place) write(key, value string) {
	p.w.t.Helper()
	p.Do(func() {
		if err := os.WriteFile(knobPath(key), []byte(value), 0); err != nil {
			p.w.t.Fatalf("%s: %v", p.name, err)
		}
	})
}

func knobPath(key string) string { return "/proc/sys/" + strings.ReplaceAll(key, ".", "/") }

// checkFake is checkAll for a fake.
func (f *fake) check() {
	f.t.Helper()
	seen := f.kernel.Objects()
	for name, value := range f.desired {
		if seen[name] != (linxtest.Object{Value: value, Ours: true}) {
			f.t.Errorf("%s: %s is %+v, not %q", f, name, seen[name], value)
		}
		delete(seen, name)
	}
	for name, value := range f.foreign {
		if seen[name] != (linxtest.Object{Value: value}) {
			f.t.Errorf("%s: others' %s is %+v, not %q", f, name, seen[name], value)
		}
		delete(seen, name)
	}
	if len(seen) > 0 {
		f.t.Errorf("%s: surplus: %v", f, seen)
	}
}
