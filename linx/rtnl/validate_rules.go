package rtnl

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
)

// fault finds what is wrong with a rule, without asking the kernel, and says what would be right.
func (r *Rule) fault() error {
	if int(r.Action) >= len(ruleActions) {
		return fmt.Errorf("no rule action: %v; the constants from RuleLookup to RuleProhibit are", r.Action)
	}
	if r.Priority == 0 {
		return errors.New("no Priority; give one from 1 on: one that the kernel chose could not be found again")
	}
	for _, check := range []func() error{r.prefixFault, r.selectorFault, r.actionFault} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (r *Rule) prefixFault() error {
	if r.From == (netip.Prefix{}) && r.To == (netip.Prefix{}) {
		return errors.New("a rule without From and To has no family; write From 0.0.0.0/0 or ::/0")
	}
	for _, p := range []struct {
		name   string
		prefix netip.Prefix
	}{{"From", r.From}, {"To", r.To}} {
		switch prefix := p.prefix; {
		case prefix == netip.Prefix{}:
		case !prefix.IsValid():
			return fmt.Errorf("%s %v/%d: no valid prefix; an IPv4 length is at most 32, an IPv6 one 128", p.name, prefix.Addr(), prefix.Bits())
		case prefix.Addr().Is4In6():
			return fmt.Errorf("%s %v is an IPv4-mapped IPv6 prefix; write it as IPv4", p.name, prefix)
		case prefix != prefix.Masked():
			return fmt.Errorf("%s %v has host bits set; the network is %v", p.name, prefix, prefix.Masked())
		}
	}
	if r.From.IsValid() && r.To.IsValid() && r.From.Addr().Is6() != r.To.Addr().Is6() {
		return fmt.Errorf("two different families: From %v and To %v", r.From, r.To)
	}
	return nil
}

func (r *Rule) selectorFault() error {
	all := Rule{Priority: r.Priority, Action: r.Action, Table: r.Table, Goto: r.Goto, MinPrefixLength: r.MinPrefixLength}
	all.From, all.To, all.Not = r.From, r.To, true
	if *r == all && r.From.Bits() <= 0 && r.To.Bits() <= 0 {
		return errors.New("nothing selected, so that with Not it applies to no packet; give a selector, or leave out Not")
	}
	for _, name := range []string{r.IIF, r.OIF} {
		if name != "" {
			if err := interfaceFault(name); err != nil {
				return err
			}
		}
	}
	if err := tosFault(r.TOS); err != nil {
		return err
	}
	for _, ports := range []PortRange{r.SourcePorts, r.DestinationPorts} {
		if ports == (PortRange{}) {
			continue
		}
		// fib_rule_port_range_valid
		if ports.first == 0 || ports.last == math.MaxUint16 || ports.first > ports.last {
			return fmt.Errorf("ports %v: the kernel takes a first from 1 on, and a last from that to 65534", ports)
		}
	}
	if u := r.UIDs; u.set && (u.last == math.MaxUint32 || u.first > u.last) {
		return fmt.Errorf("user ids %v: the first is at most the last, and that at most %d", u, uint32(math.MaxUint32-1))
	}
	return nil
}

func (r *Rule) actionFault() error {
	lookup := r.Action == RuleLookup
	switch {
	case !lookup && (r.Table != 0 || r.L3MDev || r.MinPrefixLength != 0):
		return fmt.Errorf("%v rule: it looks into no table; leave out Table, L3MDev and MinPrefixLength", r.Action)
	case r.L3MDev && r.Table != 0:
		return errors.New("L3MDev with a Table; the table is the VRF's: leave it out")
	case r.Action != RuleGoto && r.Goto != 0:
		return fmt.Errorf("%v rule with a Goto; leave it out, or make RuleGoto the Action", r.Action)
	case r.Action == RuleGoto && r.Goto <= r.Priority:
		return fmt.Errorf("no going to %d: Goto only goes forward, to priorities above this rule's own %d", r.Goto, r.Priority)
	}
	bits := 32
	if r.v6() {
		bits = 128
	}
	if int(r.MinPrefixLength) > bits {
		return fmt.Errorf("MinPrefixLength %d: no prefix is that long; at most %d", r.MinPrefixLength, bits)
	}
	return nil
}
