package rtnl

import (
	"math"
	"net/netip"

	"golang.org/x/sys/unix"
)

// rule is a rule in the kernel's terms, but for its protocol. It is its own key: nothing of a rule can be
// changed.
type rule struct {
	ruleKey
	table     uint32
	target    uint32 // of FR_ACT_GOTO
	action    uint8  // FR_ACT_
	minLength uint8  // FRA_SUPPRESS_PREFIXLEN + 1; 0: none
}

// ruleKey is a rule's identity: when it is asked, and about what.
type ruleKey struct {
	from, to         ip
	iif, oif         interfaceName
	priority         uint32
	mark, mask       uint32
	uids             UIDRange
	sports, dports   PortRange
	fromBits, toBits uint8
	tos, ipProto     uint8
	l3mdev, not, v6  bool
}

// interfaceName is a name, with zeros behind it. Rules hold names, not indices.
type interfaceName [unix.IFNAMSIZ]byte

func packName(name string) (n interfaceName) {
	copy(n[:], name)
	return n
}

func (n *interfaceName) bytes() []byte {
	end := 0
	for end < len(n) && n[end] != 0 {
		end++
	}
	return n[:end]
}

// packRule gives r in the kernel's terms. r is valid.
func packRule(r *Rule) rule {
	p := rule{
		ruleKey: ruleKey{
			from: packIP(r.From.Addr()), to: packIP(r.To.Addr()),
			iif: packName(r.IIF), oif: packName(r.OIF),
			priority: r.Priority, mark: r.Mark, mask: r.Mask, uids: r.UIDs,
			sports: r.SourcePorts, dports: r.DestinationPorts,
			tos: r.TOS, ipProto: r.IPProtocol, l3mdev: r.L3MDev, not: r.Not, v6: r.v6(),
		},
		table:     r.Table,
		target:    r.Goto,
		action:    ruleActions[r.Action].kernel,
		minLength: r.MinPrefixLength,
	}
	if r.From.IsValid() {
		p.fromBits = uint8(r.From.Bits())
	}
	if r.To.IsValid() {
		p.toBits = uint8(r.To.Bits())
	}
	if p.mark != 0 && p.mask == 0 {
		p.mask = math.MaxUint32
	}
	if r.Action == RuleLookup && !r.L3MDev && p.table == 0 {
		p.table = mainTable
	}
	return p
}

// unpack gives r as a Rule, with every default that the kernel filled in left out again.
func (r *rule) unpack() Rule {
	u := Rule{
		Priority: r.priority, Not: r.not, IIF: string(r.iif.bytes()), OIF: string(r.oif.bytes()),
		Mark: r.mark, Mask: r.mask, TOS: r.tos, IPProtocol: r.ipProto,
		SourcePorts: r.sports, DestinationPorts: r.dports, UIDs: r.uids, L3MDev: r.l3mdev,
		Table: r.table, Goto: r.target, MinPrefixLength: r.minLength,
	}
	if r.toBits > 0 {
		u.To = r.to.prefix(r.v6, r.toBits)
	}
	if r.fromBits > 0 || u.To == (netip.Prefix{}) {
		u.From = r.from.prefix(r.v6, r.fromBits)
	}
	if u.Mark != 0 && u.Mask == math.MaxUint32 {
		u.Mask = 0
	}
	for a := range ruleActions {
		if ruleActions[a].kernel == r.action {
			u.Action = RuleAction(a)
		}
	}
	if u.Table == mainTable {
		u.Table = 0
	}
	return u
}

// takes says whether the kernel, asked to delete r, would take other for it. It takes the first rule in
// which all that the request names agrees (rule_find in net/core/fib_rules.c): what r leaves out may be
// anything in other, and neither Not nor the target of a goto is compared at all. Both are of one protocol,
// which a request names.
func (r *rule) takes(other *rule) bool {
	return r.v6 == other.v6 && r.priority == other.priority && r.action == other.action &&
		agrees(r.table, other.table) &&
		agrees(r.minLength, other.minLength) &&
		agrees(r.iif, other.iif) && agrees(r.oif, other.oif) &&
		agrees(r.mark, other.mark) && agrees(r.mask, other.mask) &&
		agrees(r.uids, other.uids) &&
		agrees(r.sports, other.sports) && agrees(r.dports, other.dports) &&
		agrees(r.tos, other.tos) && agrees(r.ipProto, other.ipProto) && agrees(r.l3mdev, other.l3mdev) &&
		(r.fromBits == 0 || r.fromBits == other.fromBits && r.from == other.from) &&
		(r.toBits == 0 || r.toBits == other.toBits && r.to == other.to)
}

// agrees says that what is asked for is there; zero asks for nothing.
func agrees[T comparable](asked, there T) bool {
	var nothing T
	return asked == nothing || asked == there
}

// named counts what a request to delete r names. Of two different rules of which one is taken for the
// other, the other has more, or they differ in Not or the target of a goto alone.
func (r *rule) named() int {
	n := 0
	for _, is := range [...]bool{
		r.table != 0, r.minLength != 0, r.iif != interfaceName{}, r.oif != interfaceName{}, r.mark != 0, r.mask != 0,
		r.uids.set, r.sports != PortRange{}, r.dports != PortRange{}, r.tos != 0, r.ipProto != 0, r.l3mdev,
		r.fromBits != 0, r.toBits != 0,
	} {
		if is {
			n++
		}
	}
	return n
}
