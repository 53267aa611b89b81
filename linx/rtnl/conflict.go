package rtnl

import (
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// ConflictPolicy says what to do where another's object has the place of a desired one. Whatever it says,
// what is not in the place of a desired object is never touched.
type ConflictPolicy uint8

const (
	// Refuse leaves the other's object alone. If it already is what is wanted, that is enough: it stays the
	// other's, and stays when we go. If it is not, a *ConflictError is reported.
	Refuse ConflictPolicy = iota
	// Adopt makes ours what already is as wanted, and with it the duty to remove it. What is otherwise is
	// refused. An interface that was adopted is deleted when it is not desired any more.
	Adopt
	// TakeOver adopts, and replaces what is otherwise. An interface is changed in place, and made anew only if
	// its Link says Recreate.
	TakeOver
)

// ConflictError says who holds the place of a desired object.
type ConflictError struct {
	Holder   fmt.Stringer // the object in the way
	Protocol int          // its rtm_protocol or the like; 0: it has none
	Reason   string       // in what it differs, or why not even TakeOver would help; or empty
}

// Error gives all three in words.
func (e *ConflictError) Error() string {
	s := "conflict: the place is held by " + e.Holder.String()
	if _, address := e.Holder.(Address); address {
		s += ", " + addressProtocolName(e.Protocol)
	} else if e.Protocol != 0 {
		s += ", " + protocolName(e.Protocol)
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	return s
}

// addressProtocolName knows the names that if_addr.h has, for addresses that the kernel makes.
func addressProtocolName(p int) string {
	if name := [...]string{1: "kernel_lo", 2: "kernel_ra", 3: "kernel_ll"}; 0 < p && p < len(name) {
		return "of protocol " + strconv.Itoa(p) + " (" + name[p] + ")"
	}
	return protocolName(p)
}

// protocolName follows rtnetlink.h and /etc/iproute2/rt_protos.
func protocolName(p int) string {
	name := ""
	switch p {
	case 0:
		return "of no protocol"
	case unix.RTPROT_REDIRECT:
		name = "redirect"
	case unix.RTPROT_KERNEL:
		name = "kernel"
	case unix.RTPROT_BOOT:
		name = "boot"
	case unix.RTPROT_STATIC:
		name = "static"
	case unix.RTPROT_RA:
		name = "ra"
	case unix.RTPROT_ZEBRA:
		name = "zebra"
	case unix.RTPROT_BIRD:
		name = "bird"
	case unix.RTPROT_DHCP:
		name = "dhcp"
	case unix.RTPROT_BABEL:
		name = "babel"
	case unix.RTPROT_BGP:
		name = "bgp"
	case unix.RTPROT_ISIS:
		name = "isis"
	case unix.RTPROT_OSPF:
		name = "ospf"
	case unix.RTPROT_RIP:
		name = "rip"
	case unix.RTPROT_EIGRP:
		name = "eigrp"
	}
	if name != "" {
		name = " (" + name + ")"
	}
	return "of protocol " + strconv.Itoa(p) + name
}
