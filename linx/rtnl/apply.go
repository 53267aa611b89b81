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

var errShaped = errors.New("interfaces have changed, and were not looked at again")

// stage is one kind of change: how it is made, and what a plan has of it.
type stage struct {
	do     func(*pass, context.Context, *difference) error
	ops    func(*pass, *difference) []reconcile.Op
	shapes bool // it is about interfaces themselves
}

// stages are in the order in which they are made: what is new as one thing needs another, then what is old in
// reverse.
var stages = [...]stage{
	{(*pass).remakeLinks, func(p *pass, d *difference) []reconcile.Op {
		return opsOf(d.remakes, func(o *oldLink) reconcile.Op { return op(Delete, o) })
	}, true},
	{(*pass).addLinks, func(p *pass, d *difference) []reconcile.Op {
		return opsOf(d.newLinks, func(n *newLink) reconcile.Op { return p.linkOp(Create, n.at) })
	}, true},
	{(*pass).changeLinks, func(p *pass, d *difference) []reconcile.Op {
		return opsOf(d.linkChanges, p.changeOp)
	}, true},

	{(*pass).replaceAddresses, func(p *pass, d *difference) []reconcile.Op {
		return opsOf(d.swaps, func(s *swap) reconcile.Op { return p.addressOp(Update, s.at) })
	}, false},
	{(*pass).addAddresses, func(p *pass, d *difference) []reconcile.Op {
		return opsOf(d.newAddresses, func(i *int32) reconcile.Op { return p.addressOp(Create, *i) })
	}, false},
	{(*pass).updateAddresses, func(p *pass, d *difference) []reconcile.Op {
		return opsOf(d.addressUpdates, func(u *addressUpdate) reconcile.Op { return p.addressOp(Update, u.at) })
	}, false},
	{(*pass).addNeighbors, func(p *pass, d *difference) []reconcile.Op {
		return opsOf(d.newNeighbors, func(i *int32) reconcile.Op { return p.neighborOp(Create, *i) })
	}, false},
	{(*pass).updateNeighbors, func(p *pass, d *difference) []reconcile.Op {
		return opsOf(d.neighborUpdates, func(i *int32) reconcile.Op { return p.neighborOp(Update, *i) })
	}, false},
	{(*pass).addObjects, func(p *pass, d *difference) []reconcile.Op {
		return append(
			opsOf(d.objectUpdates, func(i *int32) reconcile.Op { return p.objectOp(Update, *i) }),
			opsOf(d.newObjects, func(i *int32) reconcile.Op { return p.objectOp(Create, *i) })...)
	}, false},
	{(*pass).addNexthops, func(p *pass, d *difference) []reconcile.Op {
		return append(
			opsOf(d.rehops, func(r *rehop) reconcile.Op { return op(Update, describeNexthop(r.id, r.to, p.name)) }),
			opsOf(d.newHops, func(h *hop) reconcile.Op { return op(Create, describeHop(*h, p.name)) })...)
	}, false},
	{(*pass).removeUnsure, func(*pass, *difference) []reconcile.Op { return nil }, false}, // tried, but no plan
	{(*pass).addRoutes, func(p *pass, d *difference) []reconcile.Op {
		return opsOf(d.newRoutes, func(i *int32) reconcile.Op { return p.routeOp(Create, *i) })
	}, false},
	{(*pass).updateRoutes, func(p *pass, d *difference) []reconcile.Op {
		return opsOf(d.updates, func(u *update) reconcile.Op { return p.routeOp(Update, u.at) })
	}, false},
	{(*pass).addRules, func(p *pass, d *difference) []reconcile.Op {
		return opsOf(d.newRules, func(i *int32) reconcile.Op { return p.ruleOp(Create, *i) })
	}, false},

	{(*pass).removeRules, func(p *pass, d *difference) []reconcile.Op {
		return opsOf(d.oldRules, func(r *rule) reconcile.Op { return op(Delete, oldRule(r)) })
	}, false},
	{(*pass).removeRoutes, func(p *pass, d *difference) []reconcile.Op {
		return opsOf(d.oldRoutes, func(f *found) reconcile.Op { return op(Delete, p.oldRoute(f)) })
	}, false},
	{(*pass).removeNexthops, func(p *pass, d *difference) []reconcile.Op {
		return opsOf(d.oldHops, func(o *nexthop) reconcile.Op { return op(Delete, o.describe(p.name)) })
	}, false},
	{(*pass).removeObjects, func(p *pass, d *difference) []reconcile.Op {
		return opsOf(d.oldObjects, func(o *nexthop) reconcile.Op { return op(Delete, o.describe(p.name)) })
	}, false},
	{(*pass).removeNeighbors, func(p *pass, d *difference) []reconcile.Op {
		return opsOf(d.oldNeighbors, func(n *seenNeighbor) reconcile.Op { return op(Delete, p.oldNeighbor(n)) })
	}, false},
	{(*pass).removeAddresses, func(p *pass, d *difference) []reconcile.Op {
		return opsOf(d.oldAddresses, func(a *address) reconcile.Op { return op(Delete, p.oldAddress(a)) })
	}, false},
	{(*pass).restoreLinks, func(p *pass, d *difference) []reconcile.Op {
		return opsOf(d.restores, p.changeOp)
	}, false},
	{(*pass).removeLinks, func(p *pass, d *difference) []reconcile.Op {
		return opsOf(d.oldLinks, func(o *oldLink) reconcile.Op { return op(Delete, o) })
	}, false},
}

// apply carries out a plan. Once interfaces were made or changed, the rest is left for after another look: what
// it is about may have moved. The error says that it was cut short; what was not tried is pending by then.
func (p *pass) apply(ctx context.Context, plan *difference) error {
	defer p.explainSources(ctx)
	p.report.Applied = slices.Grow(p.report.Applied, plan.size())
	p.round.created = make([]int32, 0, len(plan.newRoutes)+len(plan.updates))
	for n, s := range stages {
		if !s.shapes && p.round.shaped && stages[n-1].shapes && p.shaping.rounds < maximumShapings {
			p.shaping.rounds++
			p.skip(plan, stages[n:], errShaped)
			return nil
		}
		if err := s.do(p, ctx, plan); err != nil {
			p.skip(plan, stages[n+1:], err)
			return p.explain("changing what is there", err)
		}
	}
	return nil
}

// skip reports what stages that were not tried would have done as pending. One that was cut short does so
// itself for its own.
func (p *pass) skip(plan *difference, untried []stage, err error) {
	for _, s := range untried {
		for _, op := range s.ops(p, plan) {
			p.skipped(op, err)
		}
	}
}

// ops lists what a plan does, in order.
func (p *pass) ops(plan *difference) []reconcile.Op {
	var all []reconcile.Op
	for _, s := range stages {
		all = append(all, s.ops(p, plan)...)
	}
	return all
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
