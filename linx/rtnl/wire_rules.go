package rtnl

import (
	"bytes"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// What x/sys/unix lacks of linux/fib_rules.h.
const (
	sizeofRuleHeader = 12 // struct fib_rule_hdr
	fraDSCP          = 25
	fraFlowLabel     = 26
	fraFlowLabelMask = 27
	fraSportMask     = 28
	fraDportMask     = 29
	fraDSCPMask      = 30
)

// seenRule is a rule as the kernel shows it.
type seenRule struct {
	rule
	protocol uint8
	tagged   bool // it shows a protocol: Linux 4.17
	strange  bool // has what this package cannot ask for or name: never what is wanted, never deleted
}

// decodeRule reads a struct fib_rule_hdr and its attributes.
func decodeRule(body []byte, r *seenRule) bool {
	if len(body) < sizeofRuleHeader {
		return false
	}
	*r = seenRule{rule: rule{
		ruleKey: ruleKey{v6: body[0] == unix.AF_INET6, toBits: body[1], fromBits: body[2], tos: body[3]},
		table:   uint32(body[4]),
		action:  body[7],
	}}
	if !r.v6 && body[0] != unix.AF_INET {
		return false
	}
	// How it is, not what it is.
	const shown = unix.FIB_RULE_UNRESOLVED | unix.FIB_RULE_IIF_DETACHED | unix.FIB_RULE_OIF_DETACHED
	flags := native.Uint32(body[8:])
	r.not = flags&unix.FIB_RULE_INVERT != 0
	r.strange = flags&^(shown|unix.FIB_RULE_INVERT) != 0
	for typ, v := range rtnetlink.Attributes(body[sizeofRuleHeader:]) {
		switch typ {
		case unix.FRA_SRC:
			copy(r.from[:], v)
		case unix.FRA_DST:
			copy(r.to[:], v)
		case unix.FRA_IIFNAME:
			copy(r.iif[:], bytes.TrimRight(v, "\x00"))
		case unix.FRA_OIFNAME:
			copy(r.oif[:], bytes.TrimRight(v, "\x00"))
		case unix.FRA_PRIORITY:
			r.priority = uint32At(v)
		case unix.FRA_FWMARK:
			r.mark = uint32At(v)
		case unix.FRA_FWMASK:
			r.mask = uint32At(v)
		case unix.FRA_TABLE:
			r.table = uint32At(v)
		case unix.FRA_GOTO:
			r.target = uint32At(v)
		case unix.FRA_PROTOCOL:
			r.tagged, r.protocol = true, uint8At(v)
		case unix.FRA_IP_PROTO:
			r.ipProto = uint8At(v)
		case unix.FRA_L3MDEV:
			r.l3mdev = uint8At(v) != 0
		case unix.FRA_UID_RANGE:
			if len(v) >= 8 {
				r.uids = UIDs(native.Uint32(v), native.Uint32(v[4:]))
			}
		case unix.FRA_SPORT_RANGE:
			r.sports = portsAt(v)
		case unix.FRA_DPORT_RANGE:
			r.dports = portsAt(v)
		case fraSportMask, fraDportMask: // all bits, where the kernel (6.15) has filled it in
			r.strange = r.strange || !bytes.Equal(v, []byte{0xff, 0xff})
		case unix.FRA_SUPPRESS_PREFIXLEN:
			length := int32(uint32At(v))
			r.minLength = uint8(length + 1)
			r.strange = r.strange || length < -1 || length > 128
		case unix.FRA_SUPPRESS_IFGROUP:
			r.strange = r.strange || int32(uint32At(v)) != -1
		case unix.FRA_FLOW, unix.FRA_TUN_ID, fraDSCP, fraDSCPMask, fraFlowLabel, fraFlowLabelMask:
			r.strange = true
		}
	}
	return true
}

func uint8At(v []byte) uint8 {
	if len(v) < 1 {
		return 0
	}
	return v[0]
}

func portsAt(v []byte) PortRange {
	if len(v) < 4 {
		return PortRange{}
	}
	return Ports(native.Uint16(v), native.Uint16(v[2:]))
}

// putRule adds a request that creates r: with NLM_F_EXCL if the kernel is to refuse what it takes for the
// same.
func putRule(b *rtnetlink.Batch, flag uint16, r *rule, protocol uint8) {
	b.Begin(unix.RTM_NEWRULE, unix.NLM_F_CREATE|flag)
	putRuleBody(b, r, protocol)
}

// dropRule adds a request that deletes the first rule that r takes: see there. The protocol keeps it from
// others'.
func dropRule(b *rtnetlink.Batch, r *rule, protocol uint8) {
	b.Begin(unix.RTM_DELRULE, 0)
	putRuleBody(b, r, protocol)
}

func putRuleBody(b *rtnetlink.Batch, r *rule, protocol uint8) {
	var fixed [sizeofRuleHeader]byte
	fixed[0], fixed[1], fixed[2], fixed[3], fixed[7] = family(r.v6), r.toBits, r.fromBits, r.tos, r.action
	if r.table < 256 {
		fixed[4] = uint8(r.table)
	}
	if r.not {
		native.PutUint32(fixed[8:], unix.FIB_RULE_INVERT)
	}
	b.Raw(fixed[:])
	b.Uint32(unix.FRA_PRIORITY, r.priority)
	b.Uint8(unix.FRA_PROTOCOL, protocol)
	if r.table >= 256 {
		b.Uint32(unix.FRA_TABLE, r.table)
	}
	if r.fromBits > 0 {
		b.Bytes(unix.FRA_SRC, r.from.bytes(r.v6))
	}
	if r.toBits > 0 {
		b.Bytes(unix.FRA_DST, r.to.bytes(r.v6))
	}
	if name := r.iif.bytes(); len(name) > 0 {
		b.Bytes(unix.FRA_IIFNAME, name)
	}
	if name := r.oif.bytes(); len(name) > 0 {
		b.Bytes(unix.FRA_OIFNAME, name)
	}
	if r.mark != 0 {
		b.Uint32(unix.FRA_FWMARK, r.mark)
	}
	if r.mask != 0 {
		b.Uint32(unix.FRA_FWMASK, r.mask)
	}
	if r.uids.set {
		b.Bytes(unix.FRA_UID_RANGE, native.AppendUint32(native.AppendUint32(nil, r.uids.first), r.uids.last))
	}
	if r.ipProto != 0 {
		b.Uint8(unix.FRA_IP_PROTO, r.ipProto)
	}
	if r.sports != (PortRange{}) {
		b.Bytes(unix.FRA_SPORT_RANGE, r.sports.bytes())
	}
	if r.dports != (PortRange{}) {
		b.Bytes(unix.FRA_DPORT_RANGE, r.dports.bytes())
	}
	if r.l3mdev {
		b.Uint8(unix.FRA_L3MDEV, 1)
	}
	if r.target != 0 {
		b.Uint32(unix.FRA_GOTO, r.target)
	}
	if r.minLength != 0 {
		b.Uint32(unix.FRA_SUPPRESS_PREFIXLEN, uint32(r.minLength)-1)
	}
}

// bytes gives a struct fib_rule_port_range.
func (r PortRange) bytes() []byte {
	return native.AppendUint16(native.AppendUint16(nil, r.first), r.last)
}

// askRules makes b the request for a family's rules. The kernel filters them by nothing else.
func askRules(b *rtnetlink.Batch, v6 bool) {
	b.Reset()
	b.Begin(unix.RTM_GETRULE, unix.NLM_F_DUMP)
	var fixed [sizeofRuleHeader]byte
	fixed[0] = family(v6)
	b.Raw(fixed[:])
}
