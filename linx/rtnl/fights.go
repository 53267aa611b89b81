package rtnl

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/linx-go/linx-go/internal/fight"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// fights notices when another writer undoes the same object again and again. To undo that as often would
// make both busy and help nobody: the object is left alone for a while, longer each time, and is pending.
// Everything else is healed at full speed, and what is to be deleted is deleted.
//
// Objects are known by what is desired (an Address, a Route or a Link in words, a Neighbor, a Rule), so a
// fight goes on when a new desired state still has them.
type fights struct {
	fight.Watch[fmt.Stringer]
	log      *slog.Logger
	name     string
	want     *index
	applied  [kinds][]bool         // by position: what was made before, and so is repaired
	refused  map[Address]time.Time // since when another host is seen to have it
	carriers []carrier             // by position in want.names
	excused  bool                  // interfaces have changed in this pass: what fell with them is no fight
}

// kind is what an object is.
type kind uint8

const (
	anAddress kind = iota
	aRoute
	aNeighbor
	aRule
	aLink
	aNexthop
	kinds
)

// place is where a desired object belongs: its position in the index.
type place struct {
	kind
	at int32
}

// begin turns to another state: what is desired as it was before, and was made, is repaired if it is made
// again.
func (f *fights) begin(x *index, last *LastApplied) {
	if f.want == x {
		return
	}
	f.want, f.carriers = x, nil
	f.applied = [kinds][]bool{
		anAddress: make([]bool, len(x.addresses)),
		aRoute:    make([]bool, len(x.routes)),
		aNeighbor: make([]bool, len(x.neighbors)),
		aRule:     make([]bool, len(x.rules)),
		aLink:     make([]bool, len(x.state.Links)),
		aNexthop:  make([]bool, len(x.nexthops)),
	}
	made := func(at place, desired bool) bool {
		if desired {
			f.applied[at.kind][at.at] = true
		}
		return desired
	}
	for i := range last.addresses {
		made(x.placeOfAddress(&last.addresses[i].Address))
	}
	for r := range last.routes.each() {
		made(x.placeOfRoute(r))
	}
	for i := range last.neighbors {
		made(x.placeOfNeighbor(&last.neighbors[i].Neighbor))
	}
	for i := range last.rules {
		made(x.placeOfRule(&last.rules[i].Rule))
	}
	for i := range last.links {
		made(x.placeOfLink(last.links[i].Name, foughtOver(&last.links[i].Link)))
	}
	for i := range last.adjusted {
		made(x.placeOfAdjustment(&last.adjusted[i]))
	}
	over := f.Keep(func(object fmt.Stringer) bool {
		switch o := object.(type) {
		case Address:
			return made(x.placeOfAddress(&o))
		case foughtRoute:
			i, _ := x.findRoute(&o.routeKey)
			return made(place{aRoute, i}, i >= 0 && x.route(i).String() == o.String())
		case foughtNexthop:
			i, there := x.nexthop[o.id]
			return made(place{aNexthop, i}, there && x.state.Nexthops[i].String() == o.String())
		case foughtLink:
			return made(x.placeOfLink(o.name, o))
		case Neighbor:
			return made(x.placeOfNeighbor(&o))
		case Rule:
			return made(x.placeOfRule(&o))
		}
		return false
	})
	for _, object := range over {
		f.log.Info("fought over with another writer, and no longer desired", "source", f.name, "object", object)
	}
}

func (x *index) placeOfAddress(a *Address) (at place, desired bool) {
	link, known := x.positions[a.Interface]
	packed := packAddress(a, link)
	i, there := x.address[packed.key()]
	return place{anAddress, i}, known && there && x.state.Addresses[i] == *a
}

func (x *index) placeOfRoute(r *Route) (at place, desired bool) {
	packed := packRoute(r, x.known(r.way().Interface))
	i, _ := x.findRoute(&packed.routeKey)
	if i < 0 || x.routes[i] != packed {
		return place{aRoute, i}, false
	}
	ways, _ := x.waysOf(i)
	return place{aRoute, i}, !packed.several || slices.Equal(ways, packHops(r, x.known))
}

func (x *index) placeOfNeighbor(n *Neighbor) (at place, desired bool) {
	link, known := x.positions[n.Interface]
	i, there := x.neighbor[packNeighbor(n, link, x.positions[n.FDB.Via]).neighborKey]
	return place{aNeighbor, i}, known && there && x.state.Neighbors[i] == *n
}

func (x *index) placeOfRule(r *Rule) (at place, desired bool) {
	i, there := x.rule[packRule(r)]
	return place{aRule, i}, there && x.state.Rules[i] == *r
}

// done notes that an object has been created or updated.
func (f *fights) done(at place, now time.Time) {
	if applied := &f.applied[at.kind][at.at]; !*applied || f.excused && at.kind != aLink {
		*applied = true
	} else if f.Repaired(f.object(at), now) {
		f.log.Warn("another writer keeps undoing what is desired: left alone for longer and longer",
			"source", f.name, "object", f.object(at))
	}
}

