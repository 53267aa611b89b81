package rtnl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// maximumRounds is how often a pass observes and applies. More than one are needed where one change makes
// another possible or undoes one, and where others change the same objects meanwhile. The last observation
// is followed by no change.
const maximumRounds = 5

// pass is one call of Reconcile or Plan, which has the source to itself.
type pass struct {
	source *Source
	conn   *rtnetlink.Conn
	batch  rtnetlink.Batch
	want   *index
	last   LastApplied
	claim  func(LastApplied) error
	report Report
	began  time.Time // by the source's clock

	survey *survey
	sweep  bool             // look for ours everywhere, not only where they should be
	hold   [2]reach         // where LastApplied has routes that are not desired, by family
	hidden bool             // it has IPv6 ones among them, which may be merged into others'
	ruled  [2]bool          // it has rules, by family
	names  map[int32]string // of interfaces

	records map[bareAddress]ownedAddress // what LastApplied has; nil until somebody asks
	made    map[bareAddress]struct{}     // addresses made in this pass
	claims  claims
	shaping shaping
	owned   LastApplied // by the time that the observation under way began
	seen    bool        // it was completed,
	fresh   bool        // and nothing was changed since
	round   round
	refused []refused
}

// round is what came of one attempt to apply a plan.
type round struct {
	applied      int
	again        bool // the kernel was not as observed: look again
	failed       []reconcile.Failure
	pending      []reconcile.Failure
	created      []int32 // desired routes
	createdRules []int32
	removed      map[bareAddress]struct{} // addresses
	stoodIn      []address                // while others were replaced
	shaped       bool                     // interfaces were made, changed or deleted
	createdLinks []newLink
	removedLinks []int32
}

// run observes and applies until there is nothing more to do, or nothing more that can be done.
func (p *pass) run(ctx context.Context) error {
	for n := 1; ; n++ {
		plan, err := p.compare(ctx)
		if err != nil {
			return err
		}
		p.source.settled = p.want
		p.source.fights.end(plan, p.began)
		p.source.fights.excuse(p.survey.links)
		if more, err := p.listen(plan); err != nil {
			return err
		} else if more && n < maximumRounds {
			continue // what happened until now may have gone unheard
		}
		if !plan.changes() || n == maximumRounds {
			p.conclude(plan)
			return nil
		}
		moved, err := p.claimAll(ctx, plan)
		if err != nil {
			return err
		}
		if moved {
			continue // what was observed is about other interfaces
		}
		p.fresh, p.round = false, round{removed: make(map[bareAddress]struct{})}
		shaped := p.shaping.rounds
		err = p.apply(ctx, plan)
		if p.shaping.rounds > shaped {
			n-- // it was about interfaces alone
		}
		p.report.Failed = append(plan.failed, p.round.failed...)
		p.report.Pending = append(plan.pending, p.round.pending...)
		if err != nil {
			return err
		}
		if p.round.applied == 0 && !p.round.again {
			p.fresh = true // all was refused: the kernel is as it was observed
			_, err := p.source.hear(true)
			return err
		}
	}
}

// listen has all events about foreign routes and learned neighbours heard where they may help, and else only
// those that may harm. more says that it was less before.
func (p *pass) listen(plan *difference) (more bool, err error) {
	switch {
	case len(plan.failed)+len(plan.pending) > 0, p.survey.leansOnOthers():
		return p.source.hear(true)
	case plan.converged():
		_, err = p.source.hear(false)
	}
	return false, err
}

// compare observes and diffs.
func (p *pass) compare(ctx context.Context) (*difference, error) {
	p.owned, p.seen = p.ownership(), false
	if err := p.observe(ctx); err != nil {
		return nil, err
	}
	p.seen, p.fresh = true, true
	clear(p.round.removed) // what is seen now is there
	p.survey.record = p.record
	plan := p.survey.diff(p.source.opts.Conflict, p.owns, p.name)
	p.survey.record = nil // the survey outlives the pass
	p.survey.diffNexthops(plan)
	p.source.fights.hold(plan, p.want, p.shaping.counted, p.began)
	// Whatever will have to be named is asked for now: later the connection may be busy, or lost.
	for i := range plan.oldAddresses {
		p.name(plan.oldAddresses[i].link)
	}
	for i := range plan.oldNeighbors {
		p.name(plan.oldNeighbors[i].link)
		p.name(plan.oldNeighbors[i].to.via)
	}
	for _, list := range [][]found{plan.oldRoutes, plan.unsureRoutes} {
		for i := range list {
			p.name(list[i].link)
			for _, h := range list[i].hops {
				p.name(h.link)
			}
		}
	}
	for i := range plan.oldHops {
		p.name(plan.oldHops[i].hop.link)
	}
	for i := range plan.oldObjects {
		p.name(plan.oldObjects[i].hop.link)
	}
	return plan, nil
}

// conclude reports what the last observation says.
func (p *pass) conclude(plan *difference) {
	p.report.Converged = plan.converged()
	p.postpone(plan, fmt.Errorf("still not as desired after %d rounds", maximumRounds))
}

// owns says whether an observed address is ours.
func (p *pass) owns(a *address) bool { return p.survey.owns(a, p.record, p.made) }

// postpone reports all of a plan as pending; the reason is err, or what the kernel said in the round before.
func (p *pass) postpone(plan *difference, err error) {
	said := make(map[fmt.Stringer]error)
	for _, f := range slices.Concat(p.round.failed, p.round.pending) {
		said[f.Op.Object] = f.Err // a pointer, which is the same each time where it points into the desired state
	}
	p.report.Failed, p.report.Pending = plan.failed, plan.pending
	for _, op := range p.ops(plan) {
		p.report.Pending = append(p.report.Pending, reconcile.Failure{Op: op, Err: cmp.Or(said[op.Object], err)})
	}
}

// done records the outcome of one request.
func (p *pass) done(op reconcile.Op, err error) {
	switch {
	case err == nil:
		p.round.applied++
		p.report.Applied = append(p.report.Applied, op)
	case waits(err):
		p.round.pending = append(p.round.pending, reconcile.Failure{Op: op, Err: capability(err)})
	default:
		p.round.failed = append(p.round.failed, reconcile.Failure{Op: op, Err: capability(err)})
	}
}

// skipped records an op that was not tried.
func (p *pass) skipped(op reconcile.Op, err error) {
	p.round.pending = append(p.round.pending, reconcile.Failure{Op: op, Err: err})
}

// waits says that a refusal is for now: a gateway that no address reaches yet, an interface that is down or
// has just gone.
func waits(err error) bool {
	for _, errno := range []unix.Errno{unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ENETDOWN, unix.ENODEV} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// finish completes the report, whatever came of the pass.
func (p *pass) finish() Report {
	p.report.LastApplied = p.ownership()
	p.report.Took = time.Since(p.report.Began)
	return p.report
}
