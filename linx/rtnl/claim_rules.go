package rtnl

import "slices"

func (p *pass) claimedRules() []ownedRule {
	var out []ownedRule
	for _, rec := range p.last.rules {
		i, ok := p.want.rule[packRule(&rec.Rule)]
		if !ok || !p.claims.rules[i] {
			out = append(out, rec)
		}
	}
	for i, covered := range p.claims.rules {
		if covered {
			out = append(out, ownedRule{Rule: p.want.state.Rules[i], Claimed: true})
		}
	}
	return out
}

func (p *pass) ownedRules() []ownedRule {
	s := p.survey
	out := make([]ownedRule, 0, len(s.rules)+len(s.oldRules))
	for i, inPlace := range s.rules {
		if inPlace {
			out = append(out, ownedRule{Rule: p.want.state.Rules[i]})
		}
	}
	for i := range s.oldRules {
		out = append(out, ownedRule{Rule: s.oldRules[i].unpack()})
	}
	if !p.fresh {
		for _, i := range p.round.createdRules { // and not seen since
			out = append(out, ownedRule{Rule: p.want.state.Rules[i], Claimed: true})
		}
	}
	if slices.Equal(out, p.last.rules) {
		return p.last.rules
	}
	return out
}
