package rtnl

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// addNeighbors creates what is not there.
func (p *pass) addNeighbors(ctx context.Context, plan *difference) error {
	return p.putNeighbors(ctx, Create, plan.newNeighbors, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
}

// updateNeighbors changes what is there, in place. The kernel would change whoever's it is by then: what is
// no longer as it was seen is left to the next round.
func (p *pass) updateNeighbors(ctx context.Context, plan *difference) error {
	olds := make([]seenNeighbor, 0, len(plan.neighborUpdates))
	for _, i := range plan.neighborUpdates {
		olds = append(olds, p.survey.neighbors[i])
	}
	still, err := p.stillThere(ctx, olds)
	if err != nil {
		for _, i := range plan.neighborUpdates {
			p.skipped(p.neighborOp(Update, i), err)
		}
		return err
	}
	list := without(plan.neighborUpdates, func(i int32) bool { return !still(&p.survey.neighbors[i]) })
	return p.putNeighbors(ctx, Update, list, unix.NLM_F_REPLACE)
}

func (p *pass) putNeighbors(ctx context.Context, verb reconcile.Verb, list []int32, flags uint16) error {
	return p.send(ctx, len(list),
		func(b *rtnetlink.Batch, k int) {
			n := p.survey.wantedNeighbor(list[k])
			how := flags
			if n.fdb {
				how = p.fdbFlags(verb, &n)
			}
			putNeighbor(b, how, &n, p.survey.protocol)
		},
		func(k int, err error) {
			switch {
			case err == nil:
				n := p.survey.wantedNeighbor(list[k])
				p.survey.madeNeighbors[n.neighborKey] = n
				p.source.fights.done(place{aNeighbor, list[k]}, p.began)
			case errors.Is(err, unix.EEXIST), errors.Is(err, unix.ENODEV):
				p.round.again = true
			case gone(err):
				p.round.again = true
				return
			}
			p.done(p.neighborOp(verb, list[k]), err)
		},
		func(k int, err error) { p.skipped(p.neighborOp(verb, list[k]), err) })
}

// removeNeighbors deletes ours that are not desired. The kernel has no guard for that: it deletes who has
// the address, whoever made it. So they are read once more at once before; what remains is the time between
// two messages.
func (p *pass) removeNeighbors(ctx context.Context, plan *difference) error {
	p.survey.watchDragged(plan.oldNeighbors)
	still, err := p.stillThere(ctx, plan.oldNeighbors)
	if err != nil {
		for i := range plan.oldNeighbors {
			p.skipped(op(Delete, p.oldNeighbor(&plan.oldNeighbors[i])), err)
		}
		return err
	}
	var olds []seenNeighbor
	for i := range plan.oldNeighbors {
		n := &plan.oldNeighbors[i]
		if other := p.survey.drags(n); other != nil {
			p.done(op(Delete, p.oldNeighbor(n)), &ConflictError{Holder: other.holder(p.name),
				Reason: "in another VLAN, it would be deleted too"})
		} else if still(n) {
			olds = append(olds, *n)
		}
	}
	return p.send(ctx, len(olds),
		func(b *rtnetlink.Batch, k int) { dropNeighbor(b, &olds[k].neighbor) },
		func(k int, err error) {
			if gone(err) {
				p.round.again = true
				return
			}
			if err == nil {
				p.survey.lostNeighbors[olds[k].neighbor] = struct{}{}
			}
			p.done(op(Delete, p.oldNeighbor(&olds[k])), err)
		},
		func(k int, err error) { p.skipped(op(Delete, p.oldNeighbor(&olds[k])), err) })
}

// stillThere reads the neighbours in olds once more. still says whether one is as it was.
func (p *pass) stillThere(ctx context.Context, olds []seenNeighbor) (still func(*seenNeighbor) bool, err error) {
	now := make(map[neighborKey]seenNeighbor, len(olds))
	for i := range olds {
		now[olds[i].neighborKey] = seenNeighbor{}
	}
	for _, t := range neighborTables {
		needed := false
		for i := range olds {
			needed = needed || olds[i].neighborTable == t
		}
		for try := 0; needed; try++ {
			err := p.dumpNeighbors(ctx, t, 0, func(n *seenNeighbor) {
				if _, ok := now[n.neighborKey]; ok {
					now[n.neighborKey] = *n
				}
				p.survey.seeDragged(n)
			})
			if needed = errors.Is(err, rtnetlink.ErrInterrupted) && try < maximumDumps; err != nil && !needed {
				return nil, err
			}
		}
	}
	return func(old *seenNeighbor) bool {
		n := now[old.neighborKey]
		ok := n.there && n.neighbor == old.neighbor && n.protocol == old.protocol
		p.round.again = p.round.again || !ok
		return ok
	}, nil
}

func (p *pass) neighborOp(verb reconcile.Verb, i int32) reconcile.Op {
	return op(verb, &p.want.state.Neighbors[i])
}

func (p *pass) oldNeighbor(n *seenNeighbor) *Neighbor {
	old := n.unpack(p.name)
	return &old
}
