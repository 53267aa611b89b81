package rtnl

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/linx-go/linx-go/internal/fight"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// fights notices when another writer undoes the same object again and again. To undo that as often would
// make both busy and help nobody: the object is left alone for a while, longer each time, and is pending.
// Everything else is healed at full speed, and what is to be deleted is deleted.
type fights struct {
	fight.Watch[place]
	log     *slog.Logger
	name    string
	want    *index
	applied [kinds][]bool // by position: what was made before, and so is repaired
}

// kind is what an object is.
type kind uint8

const (
	anAddress kind = iota
	aRoute
	aNeighbor
	aRule
	kinds
)

// place is where a desired object belongs: its position in the index.
type place struct {
	kind
	at int32
}

// begin forgets the fights about another state.
func (f *fights) begin(x *index) {
	if f.want == x {
		return
	}
	f.Reset()
	f.want = x
	f.applied = [kinds][]bool{
		anAddress: make([]bool, len(x.addresses)),
		aRoute:    make([]bool, len(x.routes)),
		aNeighbor: make([]bool, len(x.neighbors)),
		aRule:     make([]bool, len(x.rules)),
	}
}

// done notes that an object has been created or updated.
func (f *fights) done(at place, now time.Time) {
	if applied := &f.applied[at.kind][at.at]; !*applied {
		*applied = true
	} else if f.Repaired(at, now) {
		f.log.Warn("another writer keeps undoing what is desired: left alone for longer and longer",
			"source", f.name, "object", f.object(at))
	}
}

// waited notes that an object had to wait, as a route does for a link that is down: to make it once that is
// over is no repair.
func (f *fights) waited(at place) { f.applied[at.kind][at.at] = false }

// hold takes out of a plan for x what is not to be repaired yet.
func (f *fights) hold(plan *difference, x *index, now time.Time) {
	if f.want != x || f.Quiet() {
		return
	}
	plan.amiss = make(map[place]bool)
	held := func(verb reconcile.Verb, at place, holder string) bool {
		plan.amiss[at] = true
		until, held := f.Held(at, now)
		if held {
			err := fmt.Errorf("another writer%s keeps undoing it: left alone for %v", holder, until.Sub(now).Round(time.Millisecond))
			plan.pending = append(plan.pending, reconcile.Failure{Op: op(verb, f.object(at)), Err: err})
		}
		return held
	}
	plan.newAddresses = without(plan.newAddresses, func(i int32) bool { return held(Create, place{anAddress, i}, "") })
	plan.swaps = without(plan.swaps, func(s swap) bool { return held(Update, place{anAddress, s.at}, "") })
	plan.newRoutes = without(plan.newRoutes, func(i int32) bool { return held(Create, place{aRoute, i}, "") })
	plan.updates = without(plan.updates, func(u update) bool {
		return held(Update, place{aRoute, u.at}, ", "+protocolName(int(u.olds[0].protocol))+",")
	})
	plan.newNeighbors = without(plan.newNeighbors, func(i int32) bool { return held(Create, place{aNeighbor, i}, "") })
	plan.neighborUpdates = without(plan.neighborUpdates, func(i int32) bool { return held(Update, place{aNeighbor, i}, "") })
	plan.newRules = without(plan.newRules, func(i int32) bool { return held(Create, place{aRule, i}, "") })
}

// end ends the fights that are over, by a plan out of which they were held.
func (f *fights) end(plan *difference, now time.Time) {
	for _, at := range f.Ended(now, func(at place) bool { return plan.amiss[at] }) {
		f.log.Info("no other writer undoes it any more", "source", f.name, "object", f.object(at))
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

func (f *fights) object(at place) fmt.Stringer {
	switch at.kind {
	case aRoute:
		return f.want.route(at.at)
	case aNeighbor:
		return &f.want.state.Neighbors[at.at]
	case aRule:
		return &f.want.state.Rules[at.at]
	}
	return &f.want.state.Addresses[at.at]
}
