package rtnl

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/linx-go/linx-go/linx/reconcile"
)

var errRegroup = errors.New("routes use it, and the kernel makes no group of a single object, nor the other way round; " +
	"give the new one another ID, and the routes with it")

// seeNexthop takes an object.
func (s *survey) seeNexthop(o *nexthop) {
	s.nexthops.taken[o.id] = true
	if o.v6 {
		s.nexthops.six[o.id] = true
	}
	if i, ok := s.want.nexthop[o.id]; ok {
		s.objects[i] = *o
		return
	}
	switch {
	case o.strange, o.protocol != s.protocol:
	case !automaticID(o.id):
		s.oldObjects = append(s.oldObjects, *o)
	case o.leadsTo():
		s.nexthops.see(o)
	}
}

// ofIPv6 says that a group has members of IPv6, as one that IPv6 routes follow has. Those are not looked at.
func (s *survey) ofIPv6(o nexthop) bool {
	return slices.ContainsFunc(o.members, func(m member) bool { return s.nexthops.six[m.id] })
}

// wantedObject gives a desired object with its interface's index.
func (s *survey) wantedObject(i int32) nexthop {
	o := s.want.nexthops[i]
	o.hop.link = s.links[o.hop.link].index
	o.protocol = s.protocol
	return o
}

// diffObjects decides about desired objects, and notes in s.unready which cannot be used.
func (s *survey) diffObjects(d *difference, policy ConflictPolicy, name namer) {
	clear(s.unready)
	for i := range s.objects {
		s.objects[i].strange = s.objects[i].strange || s.ofIPv6(s.objects[i])
	}
	s.oldObjects = slices.DeleteFunc(s.oldObjects, s.ofIPv6)
	for _, groups := range []bool{false, true} { // of the others
		for i := range s.want.nexthops {
			if s.want.nexthops[i].group() == groups {
				s.diffObject(d, int32(i), policy, name)
			}
		}
	}
	slices.SortFunc(s.oldObjects, func(a, b nexthop) int { // groups first
		return cmp.Or(cmp.Compare(len(b.members), len(a.members)), cmp.Compare(a.id, b.id))
	})
	for i := range s.oldObjects {
		o := &s.oldObjects[i]
		if err := s.used[o.id]; err != nil {
			d.failed = append(d.failed, reconcile.Failure{Op: op(Delete, o.describe(name)), Err: err})
		} else {
			d.oldObjects = append(d.oldObjects, *o)
		}
	}
}

func (s *survey) diffObject(d *difference, i int32, policy ConflictPolicy, name namer) {
	want, seen, object := s.wantedObject(i), &s.objects[i], &s.want.state.Nexthops[i]
	mine, right := seen.protocol == s.protocol, seen.leadsAs(&want)
	lack := cmp.Or(s.absence(s.want.nexthops[i].hop.link), s.unreadyMember(i))
	unready := func(list *[]reconcile.Failure, err error) {
		*list = append(*list, reconcile.Failure{Op: op(Create, object), Err: err})
		s.holdUp(want.id, err)
	}
	switch {
	case right && (mine || policy == Refuse):
	case lack != nil:
		unready(&d.pending, lack)
	case seen.id == 0:
		d.newObjects = append(d.newObjects, i)
	case right: // to be made ours, which changes nothing for others
		d.objectUpdates = append(d.objectUpdates, i)
	case seen.strange, !mine && policy != TakeOver:
		conflict := &ConflictError{Holder: seen.describe(name), Protocol: int(seen.protocol)}
		if seen.strange {
			conflict.Reason = "it has attributes that this package cannot name, or is none of IPv4"
		}
		unready(&d.failed, conflict)
	case s.used[want.id] != nil:
		unready(&d.failed, s.used[want.id])
	default:
		d.objectUpdates = append(d.objectUpdates, i)
	}
}

// holdUp notes that a desired object cannot be used.
func (s *survey) holdUp(id uint32, err error) {
	if s.unready == nil {
		s.unready = make(map[uint32]error)
	}
	s.unready[id] = err
}

// unreadyMember says that a desired group lacks one that it needs.
func (s *survey) unreadyMember(i int32) error {
	for _, m := range s.want.nexthops[i].members {
		if err := s.unreadyObject(m.id); err != nil {
			return err
		}
	}
	return nil
}

// unreadyObject says why a nexthop object that is needed cannot be used.
func (s *survey) unreadyObject(id uint32) error {
	_, desired := s.want.nexthop[id]
	switch {
	case id == 0:
		return nil
	case s.unready[id] != nil:
		return fmt.Errorf("nexthop object %d is not ready", id)
	case !desired && !s.nexthops.taken[id]:
		return fmt.Errorf("nexthop object %d does not exist", id)
	}
	return nil
}
