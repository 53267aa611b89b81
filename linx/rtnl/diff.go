package rtnl

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx/reconcile"
)

// difference is what lies between what is desired and what was observed. Numbers are positions in the
// desired state.
type difference struct {
	newAddresses []int32
	marks        []int32   // addresses that are as desired, to be made ours
	swaps        []swap    // ones whose place something else has, which must go first
	oldAddresses []address // ours, not desired
	newRoutes    []int32
	updates      []update
	oldRoutes    []found // ours, not desired
	failed       []reconcile.Failure
	pending      []reconcile.Failure
}

type swap struct {
	at  int32
	old address
}

// update is a desired route and what is in its place.
type update struct {
	at   int32
	olds []found
	held bool // another's route is in that place too
}

// changes says whether there is anything to do.
func (p *difference) changes() bool {
	return len(p.newAddresses)+len(p.marks)+len(p.swaps)+len(p.oldAddresses)+
		len(p.newRoutes)+len(p.updates)+len(p.oldRoutes) > 0
}

// converged says that there is nothing to do, to wait for or to complain about.
func (p *difference) converged() bool { return !p.changes() && len(p.failed)+len(p.pending) == 0 }

// namer gives the name of the interface with an index.
type namer func(index int32) string

// diff compares. owns says which observed addresses are ours.
func (s *survey) diff(policy ConflictPolicy, owns func(*address) bool, name namer) *difference {
	p := new(difference)
	s.diffAddresses(p, policy, owns, name)
	s.diffRoutes(p, policy, name)
	return p
}

func (s *survey) diffAddresses(p *difference, policy ConflictPolicy, owns func(*address) bool, name namer) {
	kept := make([]bool, len(s.seen)) // in the place of a desired one
	for n := range s.places {
		i, place := int32(n), s.places[n]
		want := &s.want.state.Addresses[i]
		if place.seen == 0 {
			if err := s.absence(s.want.addresses[i].link); err != nil {
				p.pending = append(p.pending, reconcile.Failure{Op: op(Create, want), Err: err})
			} else {
				p.newAddresses = append(p.newAddresses, i)
			}
			continue
		}
		kept[place.seen-1] = true
		seen := &s.seen[place.seen-1]
		mine := owns(seen)
		switch {
		case place.right && seen.is(unix.IFA_F_DADFAILED):
			p.failed = append(p.failed, reconcile.Failure{Op: op(Create, want), Err: errDuplicate})
		case place.right && !mine && policy != Refuse && seen.protocol != s.protocol && !s.untagged:
			p.marks = append(p.marks, i)
		case place.right && seen.tentative():
			p.pending = append(p.pending, reconcile.Failure{Op: op(Create, want), Err: errTentative})
		case place.right:
		case mine || policy == TakeOver:
			p.swaps = append(p.swaps, swap{i, *seen})
		default:
			p.failed = append(p.failed, reconcile.Failure{Op: op(Create, want), Err: &ConflictError{
				Holder: seen.holder(name), Protocol: int(seen.protocol)}})
		}
	}
	for i := range s.seen {
		if !kept[i] && owns(&s.seen[i]) {
			p.oldAddresses = append(p.oldAddresses, s.seen[i])
		}
	}
}

func (s *survey) diffRoutes(p *difference, policy ConflictPolicy, name namer) {
	p.oldRoutes = s.left
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
		s.diffRoute(p, int32(n), mine, others, policy, name)
	}
	p.newRoutes = s.directFirst(p.newRoutes)
}

// directFirst puts routes without a gateway before those with one, which they may make reachable.
func (s *survey) directFirst(list []int32) []int32 {
	order := make([]int32, 0, len(list))
	for _, direct := range []bool{true, false} {
		for _, i := range list {
			if (s.want.routes[i].gateway == ip{}) == direct {
				order = append(order, i)
			}
		}
	}
	return order
}

// diffRoute decides about one desired route, and about what else is in its place: ours and others'.
func (s *survey) diffRoute(p *difference, i int32, mine, others []found, policy ConflictPolicy, name namer) {
	want := s.want.route(i)
	// To delete a merged next hop that is another's fails, and an update must not fail for that.
	sure := len(mine)
	for n := 0; n < sure; {
		if mine[n].doubt {
			sure--
			mine[n], mine[sure] = mine[sure], mine[n]
		} else {
			n++
		}
	}
	p.oldRoutes = append(p.oldRoutes, mine[sure:]...)
	held := len(others) > 0 || sure < len(mine)
	mine = mine[:sure]
	adopted := slices.IndexFunc(others, func(f found) bool { return f.right && !f.strange })
	switch {
	case s.routes[i] == theirs && policy != Refuse && adopted >= 0:
		p.updates = append(p.updates, update{at: i, olds: others[adopted : adopted+1]})
		p.oldRoutes = append(p.oldRoutes, mine...)
	case s.routes[i] != absent:
		p.oldRoutes = append(p.oldRoutes, mine...)
	case s.absence(s.want.routes[i].link) != nil:
		p.pending = append(p.pending, reconcile.Failure{Op: op(Create, want), Err: s.absence(s.want.routes[i].link)})
	case len(mine) > 0:
		p.updates = append(p.updates, update{at: i, olds: mine, held: held})
	case len(others) == 0:
		p.newRoutes = append(p.newRoutes, i)
	case policy == TakeOver && !slices.ContainsFunc(others, func(f found) bool { return f.strange }):
		p.updates = append(p.updates, update{at: i, olds: others})
	default:
		holder := &others[0]
		conflict := &ConflictError{Holder: holder.unpack(name(holder.link)), Protocol: int(holder.protocol)}
		if policy == TakeOver {
			conflict.Reason = "it has attributes that this package cannot name, so that it cannot be deleted safely"
		}
		p.failed = append(p.failed, reconcile.Failure{Op: op(Create, want), Err: conflict})
	}
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

var (
	errTentative = errors.New("duplicate address detection is under way")
	errDuplicate = errors.New("duplicate address detection has failed: another host has this address")
)

// absence says that an interface does not exist, by the position of its name.
func (s *survey) absence(position int32) error {
	if position == 0 || s.links[position].index != 0 {
		return nil
	}
	return fmt.Errorf("interface %s does not exist", s.want.names[position])
}

func op(verb reconcile.Verb, object fmt.Stringer) reconcile.Op {
	return reconcile.Op{Verb: verb, Object: object}
}
