package rtnl

import (
	"cmp"
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// addObjects creates and changes desired nexthop objects, groups after what is in them. Routes whose object
// could not be had wait.
func (p *pass) addObjects(ctx context.Context, plan *difference) error {
	if len(plan.newObjects)+len(plan.objectUpdates) == 0 {
		return nil
	}
	var err error
	for _, groups := range []bool{false, true} {
		others := func(i int32) bool { return p.want.nexthops[i].group() != groups }
		for _, step := range []struct {
			verb reconcile.Verb
			list []int32
			do   func(context.Context, []int32) error
		}{
			{Update, without(plan.objectUpdates, others), p.changeObjects},
			{Create, without(plan.newObjects, others), p.createObjects},
		} {
			ready := without(step.list, func(i int32) bool {
				why := cmp.Or(err, p.survey.unreadyMember(i))
				if why != nil {
					p.skipped(p.objectOp(step.verb, i), why)
					p.survey.holdUp(p.want.nexthops[i].id, why)
				}
				return why != nil
			})
			if err == nil {
				err = step.do(ctx, ready)
			}
		}
	}
	lacks := func(verb reconcile.Verb, i int32) bool {
		why := p.survey.unreadyObject(p.want.routes[i].object)
		if why != nil {
			p.skipped(p.routeOp(verb, i), why)
		}
		return why != nil
	}
	if err == nil {
		plan.newRoutes = without(plan.newRoutes, func(i int32) bool { return lacks(Create, i) })
		plan.updates = without(plan.updates, func(u update) bool { return lacks(Update, u.at) })
	}
	return err
}

func (p *pass) objectOp(verb reconcile.Verb, i int32) reconcile.Op {
	return op(verb, &p.want.state.Nexthops[i])
}

// doneObject records how the creation or change of a desired object went.
func (p *pass) doneObject(verb reconcile.Verb, i int32, err error) {
	p.done(p.objectOp(verb, i), err)
	switch {
	case err == nil:
		p.source.fights.done(place{aNexthop, i}, p.began)
		return
	case gone(err), errors.Is(err, unix.EEXIST):
		p.round.again = true
	case waits(err):
		p.source.fights.waited(place{aNexthop, i})
	}
	p.survey.holdUp(p.want.nexthops[i].id, err)
}

// createObjects creates what is not there: NLM_F_EXCL keeps everything that is.
func (p *pass) createObjects(ctx context.Context, list []int32) error {
	return p.send(ctx, len(list),
		func(b *rtnetlink.Batch, k int) {
			o := p.survey.wantedObject(list[k])
			putNexthop(b, unix.NLM_F_CREATE|unix.NLM_F_EXCL, &o)
		},
		func(k int, err error) { p.doneObject(Create, list[k], err) },
		func(k int, err error) { p.skipped(p.objectOp(Create, list[k]), err) })
}

// changeObjects makes objects what is desired, in place, and with them all routes that follow them. The kernel
// has no guard for that: that no others' go along is looked at right before. What becomes a group, or was one,
// goes first, if nothing follows it.
func (p *pass) changeObjects(ctx context.Context, list []int32) error {
	s := p.survey
	ids := make(map[uint32]nexthop, len(list))
	for _, i := range list {
		ids[s.objects[i].id] = s.objects[i]
	}
	busy, err := p.readUsers(ctx, ids)
	if err != nil {
		for _, i := range list {
			p.skipped(p.objectOp(Update, i), err)
		}
		return err
	}
	var replaced, regrouped []int32
	for _, i := range list {
		want, seen := s.wantedObject(i), &s.objects[i]
		regroups := want.group() != seen.group()
		switch {
		case s.used[seen.id] != nil && !(seen.leadsAs(&want) && s.used[seen.id] != errMoved):
			p.round.again = true // without it
			s.holdUp(seen.id, s.used[seen.id])
		case regroups && busy[seen.id]:
			p.doneObject(Update, i, errRegroup)
		case regroups:
			regrouped = append(regrouped, i)
		default:
			replaced = append(replaced, i)
		}
	}
	skip := func(list []int32) func(int, error) {
		return func(k int, err error) { p.skipped(p.objectOp(Update, list[k]), err) }
	}
	err = p.send(ctx, len(regrouped),
		func(b *rtnetlink.Batch, k int) { dropNexthop(b, s.objects[regrouped[k]].id) },
		func(int, error) {}, // what is still there is in the way of the next step
		skip(regrouped))
	if err != nil {
		skipAll(replaced, skip(replaced), err)
		return err
	}
	put := func(list []int32, flags uint16) error {
		return p.send(ctx, len(list),
			func(b *rtnetlink.Batch, k int) {
				o := s.wantedObject(list[k])
				putNexthop(b, flags, &o)
			},
			func(k int, err error) { p.doneObject(Update, list[k], err) },
			skip(list))
	}
	if err := put(regrouped, unix.NLM_F_CREATE|unix.NLM_F_EXCL); err != nil {
		skipAll(replaced, skip(replaced), err)
		return err
	}
	return put(replaced, unix.NLM_F_REPLACE)
}

func skipAll(list []int32, skip func(int, error), err error) {
	for k := range list {
		skip(k, err)
	}
}

// removeObjects deletes ours that are not desired, groups before what is in them.
func (p *pass) removeObjects(ctx context.Context, plan *difference) error {
	var err error
	for _, groups := range []bool{true, false} {
		list := without(plan.oldObjects, func(o nexthop) bool { return o.group() != groups })
		if err == nil {
			err = p.dropObjects(ctx, list)
			continue
		}
		for i := range list {
			p.skipped(op(Delete, list[i].describe(p.name)), err)
		}
	}
	return err
}
