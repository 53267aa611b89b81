package rtnl

import (
	"context"
	"errors"
	"slices"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// chunk is how many requests are built before they are sent: it bounds memory, and what an update that
// needs several steps has half done when it is cut short.
const chunk = 2048

// shapingSteps is how many of apply's first steps are about interfaces themselves.
const shapingSteps = 3

var errShaped = errors.New("interfaces have changed, and were not looked at again")

// apply carries out a plan: what is new in the order in which one thing needs another, then what is old in
// reverse. The error says that it was cut short; what was not tried is pending by then.
func (p *pass) apply(ctx context.Context, plan *difference) error {
	steps := []func(context.Context, *difference) error{
		p.remakeLinks, p.addLinks, p.changeLinks,
		p.replaceAddresses, p.addAddresses, p.updateAddresses, p.addNeighbors, p.updateNeighbors,
		p.addObjects, p.addNexthops, p.addRoutes, p.updateRoutes, p.addRules,
		p.removeRules, p.removeRoutes, p.removeNexthops, p.removeObjects, p.removeNeighbors, p.removeAddresses,
		p.restoreLinks, p.removeLinks,
	}
	defer p.explainSources(ctx)
	p.report.Applied = slices.Grow(p.report.Applied, plan.size())
	p.round.created = make([]int32, 0, len(plan.newRoutes)+len(plan.updates))
	for n, step := range steps {
		if err := step(ctx, plan); err != nil {
			p.skip(plan, n+1, err)
			return p.explain("changing what is there", err)
		}
		if n == shapingSteps-1 && p.round.shaped && p.shaping.rounds < maximumShapings {
			p.shaping.rounds++
			p.skip(plan, n+1, errShaped)
			return nil
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
	steps := make([][]reconcile.Op, 0, 21)
	step := func(lists ...[]reconcile.Op) { steps = append(steps, slices.Concat(lists...)) }
	step(opsOf(plan.remakes, func(o *oldLink) reconcile.Op { return op(Delete, o) }))
	step(opsOf(plan.newLinks, func(n *newLink) reconcile.Op { return p.linkOp(Create, n.at) }))
	step(opsOf(plan.linkChanges, p.changeOp))
	step(opsOf(plan.swaps, func(s *swap) reconcile.Op { return p.addressOp(Update, s.at) }))
	step(opsOf(plan.newAddresses, func(i *int32) reconcile.Op { return p.addressOp(Create, *i) }))
	step(opsOf(plan.addressUpdates, func(u *addressUpdate) reconcile.Op { return p.addressOp(Update, u.at) }))
	step(opsOf(plan.newNeighbors, func(i *int32) reconcile.Op { return p.neighborOp(Create, *i) }))
	step(opsOf(plan.neighborUpdates, func(i *int32) reconcile.Op { return p.neighborOp(Update, *i) }))
	step(opsOf(plan.objectUpdates, func(i *int32) reconcile.Op { return p.objectOp(Update, *i) }),
		opsOf(plan.newObjects, func(i *int32) reconcile.Op { return p.objectOp(Create, *i) }))
	step(opsOf(plan.rehops, func(r *rehop) reconcile.Op { return op(Update, describeNexthop(r.id, r.to, p.name)) }),
		opsOf(plan.newHops, func(h *hop) reconcile.Op { return op(Create, describeHop(*h, p.name)) }))
	step(opsOf(plan.newRoutes, func(i *int32) reconcile.Op { return p.routeOp(Create, *i) }))
	step(opsOf(plan.updates, func(u *update) reconcile.Op { return p.routeOp(Update, u.at) }))
	step(opsOf(plan.newRules, func(i *int32) reconcile.Op { return p.ruleOp(Create, *i) }))
	step(opsOf(plan.oldRules, func(r *rule) reconcile.Op { return op(Delete, oldRule(r)) }))
	certain := without(plan.oldRoutes, func(f found) bool { return f.doubt }) // the rest is tried, but no plan
	step(opsOf(certain, func(f *found) reconcile.Op { return op(Delete, p.oldRoute(f)) }))
	step(opsOf(plan.oldHops, func(o *nexthop) reconcile.Op { return op(Delete, o.describe(p.name)) }))
	step(opsOf(plan.oldObjects, func(o *nexthop) reconcile.Op { return op(Delete, o.describe(p.name)) }))
	step(opsOf(plan.oldNeighbors, func(n *seenNeighbor) reconcile.Op { return op(Delete, p.oldNeighbor(n)) }))
	step(opsOf(plan.oldAddresses, func(a *address) reconcile.Op { return op(Delete, p.oldAddress(a)) }))
	step(opsOf(plan.restores, p.changeOp))
	step(opsOf(plan.oldLinks, func(o *oldLink) reconcile.Op { return op(Delete, o) }))
	return steps
}

func opsOf[T any](list []T, op func(*T) reconcile.Op) []reconcile.Op {
	ops := make([]reconcile.Op, len(list))
	for i := range list {
		ops[i] = op(&list[i])
	}
	return ops
}

// Objects of ops point into the desired state where they can, so that a hundred thousand cost nothing.

func (p *pass) addressOp(verb reconcile.Verb, i int32) reconcile.Op {
	return op(verb, &p.want.state.Addresses[i])
}

func (p *pass) routeOp(verb reconcile.Verb, i int32) reconcile.Op {
	return op(verb, p.want.route(i))
}

func (p *pass) oldRoute(f *found) *Route {
	r := f.describe(p.name)
	return &r
}

func (p *pass) oldAddress(a *address) *Address {
	old := a.named(p.name(a.link))
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
