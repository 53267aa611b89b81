package rtnl

import (
	"fmt"
	"slices"

	"github.com/linx-go/linx-go/linx/reconcile"
)

// difference is what lies between what is desired and what was observed. Numbers are positions in the
// desired state.
type difference struct {
	newAddresses    []int32
	addressUpdates  []addressUpdate
	swaps           []swap    // ones whose place something else has, which must go first
	duplicates      []swap    // ours, as desired, of which another host has the address
	oldAddresses    []address // ours, not desired
	newObjects      []int32   // nexthop objects
	objectUpdates   []int32
	oldObjects      []nexthop // ours, not desired
	newHops         []hop     // that automatic nexthop objects are needed for
	rehops          []rehop
	unsureRoutes    []found // not desired, and perhaps ours
	newRoutes       []int32
	updates         []update
	oldRoutes       []found   // ours, not desired
	oldHops         []nexthop // ours, not needed
	newNeighbors    []int32
	neighborUpdates []int32
	oldNeighbors    []seenNeighbor // ours, not desired
	newRules        []int32
	oldRules        []rule    // ours, not desired
	remakes         []oldLink // to be deleted first, and made anew
	newLinks        []newLink
	linkChanges     []linkChange
	restores        []linkChange
	oldLinks        []oldLink // ours, not desired
	failed          []reconcile.Failure
	pending         []reconcile.Failure
	amiss           map[fmt.Stringer]bool // what needs a repair, now or after a truce; nil while nobody fights
}

// update is a desired route and what is in its place: nothing, if only some of its next hops are missing.
type update struct {
	at   int32
	olds []found
	held bool // a route that is none of olds is in that place too
}

// size is how many changes there are to make.
func (d *difference) size() int {
	return len(d.newAddresses) + len(d.addressUpdates) + len(d.swaps) + len(d.oldAddresses) +
		len(d.unsureRoutes) + len(d.newRoutes) + len(d.updates) + len(d.oldRoutes) +
		len(d.newNeighbors) + len(d.neighborUpdates) + len(d.oldNeighbors) +
		len(d.newRules) + len(d.oldRules) +
		len(d.remakes) + len(d.newLinks) + len(d.linkChanges) + len(d.restores) + len(d.oldLinks) +
		len(d.newObjects) + len(d.objectUpdates) + len(d.oldObjects) +
		len(d.newHops) + len(d.rehops) + len(d.oldHops)
}

// changes says whether there is anything to do.
func (d *difference) changes() bool { return d.size() > 0 }

// guesses says that all there is to do is to delete what may be another's.
func (d *difference) guesses() bool { return d.size() == len(d.unsureRoutes) }

// converged says that there is nothing to do, to wait for or to complain about.
func (d *difference) converged() bool { return !d.changes() && len(d.failed)+len(d.pending) == 0 }

// namer gives the name of the interface with an index.
type namer func(index int32) string

// diff compares. owns says which observed addresses are ours.
func (s *survey) diff(policy ConflictPolicy, owns func(*address) bool, name namer) *difference {
	d := new(difference)
	s.diffLinks(d, policy)
	s.diffAddresses(d, policy, owns, name)
	s.diffObjects(d, policy, name)
	s.diffRoutes(d, policy, name)
	s.diffNeighbors(d, policy, name)
	s.diffRules(d)
	return d
}

func (s *survey) diffRoutes(d *difference, policy ConflictPolicy, name namer) {
	d.oldRoutes, d.unsureRoutes = s.left, s.unsure
	if s.missing == [2]int{} && len(s.extra) == 0 && len(s.theirs) == 0 {
		return
	}
	byPlace := func(a, b found) int { return int(a.at - b.at) }
	slices.SortStableFunc(s.extra, byPlace)
	slices.SortStableFunc(s.theirs, byPlace)
	extra, theirs := s.extra, s.theirs
	for n := range s.routes {
		var mine, others []found
		mine, extra = take(extra, int32(n))
		others, theirs = take(theirs, int32(n))
		s.diffRoute(d, int32(n), mine, others, policy, name)
	}
	d.newRoutes = s.directFirst(d.newRoutes)
}

