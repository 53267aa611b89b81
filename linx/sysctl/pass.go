package sysctl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/linx-go/linx-go/linx/reconcile"
)

// maxRounds bounds how often a pass writes and looks again. Two are enough where one knob moves others:
// what was moved is written in the second.
const maxRounds = 4

// tree is what a pass works on: the sysctls of one namespace.
type tree interface {
	// read looks at every key anew. The error is for all of them.
	read(ctx context.Context, keys []key, into map[key]reading) error
	// write makes the changes in order, reads each back at once, and tells done about each that was tried.
	// The error is for all of them.
	write(ctx context.Context, changes []change, done func(change, outcome)) error
}

// outcome is what a write led to.
type outcome struct {
	got     Value // as read back
	refused error // the kernel refused the write
	unread  error // it could not be read back
}

// pass is one call of Reconcile.
type pass struct {
	tree    tree
	revert  bool // keys that leave the desired set
	desired map[key]Value
	owned   ownership
	claim   func(LastApplied) error
	fights  *fights

	keys     []key // all that are desired or owned
	seen     map[key]reading
	reverted map[key]bool  // successfully, in this pass
	round    int           // of looking, from 0
	held     map[key]bool  // back, in a fight
	refusals map[key]error // of the last round of writes
	report   reconcile.Report[LastApplied]
	failed   []reconcile.Failure
	pending  []reconcile.Failure
}

// run observes, and writes and observes again, until nothing is left to write.
func (p *pass) run(ctx context.Context) error {
	p.keys = slices.Collect(maps.Keys(p.desired))
	for k := range p.owned.keys {
		if _, wanted := p.desired[k]; !wanted {
			p.keys = append(p.keys, k)
		}
	}
	p.seen = make(map[key]reading, len(p.keys))
	p.reverted, p.held = map[key]bool{}, map[key]bool{}

	defer func() { p.fights.end(time.Now(), p.amiss) }()
	for progress := true; ; p.round++ {
		if err := p.observe(ctx); err != nil {
			return err
		}
		changes := p.plan()
		if len(changes) == 0 {
			p.report.Converged = len(p.failed) == 0 && len(p.pending) == 0
			return nil
		}
		if !progress || p.round == maxRounds {
			for _, c := range changes {
				p.refuse(c, p.whyNot(c))
			}
			return nil
		}
		var err error
		if progress, err = p.apply(ctx, changes); err != nil {
			return err
		}
	}
}

func (p *pass) observe(ctx context.Context) error {
	p.report.Observed = time.Now()
	clear(p.seen)
	return p.tree.read(ctx, p.keys, p.seen)
}

// whyNot says why a change that was made, or tried, is still to be made.
func (p *pass) whyNot(c change) error {
	if err := p.refusals[c.key]; err != nil {
		return err
	}
	return fmt.Errorf("something else moves it each time that it is written: wanted %q, got %q", c.value, c.before)
}

// apply claims and then writes. It reports whether any write succeeded, so that looking again is worth while.
func (p *pass) apply(ctx context.Context, changes []change) (progress bool, err error) {
	taking := p.owned.taking(changes)
	if p.claim != nil {
		if err := p.claim(taking.lastApplied()); err != nil {
			return false, fmt.Errorf("sysctl: claiming %d keys: %w", len(changes), err)
		}
	}
	p.refusals = map[key]error{}
	before := p.owned
	p.owned = taking
	tried := map[key]bool{}
	err = p.tree.write(ctx, changes, func(c change, o outcome) {
		tried[c.key] = true
		if p.judge(before, c, o) {
			progress = true
			p.count(before, c)
			p.report.Applied = append(p.report.Applied, c.op())
		}
	})
	if err == nil {
		return progress, nil
	}
	for _, c := range changes {
		if !tried[c.key] {
			p.untake(before, c.key)
			p.refusals[c.key] = err
		}
	}
	for _, c := range changes {
		if why := p.refusals[c.key]; why != nil {
			p.refuse(c, why)
		}
	}
	return progress, err
}

// judge draws the conclusions from one write, and reports whether it did what it should.
func (p *pass) judge(before ownership, c change, o outcome) bool {
	switch {
	case o.refused != nil:
		p.refusals[c.key] = o.refused
	case o.unread != nil:
		p.refusals[c.key] = o.unread
	case !c.key.took(c.value, c.before, o.got):
		p.refusals[c.key] = &NotTakenError{Wanted: c.value, Got: o.got}
	case c.verb == Revert:
		p.reverted[c.key] = true
		return true
	default:
		owned := p.owned.keys[c.key]
		owned.Claimed = false
		if !c.value.is(o.got) {
			owned.ReadBack = o.got
		}
		p.owned.keys[c.key] = owned
		return true
	}
	switch {
	case o.unread == nil && !o.got.is(c.before):
		owned := p.owned.keys[c.key]
		owned.Claimed = false // not what was asked for, but moved by us; a refusal can do that, too
		p.owned.keys[c.key] = owned
	case o.unread == nil || o.refused != nil:
		p.untake(before, c.key) // nothing was written
	}
	return false
}

// count tells fights of a write, if it was a repair: the key was as desired after an earlier pass. In the
// rounds that follow, it is our own writes that have moved it.
func (p *pass) count(before ownership, c change) {
	if owned, mine := before.keys[c.key]; mine && owned.repairs(c) && p.round == 0 {
		p.fights.repaired(c, time.Now())
	}
}

// holdBack tells why a write is better not made.
func (p *pass) holdBack(c change) error {
	owned, mine := p.owned.keys[c.key]
	if !mine || !owned.repairs(c) || p.round > 0 && !p.held[c.key] {
		return nil
	}
	until, held := p.fights.Held(c.key, time.Now())
	if !held {
		return nil
	}
	p.held[c.key] = true
	return &reconcile.FightError{By: fmt.Sprintf("who puts %q there", c.before), Until: until}
}

// amiss tells whether a desired key is not as it should be.
func (p *pass) amiss(k key) bool {
	_, wanted := p.desired[k]
	return wanted && !p.owned.keys[k].holds(p.seen[k].value)
}

// untake gives a key back the ownership that it had before the claim: nothing was written.
func (p *pass) untake(before ownership, k key) {
	if owned, mine := before.keys[k]; mine {
		p.owned.keys[k] = owned
	} else {
		delete(p.owned.keys, k)
	}
}

// refuse notes a change that is not made: it waits, or it has failed.
func (p *pass) refuse(c change, why error) {
	failure := reconcile.Failure{Op: c.op(), Err: why}
	var w interface{ waits() bool }
	switch {
	case errors.As(why, &w) && w.waits(), errors.As(why, new(*reconcile.FightError)),
		errors.Is(why, context.Canceled), errors.Is(why, context.DeadlineExceeded):
		p.pending = append(p.pending, failure)
	default:
		p.failed = append(p.failed, failure)
	}
}

// conclude fills in the report.
func (p *pass) conclude(report *Report) {
	report.Converged = p.report.Converged
	report.Observed = p.report.Observed
	report.Applied = p.report.Applied
	byObject := func(a, b reconcile.Failure) int { return strings.Compare(a.Op.Object.String(), b.Op.Object.String()) }
	slices.SortFunc(p.failed, byObject)
	slices.SortFunc(p.pending, byObject)
	report.Failed, report.Pending = p.failed, p.pending
	report.LastApplied = p.owned.lastApplied()
}
