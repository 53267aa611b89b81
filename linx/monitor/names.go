package monitor

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// The names that ip(8) gives to numbers.

// named is a number's name, or a flag's.
type named struct {
	value uint32
	name  string
}

var (
	linkFlags = []named{
		{unix.IFF_LOOPBACK, "LOOPBACK"}, {unix.IFF_BROADCAST, "BROADCAST"}, {unix.IFF_POINTOPOINT, "POINTOPOINT"},
		{unix.IFF_MULTICAST, "MULTICAST"}, {unix.IFF_NOARP, "NOARP"}, {unix.IFF_ALLMULTI, "ALLMULTI"},
		{unix.IFF_PROMISC, "PROMISC"}, {unix.IFF_MASTER, "MASTER"}, {unix.IFF_SLAVE, "SLAVE"}, {unix.IFF_UP, "UP"},
		{unix.IFF_LOWER_UP, "LOWER_UP"}, {unix.IFF_DORMANT, "DORMANT"},
	}
	operStates = []named{
		{0, "UNKNOWN"}, {1, "NOTPRESENT"}, {2, "DOWN"}, {3, "LOWERLAYERDOWN"}, {4, "TESTING"}, {5, "DORMANT"}, {6, "UP"},
	}
	addressFlags = []named{
		{unix.IFA_F_SECONDARY, "secondary"}, {unix.IFA_F_NODAD, "nodad"}, {unix.IFA_F_TENTATIVE, "tentative"},
		{unix.IFA_F_DADFAILED, "dadfailed"}, {unix.IFA_F_DEPRECATED, "deprecated"}, {unix.IFA_F_MANAGETEMPADDR, "mngtmpaddr"},
		{unix.IFA_F_NOPREFIXROUTE, "noprefixroute"},
	}
	scopes = []named{
		{unix.RT_SCOPE_UNIVERSE, "global"}, {unix.RT_SCOPE_SITE, "site"}, {unix.RT_SCOPE_LINK, "link"},
		{unix.RT_SCOPE_HOST, "host"}, {unix.RT_SCOPE_NOWHERE, "nowhere"},
	}
	routeTypes = []named{
		{unix.RTN_UNICAST, "unicast"}, {unix.RTN_LOCAL, "local"}, {unix.RTN_BROADCAST, "broadcast"},
		{unix.RTN_ANYCAST, "anycast"}, {unix.RTN_MULTICAST, "multicast"}, {unix.RTN_BLACKHOLE, "blackhole"},
		{unix.RTN_UNREACHABLE, "unreachable"}, {unix.RTN_PROHIBIT, "prohibit"}, {unix.RTN_THROW, "throw"},
	}
	protocols = []named{
		{unix.RTPROT_UNSPEC, "unspec"}, {unix.RTPROT_REDIRECT, "redirect"}, {unix.RTPROT_KERNEL, "kernel"},
		{unix.RTPROT_BOOT, "boot"}, {unix.RTPROT_STATIC, "static"}, {unix.RTPROT_RA, "ra"}, {unix.RTPROT_ZEBRA, "zebra"},
		{unix.RTPROT_BIRD, "bird"}, {unix.RTPROT_DHCP, "dhcp"}, {unix.RTPROT_BGP, "bgp"}, {unix.RTPROT_OSPF, "ospf"},
	}
	tables   = []named{{unix.RT_TABLE_DEFAULT, "default"}, {unix.RT_TABLE_MAIN, "main"}, {unix.RT_TABLE_LOCAL, "local"}}
	hopFlags = []named{
		{unix.RTNH_F_DEAD, "dead"}, {unix.RTNH_F_PERVASIVE, "pervasive"}, {unix.RTNH_F_ONLINK, "onlink"},
		{unix.RTNH_F_OFFLOAD, "offload"}, {unix.RTNH_F_LINKDOWN, "linkdown"},
	}
	ruleActions = []named{
		{unix.FR_ACT_NOP, "nop"}, {unix.FR_ACT_BLACKHOLE, "blackhole"}, {unix.FR_ACT_UNREACHABLE, "unreachable"},
		{unix.FR_ACT_PROHIBIT, "prohibit"},
	}
	neighborFlags = []named{
		{unix.NTF_PROXY, "proxy"}, {unix.NTF_ROUTER, "router"}, {unix.NTF_EXT_LEARNED, "extern_learn"}, {unix.NTF_SELF, "self"},
		{unix.NTF_MASTER, "master"},
	}
	neighborStates = []named{
		{unix.NUD_INCOMPLETE, "INCOMPLETE"}, {unix.NUD_REACHABLE, "REACHABLE"}, {unix.NUD_STALE, "STALE"},
		{unix.NUD_DELAY, "DELAY"}, {unix.NUD_PROBE, "PROBE"}, {unix.NUD_FAILED, "FAILED"}, {unix.NUD_NOARP, "NOARP"},
		{unix.NUD_PERMANENT, "PERMANENT"},
	}
)

// nameOf gives the name of v, or the number.
func nameOf[T uint8 | uint32](names []named, v T) string {
	for _, n := range names {
		if n.value == uint32(v) {
			return n.name
		}
	}
	return fmt.Sprint(v)
}

// flagNames gives the names of the flags that are set.
func flagNames(flags uint32, names []named) []string {
	var set []string
	for _, n := range names {
		if flags&n.value != 0 {
			set = append(set, n.name)
		}
	}
	return set
}
