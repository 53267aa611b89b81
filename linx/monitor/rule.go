package monitor

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// Rule is a routing policy rule.
type Rule struct {
	IPv6     bool         // else IPv4
	Priority uint32       // the lowest is asked first
	From     netip.Prefix // zero: all
	To       netip.Prefix // zero: all
	IIF      string       // name of the interface that packets come in by; "": any
	OIF      string       // name of the interface that the sending socket is bound to; "": any
	Mark     uint32       // what a packet's mark is to be, in the bits of MarkMask
	MarkMask uint32       // 0: any mark
	TOS      uint8        // 0: any
	Invert   bool         // it is for packets that do not match
	Action   uint8        // unix.FR_ACT_
	Table    uint32       // to look in, for FR_ACT_TO_TBL
	Goto     uint32       // the priority to go on with, for FR_ACT_GOTO
	Protocol uint8        // who made it: unix.RTPROT_
}

// Rule decodes an Event of KindRule.
func (e Event) Rule() (Rule, bool) {
	const sizeofFibRuleHdr = 12
	fixed, attributes, ok := e.split(KindRule, sizeofFibRuleHdr)
	if !ok || !isIP(fixed[0]) {
		return Rule{}, false
	}
	family := fixed[0]
	ru := Rule{
		IPv6:   family == unix.AF_INET6,
		TOS:    fixed[3],
		Table:  uint32(fixed[4]),
		Action: fixed[7],
		Invert: native.Uint32(fixed[8:])&unix.FIB_RULE_INVERT != 0,
	}
	var r reader
	var from, to netip.Addr
	for typ, v := range rtnetlink.Attributes(attributes) {
		switch typ {
		case unix.FRA_PRIORITY:
			ru.Priority = r.uint32(v)
		case unix.FRA_SRC:
			from = r.addr(v)
		case unix.FRA_DST:
			to = r.addr(v)
		case unix.FRA_IIFNAME:
			ru.IIF = unix.ByteSliceToString(v)
		case unix.FRA_OIFNAME:
			ru.OIF = unix.ByteSliceToString(v)
		case unix.FRA_FWMARK:
			ru.Mark = r.uint32(v)
		case unix.FRA_FWMASK:
			ru.MarkMask = r.uint32(v)
		case unix.FRA_TABLE: // all of it: the fixed part has room for 8 bits
			ru.Table = r.uint32(v)
		case unix.FRA_GOTO:
			ru.Goto = r.uint32(v)
		case unix.FRA_PROTOCOL:
			ru.Protocol = r.uint8(v)
		}
	}
	if fixed[1] != 0 {
		ru.To = r.prefix(family, to, fixed[1])
	}
	if fixed[2] != 0 {
		ru.From = r.prefix(family, from, fixed[2])
	}
	return ru, !r.bad
}
