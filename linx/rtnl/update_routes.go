package rtnl

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// No update uses NLM_F_REPLACE: that replaces the first route of the destination, TOS and metric, whoever's
// it is. The new route is put beside the old, and then the old one deleted, by all that is known of it. So
// there is never a moment without a route, and nobody else's is hit. The same is done to another's route
// under Adopt and TakeOver.

// maximumSpares is how many metrics are tried until a free one is found.
const maximumSpares = 16

// change is an update under way.
type change struct {
	update
	new   route
	ways  []hop // of new, if they are several,
	lack  []hop // and those of them that are to be made
	spare route // IPv6: new, at another metric,
	stays bool  // where it is now
	freed bool  // an old one has been deleted
	left  bool  // it went wrong: nothing more is to be done
}

// updateRoutes carries out the updates, a chunk at a time, each step for all of them before the next step.
func (p *pass) updateRoutes(ctx context.Context, plan *difference) error {
	for from := 0; from < len(plan.updates); from += chunk {
		var beside, aside []*change
		for _, u := range plan.updates[from:min(len(plan.updates), from+chunk)] {
			c := &change{update: u, new: p.own(u.at), ways: p.survey.resolved(u.at), lack: p.survey.lacking(&u)}
			if c.fitsBeside() {
				beside = append(beside, c)
			} else {
				aside = append(aside, c)
			}
		}
		err := p.updateBeside(ctx, beside)
		if err == nil {
			err = p.updateAside(ctx, aside)
		} else {
			p.skipChanges(aside, err)
		}
		if err != nil {
			for _, u := range plan.updates[min(len(plan.updates), from+chunk):] {
				p.skipped(p.routeOp(Update, u.at), err)
			}
			return err
		}
	}
	return nil
}

// fitsBeside says that old and new can be told apart at one metric. IPv4 always can: the old one comes
// first. IPv6 tells next hops apart, if they have gateways, and merges them.
func (c *change) fitsBeside() bool {
	if !c.new.v6 {
		return true
	}
	ways := c.lack
	if !c.new.several {
		ways = []hop{c.new.hop}
	}
	for i := range c.olds {
		old := c.olds[i].gateway
		if slices.ContainsFunc(ways, func(h hop) bool { return h.gateway == ip{} || old == ip{} || h.gateway == old }) {
			return false
		}
	}
	return true
}

func (p *pass) updateBeside(ctx context.Context, changes []*change) error {
	if err := p.step(ctx, changes, func(*change) uint16 { return unix.NLM_F_APPEND }); err != nil {
		return err
	}
	var back []found
	if err := p.dropOlds(ctx, changes, func(c *change) { back = append(back, each(&c.new, c.lack)...) }); err != nil {
		return err
	}
	if err := p.takeBack(ctx, back); err != nil {
		p.skipChanges(changes, err)
		return err
	}
	p.finishChanges(changes)
	return nil
}

// updateAside is for IPv6 routes that cannot be told apart at one metric: for a moment the new one stands
// at another.
func (p *pass) updateAside(ctx context.Context, changes []*change) error {
	waiting := changes
	for n := uint32(1); n <= maximumSpares && len(waiting) > 0; n++ {
		var taken []*change
		for _, c := range waiting {
			c.spare = c.new
			c.spare.metric += n
			if c.spare.metric < c.new.metric {
				c.spare.metric = c.new.metric - n
			}
		}
		err := p.send(ctx, len(waiting),
			func(b *rtnetlink.Batch, k int) { putRoute(b, unix.NLM_F_EXCL, &waiting[k].spare, waiting[k].ways) },
			func(k int, err error) {
				switch c := waiting[k]; {
				case errors.Is(err, unix.EEXIST) && n < maximumSpares:
					taken = append(taken, c)
				case err != nil:
					c.left = true
					p.doneRoute(Update, c.at, err)
				default:
					c.stays = true
				}
			},
			func(int, error) {})
		if err != nil {
			p.skipChanges(changes, err)
			return err
		}
		waiting = taken
	}
	if err := p.dropOlds(ctx, changes, nil); err != nil {
		return err
	}
	err := p.step(ctx, changes, func(c *change) uint16 {
		if c.held { // it stood beside another's before
			return unix.NLM_F_APPEND
		}
		return unix.NLM_F_EXCL
	})
	if err != nil {
		return err
	}
	var spares []found
	for _, c := range changes {
		if c.stays {
			spares = append(spares, each(&c.spare, c.ways)...)
		}
	}
	err = p.takeBack(ctx, spares)
	if err != nil {
		p.skipChanges(changes, err)
		return err
	}
	p.finishChanges(changes)
	return nil
}

