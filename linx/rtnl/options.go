package rtnl

import (
	"fmt"
	"log/slog"

	"golang.org/x/sys/unix"
)

// DefaultProtocol is the protocol that marks what is ours, see Options.Protocol: ASCII 'L'. ip(8) shows it as
// "proto 76".
const DefaultProtocol = 76

// Options holds what is optional about a Source. The zero value is a good one.
type Options struct {
	// Protocol marks what is ours, as rtm_protocol of routes, nh_protocol of nexthop objects, FRA_PROTOCOL of
	// rules, NDA_PROTOCOL of neighbours and IFA_PROTO of addresses: whatever carries it and is not desired is
	// deleted (of neighbours, what LastApplied has too). So no two writers in one namespace may use the same.
	// 0: DefaultProtocol. 1 to 4 and 9 are refused: the kernel and ip(8) put them on objects of their own.
	Protocol int
	// Conflict says what to do where another's object has the place of a desired one. Zero: Refuse.
	Conflict ConflictPolicy
	// NexthopObjects has IPv4 routes that name both Gateway and Interface use nexthop objects of the kernel,
	// one for each such pair, besides those of State.Nexthops: to change the gateway of all of them is one
	// request then, in which there is no moment without a route. The objects carry Protocol, and whatever
	// carries it and no desired route needs is deleted, unless others' routes or groups use it by then, which
	// is looked at right before: the kernel has no guard. IPv6 routes keep plain gateways: to replace an object
	// that IPv6 routes use, while others change IPv6 routes, crashes Linux 6.18.
	NexthopObjects bool
	// Logger is told when a fight with another writer over one object begins, and when it ends. An object
	// that had to be repaired 5 times within 10 s is left alone for 1 s, then 2 s, and so on up to 1 min.
	// nil: silent.
	Logger *slog.Logger
}

func (o *Options) check() error {
	switch p := o.Protocol; {
	case p < 0, p > 255:
		return fmt.Errorf("rtnl: Options.Protocol: %d is out of range; 5 to 255 but 9, or 0 for %d", p, DefaultProtocol)
	case p > 0 && p <= unix.RTPROT_STATIC, p == unix.RTPROT_RA:
		return fmt.Errorf("rtnl: Options.Protocol: %d marks what the kernel or administrators make: it would be deleted as ours; "+
			"5 to 255 but 9, or 0 for %d", p, DefaultProtocol)
	case o.Conflict > TakeOver:
		return fmt.Errorf("rtnl: Options.Conflict: %d is no policy; Refuse, Adopt and TakeOver are", o.Conflict)
	}
	return nil
}

func (o *Options) protocol() uint8 {
	if o.Protocol == 0 {
		return DefaultProtocol
	}
	return uint8(o.Protocol)
}
