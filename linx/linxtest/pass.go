package linxtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/linx-go/linx-go/linx/reconcile"
)

// pass is one call of Reconcile.
type pass struct {
	source  *Source
	ctx     context.Context
	desired State
	owned   Owned // what the source owns by now, to be reported
	claim   func(Owned) error
	report  reconcile.Report[Owned]
}

// entry prints as "a=1", which makes "create a=1".
type entry struct{ name, value string }

func (e entry) String() string { return e.name + "=" + e.value }

// change is an op with what it takes to do it.
type change struct {
	op    reconcile.Op
	entry entry
}

func (p *pass) run() error {
	if err := p.source.reach(p.ctx, PassBegins); err != nil {
		return err
	}
	seen := p.observe()
	if err := p.source.reach(p.ctx, PassObserved); err != nil {
		return err
	}
	changes := p.diff(seen)
	if len(changes) > 0 {
		if err := p.apply(changes); err != nil {
			return err
		}
		if err := p.source.reach(p.ctx, PassApplied); err != nil {
			return err
		}
		seen = p.observe()
	}
	p.settle(seen)
	if err := p.source.reach(p.ctx, PassEnds); err != nil {
		p.report.Converged = false
		return err
	}
	return nil
}

func (p *pass) observe() map[string]Object {
	p.report.Observed = time.Now()
	return p.source.kernel.Objects()
}

// diff gives what there is to do, and reports what is withheld or held by somebody else.
func (p *pass) diff(seen map[string]Object) []change {
	var changes []change
	add := func(verb reconcile.Verb, e entry, conflict bool) {
		op := reconcile.Op{Verb: verb, Object: e}
		p.source.mu.Lock()
		withheld := p.source.withheld[e.name]
		p.source.mu.Unlock()
		switch {
		case withheld != nil:
			p.report.Pending = append(p.report.Pending, reconcile.Failure{Op: op, Err: withheld})
		case conflict:
			p.report.Failed = append(p.report.Failed, reconcile.Failure{Op: op, Err: ErrConflict})
		default:
			changes = append(changes, change{op, e})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.desired)) {
		want := entry{name, p.desired[name]}
		object, there := seen[name]
		_, mine := p.owned[name]
		switch {
		case !there:
			add(Create, want, false)
		case object.Value != want.value:
			add(Update, want, !(object.Ours && mine))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.owned)) {
		if _, wanted := p.desired[name]; wanted {
			continue
		}
		if object, there := seen[name]; there && object.Ours {
			add(Delete, entry{name, object.Value}, false)
		}
	}
	return changes
}

// apply claims and then changes. A context that ends on the way leaves the rest pending.
func (p *pass) apply(changes []change) error {
	claimed := maps.Clone(p.owned)
	for _, c := range changes {
		if _, known := claimed[c.entry.name]; !known {
			claimed[c.entry.name] = Claimed
		}
	}
	if p.claim != nil {
		if err := p.claim(maps.Clone(claimed)); err != nil {
			return fmt.Errorf("claim: %w", err)
		}
	}
	p.owned = claimed
	if err := p.source.reach(p.ctx, PassClaimed); err != nil {
		return err
	}
	for _, c := range changes {
		if err := p.ctx.Err(); err != nil {
			p.report.Pending = append(p.report.Pending, reconcile.Failure{Op: c.op, Err: err})
			continue
		}
		p.source.mu.Lock()
		refused := p.source.refused[c.entry.name]
		p.source.mu.Unlock()
		if refused != nil {
			p.report.Failed = append(p.report.Failed, reconcile.Failure{Op: c.op, Err: refused})
			continue
		}
		if c.op.Verb == Delete {
			p.source.kernel.Delete(c.entry.name)
		} else {
			p.source.kernel.put(c.entry.name, c.entry.value, true)
		}
		p.report.Applied = append(p.report.Applied, c.op)
	}
	return p.ctx.Err()
}

// settle draws the conclusions from the last observation: what is owned, and whether it is as desired.
func (p *pass) settle(seen map[string]Object) {
	for name := range p.owned {
		if seen[name].Ours {
			p.owned[name] = Confirmed
		} else {
			delete(p.owned, name)
		}
	}
	p.report.Converged = len(p.report.Failed) == 0 && len(p.report.Pending) == 0
	for name, value := range p.desired {
		if object, there := seen[name]; !there || object.Value != value {
			p.report.Converged = false
		}
	}
	for name := range p.owned {
		if _, wanted := p.desired[name]; !wanted {
			p.report.Converged = false
		}
	}
}

func (p *pass) finish() {
	p.report.LastApplied = p.owned
	p.report.Took = time.Since(p.report.Began)
}
