package rtnl

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// LinkKind is the kind of an interface, in ip(8)'s words.
type LinkKind string

// The kinds of interfaces that can be made. Empty: the interface exists already.
const (
	KindBond      LinkKind = "bond"      // several interfaces as one: Link.Bond
	KindBridge    LinkKind = "bridge"    // an Ethernet switch: Link.Bridge
	KindDummy     LinkKind = "dummy"     // swallows what it is sent
	KindGeneve    LinkKind = "geneve"    // Ethernet over UDP: Link.Geneve
	KindGRE       LinkKind = "gre"       // IP over IPv4: Link.Tunnel, as all tunnels
	KindGRETap    LinkKind = "gretap"    // Ethernet over IPv4
	KindIFB       LinkKind = "ifb"       // what is redirected to it comes back, through its queue
	KindIP6GRE    LinkKind = "ip6gre"    // IP over IPv6
	KindIP6GRETap LinkKind = "ip6gretap" // Ethernet over IPv6
	KindIP6Tunnel LinkKind = "ip6tnl"    // IP in IPv6
	KindIPIP      LinkKind = "ipip"      // IPv4 in IPv4
	KindIPVLAN    LinkKind = "ipvlan"    // shares the address of another interface: Link.IPVLAN
	KindMACVLAN   LinkKind = "macvlan"   // a further address of another interface: Link.MACVLAN
	KindMACVTap   LinkKind = "macvtap"   // the same, as a file: Link.MACVLAN
	KindSIT       LinkKind = "sit"       // IPv6 in IPv4
	KindTun       LinkKind = "tun"       // the other end is a program: Link.Tun
	KindVeth      LinkKind = "veth"      // one end of a pair: Link.Veth
	KindVLAN      LinkKind = "vlan"      // one VLAN of another interface: Link.VLAN
	KindVRF       LinkKind = "vrf"       // a routing table of its own: Link.VRF
	KindVXLAN     LinkKind = "vxlan"     // Ethernet over UDP: Link.VXLAN
	KindWireGuard LinkKind = "wireguard" // its keys and peers are not this package's business
)

// kindTable is what is particular to a kind of interface.
type kindTable struct {
	name     LinkKind
	settings func(*Link) []setting // each bound to the Link; nil: it has none
	whole    bool                  // a change resets to its default what it does not name
	fault    func(*Link) error     // what is wrong with settings that are right each by itself
}

var kindTables = [...]kindTable{
	{name: KindBond, settings: func(l *Link) []setting { return l.Bond.settings() }, fault: (*Link).bondFault},
	{name: KindBridge, settings: func(l *Link) []setting { return l.Bridge.settings() }, fault: (*Link).bridgeFault},
	{name: KindDummy},
	{name: KindGeneve, settings: func(l *Link) []setting { return l.Geneve.settings() }, fault: (*Link).geneveFault},
	{name: KindGRE, settings: func(l *Link) []setting { return l.Tunnel.gre() }, whole: true, fault: (*Link).tunnelFault},
	{name: KindGRETap, settings: func(l *Link) []setting { return l.Tunnel.gre() }, whole: true, fault: (*Link).tunnelFault},
	{name: KindIFB},
	{name: KindIP6GRE, settings: func(l *Link) []setting { return l.Tunnel.ip6gre() }, whole: true, fault: (*Link).tunnelFault},
	{name: KindIP6GRETap, settings: func(l *Link) []setting { return l.Tunnel.ip6gre() }, whole: true, fault: (*Link).tunnelFault},
	{name: KindIP6Tunnel, settings: func(l *Link) []setting { return l.Tunnel.ip6tnl() }, whole: true, fault: (*Link).tunnelFault},
	{name: KindIPIP, settings: func(l *Link) []setting { return l.Tunnel.ipip() }, whole: true, fault: (*Link).tunnelFault},
	{name: KindIPVLAN, settings: func(l *Link) []setting { return l.IPVLAN.settings() }},
	{name: KindMACVLAN, settings: func(l *Link) []setting { return l.MACVLAN.settings() }, fault: (*Link).macvlanFault},
	{name: KindMACVTap, settings: func(l *Link) []setting { return l.MACVLAN.settings() }, fault: (*Link).macvlanFault},
	{name: KindSIT, settings: func(l *Link) []setting { return l.Tunnel.sit() }, whole: true, fault: (*Link).tunnelFault},
	{name: KindTun, settings: func(l *Link) []setting { return l.Tun.settings() }},
	{name: KindVeth},
	{name: KindVLAN, settings: func(l *Link) []setting { return l.VLAN.settings() }},
	{name: KindVRF, settings: func(l *Link) []setting { return l.VRF.settings() }},
	{name: KindVXLAN, settings: func(l *Link) []setting { return l.VXLAN.settings() }, fault: (*Link).vxlanFault},
	{name: KindWireGuard},
}

