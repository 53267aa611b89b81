package soak

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx/rtnl"
)

// What the loops want of rules and neighbours, and what others do to them.
const (
	rules     = 4 // that main may want
	neighbors = 4
)

// drawRules has rules that are changed in what is not their identity, and ones that others have, too.
func drawRules(r *rand.Rand, priority uint32) (list []rtnl.Rule) {
	for n := range rules {
		rule := rtnl.Rule{Priority: priority + uint32(n), From: prefix("10.%d.0.0/16", 60+r.IntN(2)), Table: otherTable + r.Uint32N(2)}
		if n == rules-1 {
			rule.From = prefix("2001:db8:%d::/48", 60+r.IntN(2))
		}
		if r.IntN(4) != 0 {
			list = append(list, rule)
		}
	}
	return list
}

func drawNeighbors(r *rand.Rand, link string, net4, net6 string) (list []rtnl.Neighbor) {
	for n := range neighbors {
		to := addr(net4+"%d", 50+n)
		if n%2 == 1 {
			to = addr(net6+"%x", 0x50+n)
		}
		if r.IntN(4) != 0 {
			list = append(list, rtnl.Neighbor{Interface: link, Destination: to, LinkAddr: mac(r.IntN(3))})
		}
	}
	return list
}

func mac(n int) (m rtnl.MAC) {
	if err := m.UnmarshalText(fmt.Appendf(nil, "02:00:00:00:00:%02x", n)); err != nil {
		panic(err)
	}
	return m
}

// Others' rules are in the very places of main's, as rules conflict with nothing.
var policySlots = []slot{
	{rule: rtnl.Rule{Priority: mainPriority, From: prefix("10.60.0.0/16"), Table: otherTable}},
	{rule: rtnl.Rule{Priority: mainPriority + 1, From: prefix("10.99.0.0/16"), Table: otherTable}},
	{rule: rtnl.Rule{Priority: mainPriority + rules - 1, From: prefix("2001:db8:60::/48"), Table: otherTable}},
	{neighbor: rtnl.Neighbor{Interface: "v0", Destination: addr("192.0.2.50"), LinkAddr: mac(9)}},
	{neighbor: rtnl.Neighbor{Interface: "w0", Destination: addr("2001:db8:2::99"), LinkAddr: mac(9)}},
}

const mainPriority, sidePriority = 1000, 2000

// ruleDeleted deletes a rule of ours, if it is there.
func ruleDeleted(r *rand.Rand) step {
	n, which, side := r.IntN(places), r.IntN(rules), r.IntN(2) == 0
	return step{"rule deleted", fmt.Sprintf("place %d: rule %d deleted, side: %v", n, which, side), func(w *world) {
		p, protocol := w.places[n], mainProtocol
		if side {
			protocol = sideProtocol
		}
		if all := p.state(side).Rules; which < len(all) {
			_ = p.Netlink().RuleDel(netlinkRule(all[which], protocol))
		}
	}}
}

// neighborChanged gives a neighbour of ours another link-layer address, or deletes it.
func neighborChanged(r *rand.Rand) step {
	n, which, side, change := r.IntN(places), r.IntN(neighbors), r.IntN(2) == 0, r.IntN(2) == 0
	what := fmt.Sprintf("place %d: neighbour %d changed (%v) or deleted, side: %v", n, which, change, side)
	return step{"neighbour changed", what, func(w *world) {
		p := w.places[n]
		all := p.state(side).Neighbors
		if which >= len(all) {
			return
		}
		theirs := all[which]
		theirs.LinkAddr = mac(8)
		entry, err := netlinkNeighbor(p.Netlink(), theirs)
		switch {
		case err != nil:
		case !change:
			_ = p.Netlink().NeighDel(entry)
		case p.hasNeighbor(entry): // what is not there yet would be theirs
			_ = p.Netlink().NeighSet(entry)
		}
	}}
}

func (p *place) hasNeighbor(entry *netlink.Neigh) bool {
	for _, seen := range again(p, func() ([]netlink.Neigh, error) { return p.Netlink().NeighList(entry.LinkIndex, entry.Family) }) {
		if seen.IP.Equal(entry.IP) {
			return true
		}
	}
	return false
}

func netlinkRule(r rtnl.Rule, protocol int) *netlink.Rule {
	out := netlink.NewRule()
	out.Priority, out.Table, out.Protocol = int(r.Priority), int(r.Table), uint8(protocol)
	out.Src, out.Family = ipNet(r.From), family(r.From.Addr())
	return out
}

func netlinkNeighbor(k *netlink.Handle, n rtnl.Neighbor) (*netlink.Neigh, error) {
	link, err := k.LinkByName(n.Interface)
	if err != nil {
		return nil, err
	}
	at, err := net.ParseMAC(n.LinkAddr.String())
	return &netlink.Neigh{
		LinkIndex: link.Attrs().Index, Family: family(n.Destination), State: netlink.NUD_PERMANENT,
		IP: n.Destination.AsSlice(), HardwareAddr: at,
	}, err
}

func addNeighbor(k *netlink.Handle, n rtnl.Neighbor) error {
	entry, err := netlinkNeighbor(k, n)
	if err != nil {
		return err
	}
	return k.NeighAdd(entry)
}

func deleteNeighbor(k *netlink.Handle, n rtnl.Neighbor) error {
	entry, err := netlinkNeighbor(k, n)
	if err != nil {
		return err
	}
	return k.NeighDel(entry)
}

func family(a netip.Addr) int {
	if a.Is6() {
		return netlink.FAMILY_V6
	}
	return netlink.FAMILY_V4
}

func ruleLine(r rtnl.Rule, protocol int) string {
	return fmt.Sprintf("rule from %s lookup %d priority %d proto %d", r.From, r.Table, r.Priority, protocol)
}

func neighborLine(n rtnl.Neighbor) string {
	return fmt.Sprintf("neighbour %v lladdr %v dev %s", n.Destination, n.LinkAddr, n.Interface)
}

// lookAtPolicy shows the rules and permanent neighbours but those of the kernel.
func (p *place) lookAtPolicy(names map[int]string) (lines []string) {
	k := p.Netlink()
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		for _, r := range again(p, func() ([]netlink.Rule, error) { return k.RuleList(family) }) {
			if r.Protocol != unix.RTPROT_KERNEL && r.Src != nil {
				seen := rtnl.Rule{Priority: uint32(r.Priority), From: netipPrefix(r.Src), Table: uint32(r.Table)}
				lines = append(lines, ruleLine(seen, int(r.Protocol)))
			}
		}
		for _, n := range again(p, func() ([]netlink.Neigh, error) { return k.NeighList(0, family) }) {
			if n.State&netlink.NUD_PERMANENT == 0 {
				continue
			}
			seen := rtnl.Neighbor{Interface: names[n.LinkIndex]}
			seen.Destination, _ = netip.AddrFromSlice(n.IP)
			seen.Destination = seen.Destination.Unmap()
			err := seen.LinkAddr.UnmarshalText([]byte(n.HardwareAddr.String()))
			if err != nil {
				p.w.t.Errorf("%s: %v", p.name, errors.Join(err, fmt.Errorf("neighbour %v", n)))
			}
			lines = append(lines, neighborLine(seen))
		}
	}
	return lines
}