// waited notes that an object had to wait, as a route does for a link that is down: to make it once that is
// over is no repair.
func (f *fights) waited(at place) { f.applied[at.kind][at.at] = false }

// hold takes out of a plan for x what is not to be repaired yet. An address that another host has is tried
// again after a while: nobody tells when that host has gone.
//
// begun says which links were made or changed in this pass: what is begun is finished.
func (f *fights) hold(plan *difference, x *index, begun []bool, now time.Time) {
	for _, s := range plan.duplicates {
		want := &x.state.Addresses[s.at]
		if since, ok := f.refused[*want]; ok && now.Sub(since) >= fight.LastTruce {
			plan.swaps = append(plan.swaps, s)
		} else {
			plan.failed = append(plan.failed, reconcile.Failure{Op: op(Create, want), Err: errDuplicate})
		}
	}
	if f.want != x || f.Quiet() {
		return
	}
	plan.amiss = make(map[fmt.Stringer]bool)
	held := func(verb reconcile.Verb, at place, by string) bool {
		object := f.object(at)
		plan.amiss[object] = true
		until, held := f.Held(object, now)
		held = held && !(at.kind == aLink && begun[at.at])
		if held {
			err := &reconcile.FightError{By: by, Until: until}
			if at.kind == aRoute {
				object = x.route(at.at)
			}
			plan.pending = append(plan.pending, reconcile.Failure{Op: op(verb, object), Err: err})
		}
		return held
	}
	plan.remakes = without(plan.remakes, func(o oldLink) bool { return held(Update, place{aLink, o.at}, "") })
	plan.newLinks = without(plan.newLinks, func(n newLink) bool { return held(Create, place{aLink, n.at}, "") })
	plan.linkChanges = without(plan.linkChanges, func(c linkChange) bool { return held(Update, place{aLink, c.at}, "") })
	plan.newAddresses = without(plan.newAddresses, func(i int32) bool { return held(Create, place{anAddress, i}, "") })
	plan.addressUpdates = without(plan.addressUpdates, func(u addressUpdate) bool {
		return !u.renewal && held(Update, place{anAddress, u.at}, addressProtocolName(int(u.old.protocol)))
	})
	plan.swaps = without(plan.swaps, func(s swap) bool {
		return held(Update, place{anAddress, s.at}, addressProtocolName(int(s.old.protocol)))
	})
	plan.newObjects = without(plan.newObjects, func(i int32) bool { return held(Create, place{aNexthop, i}, "") })
	plan.objectUpdates = without(plan.objectUpdates, func(i int32) bool { return held(Update, place{aNexthop, i}, "") })
	plan.newRoutes = without(plan.newRoutes, func(i int32) bool { return held(Create, place{aRoute, i}, "") })
	plan.updates = without(plan.updates, func(u update) bool {
		by := ""
		if len(u.olds) > 0 {
			by = protocolName(int(u.olds[0].protocol))
		}
		return held(Update, place{aRoute, u.at}, by)
	})
	plan.newNeighbors = without(plan.newNeighbors, func(i int32) bool { return held(Create, place{aNeighbor, i}, "") })
	plan.neighborUpdates = without(plan.neighborUpdates, func(i int32) bool { return held(Update, place{aNeighbor, i}, "") })
	plan.newRules = without(plan.newRules, func(i int32) bool { return held(Create, place{aRule, i}, "") })
}

// end ends the fights that are over, by a plan out of which they were held, and notes which addresses other
// hosts have.
func (f *fights) end(plan *difference, now time.Time) {
	for _, object := range f.Ended(now, func(object fmt.Stringer) bool { return plan.amiss[object] }) {
		f.log.Info("no other writer undoes it any more", "source", f.name, "object", object)
	}
	before := f.refused
	f.refused = nil
	for _, s := range plan.duplicates {
		if f.refused == nil {
			f.refused = make(map[Address]time.Time)
		}
		want := f.want.state.Addresses[s.at]
		f.refused[want] = cmp.Or(before[want], now)
	}
}

// without gives the list without what goes; the list itself may be of use elsewhere.
func without[T any](list []T, goes func(T) bool) []T {
	var rest []T
	for _, v := range list {
		if !goes(v) {
			rest = append(rest, v)
		}
	}
	return rest
}

// foughtRoute stands for a Route, which is not comparable.
type foughtRoute struct {
	routeKey
	described
}

// foughtNexthop stands for a NexthopObject, which is not comparable either.
type foughtNexthop struct {
	id uint32
	described
}

// object is what is desired there, as a value: fights are known by it.
func (f *fights) object(at place) fmt.Stringer {
	switch at.kind {
	case aLink:
		return foughtOver(&f.want.state.Links[at.at])
	case aRoute:
		return foughtRoute{f.want.routes[at.at].routeKey, described(f.want.route(at.at).String())}
	case aNexthop:
		o := &f.want.state.Nexthops[at.at]
		return foughtNexthop{o.ID, described(o.String())}
	case aNeighbor:
		return f.want.state.Neighbors[at.at]
	case aRule:
		return f.want.state.Rules[at.at]
	}
	return f.want.state.Addresses[at.at]
}
