package rtnl

import (
	"context"
	"errors"
	"slices"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

var errNoSuccessor = errors.New("what is to replace it could not be created")

// removeRules deletes ours that are not desired. A request deletes the first rule that it matches, which
// need not be the one that is meant, but is of our protocol: others' are never hit. The rules are read once
// more before; should somebody delete one of ours by hand in between, the next observation finds what that
// has led to.
func (p *pass) removeRules(ctx context.Context, plan *difference) error {
	// One whose successor was refused stays: better the old rule than none.
	missing := make(map[ruleKey]bool)
	for _, i := range plan.newRules {
		missing[p.want.rules[i].ruleKey] = !slices.Contains(p.round.createdRules, i)
	}
	var olds [2][]rule
	for i := range plan.oldRules {
		if r := &plan.oldRules[i]; missing[r.ruleKey] {
			p.skipped(op(Delete, oldRule(r)), errNoSuccessor)
		} else {
			olds[which(r.v6)] = append(olds[which(r.v6)], *r)
		}
	}
	var err error
	for f, list := range olds {
		switch {
		case len(list) == 0:
		case err == nil:
			err = p.dropRules(ctx, f == which(true), list)
		default:
			p.skipRules(list, err)
		}
	}
	return err
}

// dropRules deletes rules of one family.
func (p *pass) dropRules(ctx context.Context, v6 bool, olds []rule) error {
	own, err := p.ownRules(ctx, v6)
	if err != nil {
		p.skipRules(olds, err)
		return err
	}
	var steps []eviction
	for _, e := range evict(own, olds) {
		switch {
		case e.gone:
			p.round.again = true
		case e.blocker != nil:
			p.done(op(Delete, oldRule(&e.rule)), &ConflictError{Holder: e.blocker.unpack(), Protocol: int(e.blocker.protocol),
				Reason: "the kernel would delete it instead, and this package cannot name all of it"})
		default:
			steps = append(steps, e)
		}
	}
	return p.send(ctx, len(steps),
		func(b *rtnetlink.Batch, k int) {
			if steps[k].again {
				putRule(b, 0, &steps[k].rule, p.survey.protocol)
			} else {
				dropRule(b, &steps[k].rule, p.survey.protocol)
			}
		},
		func(k int, err error) {
			switch e := &steps[k]; {
			case gone(err), err != nil && !e.last:
				p.round.again = true
			case e.last:
				p.done(op(Delete, oldRule(&e.rule)), err)
			}
		},
		func(k int, err error) {
			if steps[k].last {
				p.skipRules([]rule{steps[k].rule}, err)
			}
		})
}

func (p *pass) skipRules(olds []rule, err error) {
	for i := range olds {
		p.skipped(op(Delete, oldRule(&olds[i])), err)
	}
}

// eviction is a step on the way to delete a rule.
type eviction struct {
	rule              // that the request names
	again   bool      // create it once more, behind all of its priority; else delete
	last    bool      // this deletes the rule that is to go
	gone    bool      // no step: it is not there
	blocker *seenRule // no step: this would be deleted instead, and could not be put back
}

// evict plans the deletion of rules, knowing all of that protocol and family in their order. Where a rule
// that stays would be deleted in place of one that goes, it is created once more first, behind that: then
// its first copy is deleted, and at no time is there none.
func evict(own []seenRule, olds []rule) []eviction {
	at := make(map[uint32][]seenRule) // by priority, which every request names
	for _, r := range own {
		at[r.priority] = append(at[r.priority], r)
	}
	// What names more goes first, so that it is never in the way of what names less.
	olds = slices.Clone(olds)
	slices.SortStableFunc(olds, func(a, b rule) int { return b.named() - a.named() })
	var steps []eviction
	for _, old := range olds {
		list := at[old.priority]
		var done bool
		for !done {
			var e []eviction
			e, list, done = evictOne(list, old)
			steps = append(steps, e...)
		}
		at[old.priority] = list
	}
	return steps
}

// evictOne gives the steps until old is deleted, or until what would be deleted instead is behind it.
func evictOne(list []seenRule, old rule) (steps []eviction, rest []seenRule, done bool) {
	if !slices.ContainsFunc(list, func(r seenRule) bool { return r.rule == old && !r.strange }) {
		return []eviction{{rule: old, gone: true}}, list, true
	}
	i := slices.IndexFunc(list, func(r seenRule) bool { return old.takes(&r.rule) })
	hit := list[i]
	switch {
	case hit.strange:
		return []eviction{{rule: old, blocker: &hit}}, list, true
	case hit.rule == old:
		return []eviction{{rule: old, last: true}}, slices.Delete(list, i, i+1), true
	}
	steps = []eviction{{rule: hit.rule, again: true}, {rule: old}}
	return steps, append(slices.Delete(list, i, i+1), hit), false
}
