package rtnl

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx/reconcile"
)

// occupant is what was found where a desired address belongs.
type occupant struct {
	seen  int32 // position in survey.seen + 1; 0: nothing
	right bool  // it is what is desired
}

// swap is a desired address and what has to go first.
type swap struct {
	at  int32
	old address
}

// addressUpdate is a desired address, and what is in its place and becomes that where it is.
type addressUpdate struct {
	at      int32
	old, to address
	mine    bool
	renewal bool // it is as desired, and counts down
	again   bool // the same once more
}

// expires says that an IPv6 address of a network begins to count down. Linux 6.18 lets the route to the network
// expire at once then (modify_prefix_route), and right when it is told again.
func (u *addressUpdate) expires() bool {
	return u.to.v6 && !u.to.is(unix.IFA_F_NOPREFIXROUTE) && u.old.valid == forever && u.to.valid != forever
}

func (s *survey) seeAddress(a *address) {
	if a.protocol != 0 && !s.untagged {
		s.tags = true
	}
	s.seen = append(s.seen, *a)
	p, ok := s.at[a.link]
	if !ok {
		return
	}
	key := a.key()
	key.link = p
	if i, ok := s.want.address[key]; ok {
		s.places[i].seen = int32(len(s.seen))
	}
}

// wantedAddress gives a desired address with its interface's index for link: 0 if it does not exist.
func (s *survey) wantedAddress(i int32) address {
	a := s.want.addresses[i]
	a.link = s.links[a.link].index
	return a
}

// owns says whether an observed address is ours. made holds what this pass has created.
func (s *survey) owns(a *address, record func(*address) (ownedAddress, bool), made map[bareAddress]struct{}) bool {
	switch {
	case s.untagged:
	case a.protocol == s.protocol:
		return true
	case a.protocol != 0, s.tags:
		return false
	}
	if _, ok := made[a.bare()]; ok {
		return true
	}
	rec, ok := record(a)
	return ok && !rec.Claimed && !rec.Tagged
}

func (s *survey) diffAddresses(d *difference, policy ConflictPolicy, owns func(*address) bool, name namer) {
	kept := make([]bool, len(s.seen)) // in the place of a desired one
	for n := range s.places {
		i, place := int32(n), &s.places[n]
		want := &s.want.state.Addresses[i]
		if place.seen == 0 {
			if err := s.absence(s.want.addresses[i].link); err != nil {
				d.pending = append(d.pending, reconcile.Failure{Op: op(Create, want), Err: err})
			} else {
				d.newAddresses = append(d.newAddresses, i)
			}
			continue
		}
		kept[place.seen-1] = true
		seen := &s.seen[place.seen-1]
		mine := owns(seen)
		how := s.remedyFor(i, seen, mine)
		place.right = how <= renewal
		update := func() {
			u := addressUpdate{at: i, old: *seen, to: s.complete(i, seen, mine), mine: mine, renewal: how == renewal}
			d.addressUpdates = append(d.addressUpdates, u)
		}
		switch {
		case place.right && mine && seen.is(unix.IFA_F_DADFAILED):
			d.duplicates = append(d.duplicates, swap{i, *seen})
		case place.right && seen.is(unix.IFA_F_DADFAILED):
			d.failed = append(d.failed, reconcile.Failure{Op: op(Create, want), Err: errDuplicate})
		case how == renewal, place.right && !mine && policy != Refuse && s.tags:
			update()
		case place.right && seen.tentative():
			d.pending = append(d.pending, reconcile.Failure{Op: op(Create, want), Err: errTentative})
		case place.right:
		case !mine && policy != TakeOver:
			d.failed = append(d.failed, reconcile.Failure{Op: op(Create, want), Err: &ConflictError{
				Holder: seen.unpack(name(seen.link)), Protocol: int(seen.protocol)}})
		case how == inPlace:
			update()
		default:
			d.swaps = append(d.swaps, swap{i, *seen})
		}
	}
	for i := range s.seen {
		if !kept[i] && owns(&s.seen[i]) {
			d.oldAddresses = append(d.oldAddresses, s.seen[i])
		}
	}
}

// remedyFor says what it takes to make seen the desired address in whose place it is. Another's is as desired
// if it has all that is asked for, and will not outlive it.
func (s *survey) remedyFor(i int32, seen *address, mine bool) remedy {
	want := &s.want.addresses[i]
	if want.exactly(seen, s.want.names[want.link]) {
		return nothing // as nearly always
	}
	to := s.complete(i, seen, mine)
	how := to.from(seen)
	if how == nothing && mine && (spent(to.valid, seen.valid) || spent(to.preferred, seen.preferred)) {
		how = renewal
	}
	return how
}

// complete gives the desired address in whose place seen is, with what it does not ask for.
func (s *survey) complete(i int32, seen *address, mine bool) address {
	want := &s.want.addresses[i]
	to := want.complete(seen, s.want.names[want.link], func() (was address, known bool) {
		if !mine || s.record == nil {
			return was, false
		}
		rec, known := s.record(seen)
		return packAddress(&rec.Address, seen.link), known
	})
	to.link = seen.link
	return to
}

var (
	errTentative = errors.New("duplicate address detection is under way")
	errDuplicate = errors.New("duplicate address detection has failed: another host has this address")
)
