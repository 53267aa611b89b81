package monitor

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Group is a multicast group of NETLINK_ROUTE, by its number in enum rtnetlink_groups of
// linux/rtnetlink.h. The constants are those that a Kind decodes, or that a sysctl or route daemon
// needs; any other number that the kernel knows is as good.
type Group uint32

// The groups, each named after its RTNLGRP_.
const (
	GroupLink        Group = unix.RTNLGRP_LINK        // interfaces; also bridge ports, with family AF_BRIDGE
	GroupNeigh       Group = unix.RTNLGRP_NEIGH       // neighbours, and the forwarding databases of bridges
	GroupIPv4IfAddr  Group = unix.RTNLGRP_IPV4_IFADDR // addresses
	GroupIPv6IfAddr  Group = unix.RTNLGRP_IPV6_IFADDR
	GroupIPv4Route   Group = unix.RTNLGRP_IPV4_ROUTE
	GroupIPv6Route   Group = unix.RTNLGRP_IPV6_ROUTE
	GroupIPv4Rule    Group = unix.RTNLGRP_IPV4_RULE
	GroupIPv6Rule    Group = unix.RTNLGRP_IPV6_RULE
	GroupNexthop     Group = unix.RTNLGRP_NEXTHOP // nexthop objects; Linux 5.3
	GroupIPv4Netconf Group = unix.RTNLGRP_IPV4_NETCONF
	GroupIPv6Netconf Group = unix.RTNLGRP_IPV6_NETCONF
	GroupMPLSNetconf Group = unix.RTNLGRP_MPLS_NETCONF
)

// DefaultGroups gives the groups that a Config without any means: those of all that an Event can decode,
// which are links, addresses, routes, rules and neighbours.
func DefaultGroups() []Group {
	return []Group{
		GroupLink, GroupNeigh,
		GroupIPv4IfAddr, GroupIPv4Route, GroupIPv4Rule,
		GroupIPv6IfAddr, GroupIPv6Route, GroupIPv6Rule,
	}
}

// regroup joins before it leaves, so that what is in both is never missed.
func regroup(fd int, old, groups []Group) error {
	for i, g := range groups {
		err := g.join(fd)
		if err == nil {
			continue
		}
		for _, g := range groups[:i] {
			if !slices.Contains(old, g) {
				err = errors.Join(err, g.leave(fd))
			}
		}
		return err
	}
	for _, g := range old {
		if !slices.Contains(groups, g) {
			if err := g.leave(fd); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g Group) join(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, int(g)); err != nil {
		return fmt.Errorf("joining group %d: %w", g, err)
	}
	return nil
}

func (g Group) leave(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_DROP_MEMBERSHIP, int(g)); err != nil {
		return fmt.Errorf("leaving group %d: %w", g, err)
	}
	return nil
}
