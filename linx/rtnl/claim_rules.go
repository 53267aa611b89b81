package rtnl

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
	out := collection[ownedRule]{last: p.last.rules}
	for i, inPlace := range s.rules {
		if inPlace {
			out.add(ownedRule{Rule: p.want.state.Rules[i]})
		}
	}
	for i := range s.oldRules {
		out.add(ownedRule{Rule: s.oldRules[i].unpack()})
	}
	if !p.fresh {
		for _, i := range p.round.createdRules { // and not seen since
			out.add(ownedRule{Rule: p.want.state.Rules[i], Claimed: true})
		}
	}
	return out.list()
}