// step creates the new route of each change that is still on.
func (p *pass) step(ctx context.Context, changes []*change, flag func(*change) uint16) error {
	on := live(changes)
	err := p.send(ctx, len(on),
		func(b *rtnetlink.Batch, k int) { putRoute(b, flag(on[k]), &on[k].new, on[k].lack) },
		func(k int, err error) {
			if err != nil {
				on[k].left = true
				p.doneRoute(Update, on[k].at, err)
			}
		},
		func(int, error) {})
	if err != nil {
		p.skipChanges(changes, err)
	}
	return err
}

// dropOlds deletes the old routes of each change that is still on. If one is not there any more, somebody
// has taken the place: taken is told, and one looks again. A merged one that is not there may never have
// been ours; that matters only if there is no other.
func (p *pass) dropOlds(ctx context.Context, changes []*change, taken func(*change)) error {
	type old struct {
		*change
		found *found
	}
	var olds []old
	for _, c := range live(changes) {
		for i := range c.olds {
			olds = append(olds, old{c, &c.olds[i]})
		}
	}
	leave := func(c *change) {
		if !c.left && taken != nil {
			taken(c)
		}
		c.left = true
	}
	err := p.send(ctx, len(olds),
		func(b *rtnetlink.Batch, k int) { dropRoute(b, &olds[k].found.route, olds[k].found.hops) },
		func(k int, err error) {
			c := olds[k].change
			switch {
			case err == nil:
				c.freed = true
			case gone(err):
				p.lost(olds[k].found)
				if !olds[k].found.merged {
					leave(c)
				} else {
					c.keep(&olds[k].found.hop)
				}
			default:
				c.left = true
				p.doneRoute(Update, c.at, err)
			}
		},
		func(int, error) {})
	if err != nil {
		p.skipChanges(changes, err)
		return err
	}
	for _, c := range live(changes) {
		if !c.freed && len(c.olds) > 0 {
			leave(c)
		}
	}
	return nil
}

// keep leaves out a way that turned out to be another's, and stays: the kernel makes all ways of a route, or
// none.
func (c *change) keep(other *hop) {
	c.held = true
	c.lack = without(c.lack, func(h hop) bool {
		return h.gateway == other.gateway && (h.link == 0 || h.link == other.link)
	})
}

// takeBack deletes routes of ours that stood in for others.
func (p *pass) takeBack(ctx context.Context, routes []found) error {
	return p.send(ctx, len(routes),
		func(b *rtnetlink.Batch, k int) { dropRoute(b, &routes[k].route, routes[k].hops) },
		func(int, error) {}, // it is gone, or found by the next observation
		func(int, error) {})
}

// each gives what is to be deleted one by one: an IPv6 route for each way of r, where they are several.
func each(r *route, ways []hop) []found {
	if !r.v6 || !r.several {
		return []found{{route: *r, hops: ways}}
	}
	list := make([]found, len(ways))
	for i := range list {
		list[i].route = *r
		list[i].hop = ways[i]
	}
	return list
}

func (p *pass) finishChanges(changes []*change) {
	for _, c := range live(changes) {
		if c.new.v6 {
			p.remember(&c.new, c.lack)
		}
		p.doneRoute(Update, c.at, nil)
	}
}

// skipChanges is for changes that were cut short; the next pass finds what they left, and that it is ours.
func (p *pass) skipChanges(changes []*change, err error) {
	for _, c := range live(changes) {
		c.left = true
		p.skipped(p.routeOp(Update, c.at), err)
	}
}

func live(changes []*change) []*change {
	var on []*change
	for _, c := range changes {
		if !c.left {
			on = append(on, c)
		}
	}
	return on
}
