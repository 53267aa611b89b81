package rtnl

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Rule says which packets are routed by which table, or what else becomes of them. Its family, priority
// and selectors (what is listed up to L3MDev) are its identity: two rules of one state cannot agree in
// all of them.
//
// Others may have the same rule: the kernel keeps both, by protocol, so that rules never conflict. Nor do
// they wait: one for an interface or a priority that does not exist is kept, and applies once that does.
type Rule struct {
	// Priority is the order in which rules are asked, the lowest first. 0 is refused: ip(8) has the kernel
	// choose then, and what was chosen could not be found again. The kernel's own rules have 0, 32766 and
	// 32767.
	Priority uint32 `json:"priority"`
	// Not has the rule apply to all packets but those that its selectors, from here to L3MDev, describe.
	Not bool `json:"not,omitempty"`
	// From is where packets come from. Zero: anywhere. Without a To it tells the family: write 0.0.0.0/0 or
	// ::/0 for all.
	From netip.Prefix `json:"from,omitzero"`
	// To is where they go. Zero: anywhere.
	To netip.Prefix `json:"to,omitzero"`
	// IIF is the name of the interface that they come in by; lo: they are from this host. Empty: any.
	IIF string `json:"iif,omitempty"`
	// OIF is the name of the interface that the sending socket is bound to. Empty: any.
	OIF string `json:"oif,omitempty"`
	// Mark is their firewall mark, in the bits of Mask. Both 0: any.
	Mark uint32 `json:"mark,omitempty"`
	// Mask is which bits of a mark count. 0: all, if there is a Mark.
	Mask uint32 `json:"mask,omitempty"`
	// TOS is their type of service. 0: any. Its lowest two bits are 0.
	TOS uint8 `json:"tos,omitempty"`
	// IPProtocol is what they carry, such as 6 for TCP. 0: anything.
	IPProtocol uint8 `json:"ipproto,omitempty"`
	// SourcePorts and DestinationPorts are those of TCP, UDP and the like. Zero: any.
	SourcePorts      PortRange `json:"sport,omitzero"`
	DestinationPorts PortRange `json:"dport,omitzero"`
	// UIDs are the users that they are sent by. Zero: any. The kernel refuses ids that our user namespace
	// does not map, and all of them where the network namespace belongs to another user namespace.
	UIDs UIDRange `json:"uids,omitzero"`
	// L3MDev has a RuleLookup look in the table of the VRF that they come from or go to; Table is 0 then.
	L3MDev bool `json:"l3mdev,omitempty"`

	// Action is what happens to packets. Zero: RuleLookup.
	Action RuleAction `json:"action,omitempty"`
	// Table is where a RuleLookup looks. 0: main (254), as in a Route.
	Table uint32 `json:"table,omitempty"`
	// Goto is the priority of the rule to go on with, for the action RuleGoto. It is higher than this one's.
	Goto uint32 `json:"goto,omitempty"`
	// MinPrefixLength is the shortest prefix of a route that a RuleLookup takes: one that it finds with less
	// does not count. 0: takes all; 1: all but default routes, which is "suppress_prefixlength 0" for ip(8).
	MinPrefixLength uint8 `json:"minPrefixLength,omitempty"`
}

// String gives "rule from 10.0.0.0/8 lookup 100 priority 1000", in the words of ip(8), which takes an
// IPv6 one with -6.
func (r Rule) String() string {
	var b strings.Builder
	word := func(parts ...string) {
		for _, p := range parts {
			b.WriteByte(' ')
			b.WriteString(p)
		}
	}
	b.WriteString("rule")
	if r.Not {
		word("not")
	}
	b.WriteString(" from ")
	if r.From.IsValid() {
		b.WriteString(r.From.String())
	} else {
		b.WriteString("all")
	}
	if r.To.IsValid() {
		word("to", r.To.String())
	}
	if r.TOS != 0 {
		word("tos", fmt.Sprintf("%#x", r.TOS))
	}
	if r.Mark != 0 || r.Mask != 0 {
		mark := fmt.Sprintf("%#x", r.Mark)
		if r.Mask != 0 {
			mark += fmt.Sprintf("/%#x", r.Mask)
		}
		word("fwmark", mark)
	}
	if r.IIF != "" {
		word("iif", r.IIF)
	}
	if r.OIF != "" {
		word("oif", r.OIF)
	}
	if r.UIDs != (UIDRange{}) {
		word("uidrange", r.UIDs.String())
	}
	if r.IPProtocol != 0 {
		word("ipproto", strconv.Itoa(int(r.IPProtocol)))
	}
	if r.SourcePorts != (PortRange{}) {
		word("sport", r.SourcePorts.String())
	}
	if r.DestinationPorts != (PortRange{}) {
		word("dport", r.DestinationPorts.String())
	}
	word(r.actionWords())
	if r.MinPrefixLength != 0 {
		word("suppress_prefixlength", strconv.Itoa(int(r.MinPrefixLength)-1))
	}
	word("priority", strconv.FormatUint(uint64(r.Priority), 10))
	return b.String()
}

// actionWords gives "lookup 100".
func (r *Rule) actionWords() string {
	switch {
	case r.Action == RuleGoto:
		return "goto " + strconv.FormatUint(uint64(r.Goto), 10)
	case r.Action != RuleLookup:
		return r.Action.String()
	case r.L3MDev:
		return "l3mdev"
	case r.Table == 0, r.Table == unix.RT_TABLE_MAIN:
		return "lookup main"
	}
	return "lookup " + strconv.FormatUint(uint64(r.Table), 10)
}

// v6 tells the family of a valid rule.
func (r *Rule) v6() bool { return r.From.Addr().Is6() || r.To.Addr().Is6() }

// RuleAction is what happens to packets that a rule applies to.
type RuleAction uint8

const (
	RuleLookup      RuleAction = iota // routed by a table; if that has no route, the next rule is asked
	RuleGoto                          // the rules from the first of another priority on are asked
	RuleNop                           // the next rule is asked
	RuleBlackhole                     // dropped without a word
	RuleUnreachable                   // refused with ICMP network unreachable
	RuleProhibit                      // refused with ICMP administratively prohibited
)

var ruleActions = [...]struct {
	name   string
	kernel uint8
}{
	RuleLookup:      {"lookup", unix.FR_ACT_TO_TBL},
	RuleGoto:        {"goto", unix.FR_ACT_GOTO},
	RuleNop:         {"nop", unix.FR_ACT_NOP},
	RuleBlackhole:   {"blackhole", unix.FR_ACT_BLACKHOLE},
	RuleUnreachable: {"unreachable", unix.FR_ACT_UNREACHABLE},
	RuleProhibit:    {"prohibit", unix.FR_ACT_PROHIBIT},
}

// String gives ip(8)'s name: "blackhole".
func (a RuleAction) String() string {
	if int(a) < len(ruleActions) {
		return ruleActions[a].name
	}
	return "RuleAction(" + strconv.Itoa(int(a)) + ")"
}

// MarshalText gives what String gives; an action that does not exist is an error.
func (a RuleAction) MarshalText() ([]byte, error) {
	if int(a) >= len(ruleActions) {
		return nil, fmt.Errorf("rtnl: no rule action: %v", a)
	}
	return []byte(a.String()), nil
}

// UnmarshalText takes ip(8)'s names.
func (a *RuleAction) UnmarshalText(text []byte) error {
	for i := range ruleActions {
		if ruleActions[i].name == string(text) {
			*a = RuleAction(i)
			return nil
		}
	}
	return fmt.Errorf("rtnl: no rule action: %q; lookup, goto, nop, blackhole, unreachable and prohibit are", text)
}
