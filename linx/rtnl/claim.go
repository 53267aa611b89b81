package rtnl

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// claims is what the claims of a pass cover, by position in the desired state.
type claims struct {
	made      bool
	addresses []bool
	routes    []bool
	rules     []bool
	neighbors []bool
	links     []newLink
}

// claimAll claims what the plan takes and no claim of this pass covers. A claim takes time, in which
// interfaces may have got other names: moved says that what was observed no longer holds.
func (p *pass) claimAll(ctx context.Context, plan *difference) (moved bool, err error) {
	if err := ctx.Err(); err != nil {
		p.postpone(plan, err)
		return false, err
	}
	if plan.guesses() {
		return false, nil
	}
	claim, needed := p.claimFor(plan)
	if !needed || p.claim == nil {
		return false, nil
	}
	if err := p.claim(claim); err != nil {
		err = fmt.Errorf("rtnl: claiming ownership: %w", err)
		p.postpone(plan, err)
		return false, err
	}
	before, shapes := slices.Clone(p.survey.links), p.survey.seenLinks
	clear(p.survey.links)
	clear(p.survey.at)
	if err := p.readLinks(ctx); err != nil && !errors.Is(err, rtnetlink.ErrInterrupted) {
		p.postpone(plan, err)
		p.seen = false // its interfaces are lost, and nothing was changed since p.owned
		return false, err
	}
	return !slices.Equal(before, p.survey.links) || !reflect.DeepEqual(shapes, p.survey.seenLinks), nil
}

// claimFor gives the ownership to claim before plan is applied: what was owned before, and all that this
// pass takes. It is needed before the first change, and again when a later round takes more.
func (p *pass) claimFor(plan *difference) (l LastApplied, needed bool) {
	if !p.claims.made {
		p.claims = claims{
			made:      true,
			addresses: make([]bool, len(p.want.addresses)),
			routes:    make([]bool, len(p.want.routes)),
			rules:     make([]bool, len(p.want.rules)),
			neighbors: make([]bool, len(p.want.neighbors)),
		}
		needed = true
	}
	add := func(covered []bool, i int32) {
		needed = needed || !covered[i]
		covered[i] = true
	}
	if p.claimLinks(plan) {
		needed = true
	}
	for _, i := range plan.newAddresses {
		add(p.claims.addresses, i)
	}
	for _, u := range plan.addressUpdates {
		if !u.mine {
			add(p.claims.addresses, u.at)
		}
	}
	for _, s := range plan.swaps {
		add(p.claims.addresses, s.at)
	}
	for _, i := range plan.newRoutes {
		add(p.claims.routes, i)
	}
	for _, u := range plan.updates {
		add(p.claims.routes, u.at)
	}
	for _, i := range plan.newRules {
		add(p.claims.rules, i)
	}
	for _, list := range [][]int32{plan.newNeighbors, plan.neighborUpdates} {
		for _, i := range list {
			add(p.claims.neighbors, i)
		}
	}
	if !needed {
		return l, false
	}
	return LastApplied{
		namespace: p.last.namespace,
		addresses: p.claimedAddresses(),
		routes:    p.last.routes,
		claims:    p.claimedRoutes(),
		rules:     p.claimedRules(),
		neighbors: p.claimedNeighbors(),
		links:     p.claimedLinks(),
		adjusted:  slices.Clone(p.survey.adjustment),
	}, true
}

func (p *pass) claimedRoutes() []Route {
	if p.last.routes.only(p.want.state.Routes) && len(p.last.routes.but) == 0 {
		return p.last.claims // they are all in there
	}
	if len(p.last.claims) == 0 && !slices.Contains(p.claims.routes, false) {
		return p.want.state.Routes
	}
	out := slices.Clone(p.last.claims)
	for i, covered := range p.claims.routes {
		if covered {
			out = append(out, *p.want.route(int32(i)))
		}
	}
	return out
}

// ownership gives what is ours, by the last complete observation and what was done since.
func (p *pass) ownership() LastApplied {
	if !p.seen {
		return p.owned
	}
	return LastApplied{
		namespace: p.last.namespace,
		addresses: p.ownedAddresses(),
		routes:    p.ownedRoutes(),
		claims:    p.madeRoutes(),
		rules:     p.ownedRules(),
		neighbors: p.ownedNeighbors(),
		links:     p.ownedLinks(),
		adjusted:  p.ownedAdjustments(),
	}
}

func (p *pass) ownedRoutes() routeList {
	s := p.survey
	l := routeList{all: p.want.state.Routes, but: make([]int32, 0, s.missing[0]+s.missing[1])}
	var more []Route
	for i, r := range s.routes {
		if r == ours {
			continue
		}
		l.but = append(l.but, p.want.from[i])
		if s.partly(int32(i)) {
			more = append(more, s.ownWays(int32(i)))
		}
	}
	if len(l.but) == len(l.all) {
		l = routeList{}
	}
	slices.Sort(l.but)
	l.more = slices.Grow(more, len(s.left)+len(s.extra))
	for _, list := range [][]found{s.left, s.extra} {
		for i := range list {
			l.more = append(l.more, list[i].describe(p.name))
		}
	}
	return l
}

// madeRoutes gives those that were made and not seen since.
func (p *pass) madeRoutes() []Route {
	if p.fresh {
		return nil
	}
	if len(p.round.created) == len(p.want.routes) {
		return p.want.state.Routes
	}
	var out []Route
	for _, i := range p.round.created {
		out = append(out, *p.want.route(i))
	}
	return out
}
