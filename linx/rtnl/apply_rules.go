package rtnl

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// addRules creates what is not there. NLM_F_EXCL keeps the kernel from having the same rule twice. But it
// compares too little: a prefix or TOS that the new rule leaves out, Not, and the target of a goto are the
// same to it whatever they are (rule_exists). So what is refused that way is looked for, and insisted on.
func (p *pass) addRules(ctx context.Context, plan *difference) error {
	var refused []int32
	err := p.putRules(ctx, plan.newRules, unix.NLM_F_EXCL, func(i int32, err error) {
		if errors.Is(err, unix.EEXIST) {
			refused = append(refused, i)
		} else {
			p.doneRule(i, err)
		}
	})
	there := make(map[rule]bool)
	for _, v6 := range []bool{false, true} {
		if err != nil || len(refused) == 0 {
			break
		}
		var own []seenRule
		own, err = p.ownRules(ctx, v6)
		for i := range own {
			there[own[i].rule] = there[own[i].rule] || !own[i].strange
		}
	}
	if err != nil {
		for _, i := range refused {
			p.skipped(p.ruleOp(Create, i), err)
		}
		return err
	}
	missing := without(refused, func(i int32) bool { return there[p.want.rules[i]] })
	p.round.again = p.round.again || len(missing) < len(refused)
	return p.putRules(ctx, missing, 0, p.doneRule)
}

func (p *pass) putRules(ctx context.Context, list []int32, flag uint16, done func(i int32, err error)) error {
	return p.send(ctx, len(list),
		func(b *rtnetlink.Batch, k int) { putRule(b, flag, &p.want.rules[list[k]], p.survey.protocol) },
		func(k int, err error) { done(list[k], err) },
		func(k int, err error) { p.skipped(p.ruleOp(Create, list[k]), err) })
}

func (p *pass) doneRule(i int32, err error) {
	if err == nil {
		p.round.createdRules = append(p.round.createdRules, i)
		p.source.fights.done(place{aRule, i}, p.began)
	}
	p.done(p.ruleOp(Create, i), err)
}

// ownRules reads the rules of our protocol, in the order in which the kernel has them.
func (p *pass) ownRules(ctx context.Context, v6 bool) (own []seenRule, err error) {
	for range maximumDumps {
		own = own[:0]
		err = p.dumpRules(ctx, v6, func(r *seenRule) {
			if r.protocol == p.survey.protocol {
				own = append(own, *r)
			}
		})
		if !errors.Is(err, rtnetlink.ErrInterrupted) {
			break
		}
	}
	return own, err
}

func (p *pass) ruleOp(verb reconcile.Verb, i int32) reconcile.Op {
	return op(verb, &p.want.state.Rules[i])
}

func oldRule(r *rule) *Rule {
	old := r.unpack()
	return &old
}
