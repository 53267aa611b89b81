package rtnl

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// rehop is an object of ours that all its routes are to follow to another way, by one request.
type rehop struct {
	id       uint32
	from, to hop
}

// diffNexthops decides about objects: those that desired routes need and that there are not, and those of
// ours that none needs.
func (s *survey) diffNexthops(d *difference) {
	n := &s.nexthops
	if !n.wanted && len(n.ours) == 0 {
		return
	}
	need := make(map[hop]bool)
	var lacking []hop
	for i := range s.want.routes {
		h, ok := s.hopOf(int32(i))
		if !ok || h.link < 0 || need[h] {
			continue
		}
		need[h] = true
		if _, ok := n.ids[h]; !ok {
			lacking = append(lacking, h)
		}
	}
	byLead := make(map[hop]uint32)
	var idle []nexthop
	for id, h := range n.ours {
		if need[h] && n.ids[h] == id || s.used[id] != nil {
			continue
		}
		idle = append(idle, nexthop{id: id, hop: h, protocol: s.protocol})
		if before, ok := byLead[n.leads[id]]; !ok || id < before {
			byLead[n.leads[id]] = id
		}
	}
	changed := make(map[uint32]bool)
	for _, h := range lacking {
		if id, ok := byLead[h]; ok {
			d.rehops = append(d.rehops, rehop{id, n.ours[id], h})
			changed[id] = true
		} else {
			d.newHops = append(d.newHops, h)
		}
	}
	d.oldHops = slices.DeleteFunc(idle, func(o nexthop) bool { return changed[o.id] })
	slices.SortFunc(d.oldHops, func(a, b nexthop) int { return cmp.Compare(a.id, b.id) })
}

// addNexthops changes and creates objects. Routes that follow an object that is changed are up to date by
// that, and those whose object could not be had are refused with it.
func (p *pass) addNexthops(ctx context.Context, plan *difference) error {
	led := make(map[uint32]bool)
	refused := make(map[hop]error)
	err := p.changeNexthops(ctx, plan.rehops, led, refused)
	if err == nil {
		err = p.createNexthops(ctx, plan.newHops, refused)
	} else {
		for _, h := range plan.newHops {
			p.skipped(op(Create, describeHop(h, p.name)), err)
		}
	}
	if len(led)+len(refused) == 0 {
		return err
	}
	lacks := func(verb reconcile.Verb, i int32) bool {
		err := refused[p.survey.destined(i)]
		if err != nil {
			p.done(p.routeOp(verb, i), err)
		}
		return err != nil
	}
	plan.newRoutes = slices.DeleteFunc(plan.newRoutes, func(i int32) bool { return lacks(Create, i) })
	plan.updates = slices.DeleteFunc(plan.updates, func(u update) bool {
		follows := len(u.olds) == 1 && led[u.olds[0].object]
		if follows {
			p.doneRoute(Update, u.at, nil)
		}
		return follows || lacks(Update, u.at)
	})
	return err
}

// changeNexthops has the kernel lead all routes of an object elsewhere, and notes in led which. The kernel has
// no guard for that, and others' routes would go along: that there are none is looked at right before.
func (p *pass) changeNexthops(ctx context.Context, list []rehop, led map[uint32]bool, refused map[hop]error) error {
	object := func(r rehop) *nexthop { return &nexthop{id: r.id, hop: r.to, protocol: p.survey.protocol} }
	skip := func(r rehop, err error) {
		refused[r.to] = err
		p.skipped(op(Update, object(r).describe(p.name)), err)
	}
	ids := make(map[uint32]nexthop)
	for _, r := range list {
		ids[r.id] = nexthop{id: r.id, hop: r.from, protocol: p.survey.protocol}
	}
	if _, err := p.readUsers(ctx, ids); err != nil {
		for _, r := range list {
			skip(r, err)
		}
		return err
	}
	list = slices.DeleteFunc(slices.Clone(list), func(r rehop) bool {
		used := p.survey.used[r.id] != nil
		if used { // another object, then, in the next round, and the routes one by one
			p.round.again = true
			refused[r.to] = errUsed
		}
		return used
	})
	return p.send(ctx, len(list),
		func(b *rtnetlink.Batch, k int) { putNexthop(b, unix.NLM_F_REPLACE, object(list[k])) },
		func(k int, err error) {
			r := list[k]
			p.done(op(Update, object(r).describe(p.name)), err)
			if err != nil {
				p.round.again = p.round.again || gone(err)
				refused[r.to] = err
				return
			}
			led[r.id] = true
			p.survey.nexthops.ids[r.to] = r.id
		},
		func(k int, err error) { skip(list[k], err) })
}

var (
	errUsed  = errors.New("others use the nexthop object too")
	errBusy  = errors.New("routes or groups of ours still use it")
	errMoved = errors.New("it changes while it is looked at")
)