// of gives what is particular to the kind; nil: there is no such kind.
func (k LinkKind) of() *kindTable {
	for i := range kindTables {
		if kindTables[i].name == k {
			return &kindTables[i]
		}
	}
	return nil
}

// in gives the settings of l that the kind has.
func (k *kindTable) in(l *Link) []setting {
	if k == nil || k.settings == nil || l == nil {
		return nil
	}
	return k.settings(l)
}

// settingsFault finds what is wrong with the settings, without asking the kernel, and says what would be
// right.
func (l *Link) settingsFault() error {
	k := l.Kind.of()
	if k == nil && l.Kind != "" {
		return fmt.Errorf("no kind of interface: %q; %s are", l.Kind, kindNames())
	}
	if err := faultOf(string(l.Kind), k.in(l)); err != nil {
		return err
	}
	if err := l.strayFault(k); err != nil {
		return err
	}
	if k != nil && k.fault != nil {
		return k.fault(l)
	}
	return nil
}

// strayFault finds a setting that l's kind does not have.
func (l *Link) strayFault(k *kindTable) error {
	rest := *l
	for _, s := range k.in(&rest) {
		s.clear()
	}
	for i := range kindTables {
		other := &kindTables[i]
		for _, s := range other.in(&rest) {
			switch {
			case !s.asked() || s.word == "":
			case k == nil:
				return fmt.Errorf("%s without a Kind; it is a setting of Kind %q", s.words()[1:], other.name)
			default:
				return fmt.Errorf("%s is not for Kind %q; it is a setting of %q", s.words()[1:], k.name, other.name)
			}
		}
	}
	return nil
}

func kindNames() string {
	var names []string
	for i := range kindTables {
		names = append(names, string(kindTables[i].name))
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// settings gives " link eth0 type vlan id 5", to be put behind the name in "ip link add".
func (l *Link) settings() string {
	var b strings.Builder
	list := l.Kind.of().in(l)
	for _, s := range list {
		if s.attr == lower && s.asked() {
			b.WriteString(" link" + s.argument())
		}
	}
	b.WriteString(" type " + string(l.Kind))
	for _, s := range list {
		if s.attr != lower {
			b.WriteString(s.words())
		}
	}
	return b.String()
}

// needs gives the names of the interfaces that the settings name: those come first.
func (l *Link) needs() []string {
	var names []string
	for _, s := range l.Kind.of().in(l) {
		if d, ok := s.value.(device); ok && s.asked() && !d.late {
			names = append(names, *d.at)
		}
	}
	return names
}

// putKind adds to a request that creates l what its kind is, and how.
func putKind(b *rtnetlink.Batch, l *Link, index func(name string) int32) {
	list := l.Kind.of().in(l)
	putInfo(b, unix.IFLA_INFO_KIND, string(l.Kind), unix.IFLA_INFO_DATA, list, allAsked(list), index)
}

// putKindChange adds to a request that changes seen what it takes to make its settings those of want. last
// is what was last asked for, or nil: what want no longer asks for goes back to the kernel's default.
func putKindChange(b *rtnetlink.Batch, want, seen, last *Link, index func(name string) int32) {
	k := want.Kind.of()
	merged := *seen
	list := k.in(&merged)
	put := merge(list, k.in(want), k.in(seen), k.in(last))
	if k.whole {
		put = allAsked(list)
	}
	putInfo(b, unix.IFLA_INFO_KIND, string(k.name), unix.IFLA_INFO_DATA, list, put, index)
}

// decodeKind reads what the kernel shows of a link's kind: IFLA_INFO_KIND, IFLA_INFO_DATA, and IFLA_LINK, or
// 0 where that is of another namespace. What is as the kernel has it by default is left zero.
func decodeKind(l *Link, kind string, data []byte, over int32, name namer) {
	l.Kind = LinkKind(kind)
	list := l.Kind.of().in(l)
	for _, s := range list {
		if d, ok := s.value.(device); ok && s.attr == lower && over != 0 {
			*d.at = name(over)
		}
	}
	getSettings(list, data, name)
}

// kindDiff gives the settings, in ip(8)'s words, that want asks for and that seen has otherwise, and those
// that last (or nil) asked for, and want does not, and that seen still has: first those that the kernel can
// change in place. Both are of want's Kind.
func (want *Link) kindDiff(seen, last *Link) (changeable, fixed []string) {
	k := want.Kind.of()
	return diffSettings(k.in(want), k.in(seen), k.in(last))
}
