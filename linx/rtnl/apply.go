package rtnl

import (
	"context"
	"slices"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// chunk is how many requests are built before they are sent: it bounds memory, and what an update that
// needs several steps has half done when it is cut short.
const chunk = 2048

// apply carries out a plan: what is new in the order in which one thing needs another, then what is old in
// reverse. The error says that it was cut short; what was not tried is pending by then.
func (p *pass) apply(ctx context.Context, plan *difference) error {
	steps := []func(context.Context, *difference) error{
		p.replaceAddresses, p.addAddresses, p.addRoutes, p.updateRoutes, p.addRules,
		p.removeRules, p.removeRoutes, p.removeAddresses,
	}
	defer p.explainSources(ctx)
	p.report.Applied = slices.Grow(p.report.Applied, plan.size())
	p.round.created = make([]int32, 0, len(plan.newRoutes)+len(plan.updates))
	for n, step := range steps {
		if err := step(ctx, plan); err != nil {
			p.skip(plan, n+1, err)
			return p.explain("changing what is there", err)
		}
	}
	return nil
}

// skip reports what the steps from the nth on would have done as pending. Each step does so itself for its
// own.
func (p *pass) skip(plan *difference, n int, err error) {
	for _, ops := range plan.steps(p)[n:] {
		for _, op := range ops {
			p.skipped(op, err)
		}
	}
}

// ops lists what a plan does, in order.
func (plan *difference) ops(p *pass) []reconcile.Op {
	var all []reconcile.Op
	for _, ops := range plan.steps(p) {
		all = append(all, ops...)
	}
	return all
}

// steps lists it by the steps of apply.
func (plan *difference) steps(p *pass) [][]reconcile.Op {
	steps := make([][]reconcile.Op, 8)
	for _, s := range plan.swaps {
		steps[0] = append(steps[0], p.addressOp(Update, s.at))
	}
	for _, i := range plan.newAddresses {
		steps[1] = append(steps[1], p.addressOp(Create, i))
	}
	for _, i := range plan.marks {
		steps[1] = append(steps[1], p.addressOp(Update, i))
	}
	for _, i := range plan.newRoutes {
		steps[2] = append(steps[2], p.routeOp(Create, i))
	}
	for _, u := range plan.updates {
		steps[3] = append(steps[3], p.routeOp(Update, u.at))
	}
	for _, i := range plan.newRules {
		steps[4] = append(steps[4], p.ruleOp(Create, i))
	}
	for i := range plan.oldRules {
		steps[5] = append(steps[5], op(Delete, oldRule(&plan.oldRules[i])))
	}
	for i := range plan.oldRoutes {
		steps[6] = append(steps[6], op(Delete, p.oldRoute(&plan.oldRoutes[i])))
	}
	for i := range plan.oldAddresses {
		steps[7] = append(steps[7], op(Delete, p.oldAddress(&plan.oldAddresses[i])))
	}
	return steps
}

// Objects of ops point into the desired state where they can, so that a hundred thousand cost nothing.

func (p *pass) addressOp(verb reconcile.Verb, i int32) reconcile.Op {
	return op(verb, &p.want.state.Addresses[i])
}

func (p *pass) routeOp(verb reconcile.Verb, i int32) reconcile.Op {
	return op(verb, p.want.route(i))
}

func (p *pass) oldRoute(f *found) *Route {
	r := f.unpack(p.name(f.link))
	return &r
}

func (p *pass) oldAddress(a *address) *Address {
	old := a.unpack(p.name(a.link))
	return &old
}

// send sends n requests, a chunk at a time. put builds the kth, done is told how it went, skipped of each
// that was not tried because ctx had ended or the connection was lost, which is then the error.
func (p *pass) send(ctx context.Context, n int, put func(*rtnetlink.Batch, int), done func(k int, err error), skipped func(k int, err error)) error {
	for from := 0; from < n; from += chunk {
		p.batch.Reset()
		for k := from; k < min(n, from+chunk); k++ {
			put(&p.batch, k)
		}
		next := from
		sent, err := p.conn.Do(ctx, &p.batch, func(i int, err error) {
			for ; next < from+i; next++ {
				done(next, nil)
			}
			done(next, err)
			next++
		})
		for ; next < from+sent; next++ {
			done(next, nil)
		}
		if err != nil {
			for ; next < n; next++ {
				skipped(next, err)
			}
			return err
		}
	}
	return nil
}