// createNexthops creates objects, under ids that nobody has: NLM_F_EXCL keeps them so.
func (p *pass) createNexthops(ctx context.Context, hops []hop, refused map[hop]error) error {
	objects := make([]nexthop, len(hops))
	id := uint32(firstNexthop)
	for k, h := range hops {
		for p.survey.nexthops.taken[id] {
			id++
		}
		objects[k] = nexthop{id: id, hop: h, protocol: p.survey.protocol}
		id++
	}
	return p.send(ctx, len(objects),
		func(b *rtnetlink.Batch, k int) { putNexthop(b, unix.NLM_F_CREATE|unix.NLM_F_EXCL, &objects[k]) },
		func(k int, err error) {
			o := &objects[k]
			p.done(op(Create, o.describe(p.name)), err)
			if err != nil {
				p.round.again = p.round.again || errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENODEV)
				refused[o.hop] = err
				return
			}
			p.survey.nexthops.ids[o.hop] = o.id
		},
		func(k int, err error) {
			refused[objects[k].hop] = err
			p.skipped(op(Create, objects[k].describe(p.name)), err)
		})
}

// removeNexthops deletes objects that no route uses any more.
func (p *pass) removeNexthops(ctx context.Context, plan *difference) error {
	return p.dropObjects(ctx, plan.oldHops)
}

// dropObjects deletes objects of ours that nobody uses, which is looked at right before.
func (p *pass) dropObjects(ctx context.Context, list []nexthop) error {
	ids := make(map[uint32]nexthop)
	for _, o := range list {
		ids[o.id] = o
	}
	skipped := func(o nexthop, err error) { p.skipped(op(Delete, o.describe(p.name)), err) }
	busy, err := p.readUsers(ctx, ids)
	if err != nil {
		for _, o := range list {
			skipped(o, err)
		}
		return err
	}
	old := slices.DeleteFunc(slices.Clone(list), func(o nexthop) bool {
		switch {
		case p.survey.used[o.id] != nil:
			p.round.again = true // without it
		case busy[o.id]:
			skipped(o, errBusy)
		default:
			return false
		}
		return true
	})
	return p.send(ctx, len(old),
		func(b *rtnetlink.Batch, k int) { dropNexthop(b, old[k].id) },
		func(k int, err error) {
			if gone(err) {
				p.round.again = true
				return
			}
			p.done(op(Delete, old[k].describe(p.name)), err)
		},
		func(k int, err error) { skipped(old[k], err) })
}

// readUsers notes in survey.used which of those objects are to be left alone in this pass, and why: they are
// used by others' routes, in others' groups, or no longer what they were; all, if that cannot be said for
// certain. busy are those that routes or groups of ours use.
func (p *pass) readUsers(ctx context.Context, ids map[uint32]nexthop) (busy map[uint32]bool, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if p.survey.used == nil {
		p.survey.used = make(map[uint32]error)
	}
	for range maximumDumps {
		busy = make(map[uint32]bool)
		if err := p.readUsersOnce(ctx, ids, busy); !errors.Is(err, rtnetlink.ErrInterrupted) {
			return busy, err
		}
	}
	for id := range ids {
		p.survey.used[id] = errMoved
	}
	return nil, nil
}

func (p *pass) readUsersOnce(ctx context.Context, ids map[uint32]nexthop, busy map[uint32]bool) error {
	used := p.survey.used
	still := make(map[uint32]bool)
	askNexthops(&p.batch)
	err := p.conn.Dump(ctx, &p.batch, func(_ uint16, body []byte) error {
		o, ok := decodeNexthop(body)
		if !ok {
			return nil
		}
		for _, m := range o.members {
			if o.protocol == p.survey.protocol {
				busy[m.id] = true
			} else {
				used[m.id] = &ConflictError{Holder: o.describe(nil), Protocol: int(o.protocol)}
			}
		}
		before, ok := ids[o.id]
		still[o.id] = ok && o.protocol == before.protocol && o.leadsAs(&before)
		return nil
	})
	if err != nil {
		return err
	}
	for id := range ids {
		if !still[id] {
			used[id] = errMoved
		}
	}
	var r route
	askRoutes(&p.batch, false, 0, 0)
	return p.conn.Dump(ctx, &p.batch, func(_ uint16, body []byte) error {
		if !p.source.decoder.decode(body, &r) {
			return nil
		}
		switch _, ok := ids[r.object]; {
		case !ok:
		case r.protocol == p.survey.protocol:
			busy[r.object] = true
		case used[r.object] == nil: // one tells enough
			user := r.outline()
			user.NextHopID = r.object
			used[r.object] = &ConflictError{Holder: user, Protocol: int(r.protocol)}
		}
		return nil
	})
}
