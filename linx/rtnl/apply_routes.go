package rtnl

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// addRoutes creates what is not there. NLM_F_EXCL keeps everything that is: whoever was faster wins, and is
// looked at in the next round.
func (p *pass) addRoutes(ctx context.Context, plan *difference) error {
	list := plan.newRoutes
	return p.send(ctx, len(list),
		func(b *rtnetlink.Batch, k int) {
			r := p.own(list[k])
			putRoute(b, unix.NLM_F_EXCL, &r, p.survey.resolved(list[k]))
		},
		func(k int, err error) {
			if err == nil && len(p.survey.alien) > 0 && p.want.routes[list[k]].v6 {
				r := p.own(list[k])
				p.survey.forgetAliens(&r, p.survey.resolved(list[k]))
			}
			p.doneRoute(Create, list[k], err)
		},
		func(k int, err error) { p.skipped(p.routeOp(Create, list[k]), err) })
}

// own gives a desired route as it is created: with our protocol, on the interface as it is now.
func (p *pass) own(i int32) route {
	r := p.survey.wanted(i)
	r.protocol = p.survey.protocol
	return r
}

// remember keeps that next hops of an IPv6 route are ours, should they be merged into another's.
func (p *pass) remember(r *route, ways []hop) {
	if p.survey.made == nil {
		p.survey.made = make(map[askedKey]route)
	}
	noteWays(p.survey.made, r, ways)
	p.survey.forgetAliens(r, ways)
}

// forgetAliens is for when ways of r were made: what was another's there had gone.
func (s *survey) forgetAliens(r *route, ways []hop) {
	if !r.several {
		ways = []hop{r.hop}
	}
	maps.DeleteFunc(s.alien, func(seen route, _ struct{}) bool {
		return seen.routeKey == r.routeKey && slices.ContainsFunc(ways, func(h hop) bool {
			return h.gateway == seen.gateway && (h.link == 0 || h.link == seen.link)
		})
	})
}

// doneRoute records how the creation or update of a desired route went.
func (p *pass) doneRoute(verb reconcile.Verb, i int32, err error) {
	switch {
	case err == nil:
		p.round.created = append(p.round.created, i)
		p.source.fights.done(place{aRoute, i}, p.began)
	case errors.Is(err, unix.EEXIST), errors.Is(err, unix.ENODEV):
		p.round.again = true
	case errors.Is(err, unix.EINVAL) && p.survey.objectOf(i) != 0:
		p.round.again = true // its nexthop object may have gone
	case errors.Is(err, unix.EINVAL) && p.want.routes[i].details().source != ip{}:
		p.refused = append(p.refused, refused{p.routeOp(verb, i), i, err})
		return
	case waits(err):
		p.source.fights.waited(place{aRoute, i})
	}
	p.done(p.routeOp(verb, i), err)
}

// removeUnsure deletes what is ours after all of the next hops that only may be. It comes before anything
// new: a new one of the same gateway would be ours, and be deleted in their stead.
func (p *pass) removeUnsure(ctx context.Context, plan *difference) error {
	return p.dropRoutes(ctx, plan.unsureRoutes, func(int, error) {})
}

// removeRoutes deletes ours that are not desired, each by everything that tells it from others.
func (p *pass) removeRoutes(ctx context.Context, plan *difference) error {
	return p.dropRoutes(ctx, plan.oldRoutes, func(k int, err error) {
		p.skipped(op(Delete, p.oldRoute(&plan.oldRoutes[k])), err)
	})
}

func (p *pass) dropRoutes(ctx context.Context, old []found, skipped func(int, error)) error {
	return p.send(ctx, len(old),
		func(b *rtnetlink.Batch, k int) { dropRoute(b, &old[k].route, old[k].hops) },
		func(k int, err error) {
			if gone(err) {
				p.lost(&old[k])
				return
			}
			p.done(op(Delete, p.oldRoute(&old[k])), err)
		},
		skipped)
}

// lost is for a route that was not there any more, or not ours after all.
func (p *pass) lost(f *found) {
	p.round.again = true
	if f.merged {
		if p.survey.alien == nil {
			p.survey.alien = make(map[route]struct{})
		}
		p.survey.alien[f.hopOnly()] = struct{}{}
	}
}

// gone says that what was to be deleted was not there.
func gone(err error) bool {
	for _, errno := range []unix.Errno{unix.ESRCH, unix.ENODEV, unix.ENOENT, unix.EADDRNOTAVAIL} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// refused is a route that the kernel found invalid, and that has a source.
type refused struct {
	op  reconcile.Op
	at  int32
	err error
}

// explainSources tells of each route that was refused with EINVAL and has a source whether that is why: an
// address that is not there yet, or in duplicate address detection, is waited for.
func (p *pass) explainSources(ctx context.Context) {
	list := p.refused
	p.refused = nil
	if len(list) == 0 {
		return
	}
	state := make(map[ip]string)
	askAddresses(&p.batch, 0)
	var a address
	err := p.conn.Dump(ctx, &p.batch, func(_ uint16, body []byte) error {
		switch {
		case !decodeAddress(body, &a):
		case a.tentative():
			state[a.local] = "is in duplicate address detection"
		default:
			state[a.local] = "works"
		}
		return nil
	})
	if err != nil && !errors.Is(err, rtnetlink.ErrInterrupted) {
		for _, r := range list {
			p.done(r.op, r.err)
		}
		return
	}
	for _, r := range list {
		source := p.want.routes[r.at].details().source
		why, known := state[source]
		switch {
		case !known:
			why = "is no address of this host"
		case why == "works":
			p.done(r.op, r.err)
			continue
		}
		p.skipped(r.op, fmt.Errorf("source %v %s: %w", source.addr(p.want.routes[r.at].v6), why, r.err))
	}
}