// directFirst puts routes without a gateway before those with one, which they may make reachable.
func (s *survey) directFirst(list []int32) []int32 {
	order := make([]int32, 0, len(list))
	for _, direct := range []bool{true, false} {
		for _, i := range list {
			if s.want.routes[i].direct() == direct {
				order = append(order, i)
			}
		}
	}
	return order
}

// diffRoute decides about one desired route, and about what else is in its place: ours and others'.
func (s *survey) diffRoute(d *difference, i int32, mine, others []found, policy ConflictPolicy, name namer) {
	want := s.want.route(i)
	partly := s.partly(i)
	adopted := s.adoptable(others)
	if !s.want.routes[i].several || !s.want.routes[i].v6 {
		adopted = adopted[:min(len(adopted), 1)] // one will do
	}
	switch {
	case s.routes[i] == theirs && policy != Refuse && len(adopted) > 0:
		rest := len(others) + len(mine) - len(adopted)
		d.updates = append(d.updates, update{at: i, olds: adopted, held: rest > 0 || partly})
		d.oldRoutes = append(d.oldRoutes, mine...)
	case s.routes[i] != absent:
		d.oldRoutes = append(d.oldRoutes, mine...)
	case s.lacksFor(i) != nil:
		d.pending = append(d.pending, reconcile.Failure{Op: op(Create, want), Err: s.lacksFor(i)})
	case len(mine) > 0 || partly:
		d.updates = append(d.updates, update{at: i, olds: mine, held: len(others) > 0 || partly})
	case len(others) == 0:
		d.newRoutes = append(d.newRoutes, i)
	case policy == TakeOver && !slices.ContainsFunc(others, func(f found) bool { return f.strange }):
		d.updates = append(d.updates, update{at: i, olds: others})
	default:
		holder := &others[0]
		conflict := &ConflictError{Holder: holder.describe(name), Protocol: int(holder.protocol)}
		if policy == TakeOver {
			conflict.Reason = "it has attributes that this package cannot name, so that it cannot be deleted safely"
		}
		d.failed = append(d.failed, reconcile.Failure{Op: op(Create, want), Err: conflict})
	}
}

// adoptable gives those of others' routes that can be made ours: what is right, and not behind what would be
// deleted in its stead.
func (s *survey) adoptable(others []found) (list []found) {
	for n := range others {
		f := &others[n]
		_, unknown := s.alien[f.hopOnly()]
		hidden := slices.ContainsFunc(others[:n], func(before found) bool { return f.hits(&before) })
		if f.right && !f.strange && !unknown && !hidden {
			list = append(list, *f)
		}
	}
	return list
}

// take cuts off the routes at the beginning that are in place i, each once: IPv6 dumps repeat routes when
// others change.
func take(list []found, i int32) (group, rest []found) {
	n := 0
	for n < len(list) && list[n].at == i {
		n++
	}
	group, rest = list[:0:n], list[n:]
	for _, f := range list[:n] {
		if !slices.ContainsFunc(group, func(g found) bool { return g.route == f.route && slices.Equal(g.hops, f.hops) }) {
			group = append(group, f)
		}
	}
	return group, rest
}

// absence says that an interface does not exist, by the position of its name.
func (s *survey) absence(position int32) error {
	if position == 0 || s.links[position].index != 0 {
		return nil
	}
	return fmt.Errorf("interface %s does not exist", s.want.names[position])
}

// lacksFor says what a desired route waits for.
func (s *survey) lacksFor(i int32) error {
	if err := s.unreadyObject(s.want.routes[i].object); err != nil {
		return err
	}
	ways, _ := s.want.waysOf(i)
	for n := range ways {
		if err := s.absence(ways[n].link); err != nil {
			return err
		}
	}
	return s.absence(s.want.routes[i].link)
}

func op(verb reconcile.Verb, object fmt.Stringer) reconcile.Op {
	return reconcile.Op{Verb: verb, Object: object}
}
