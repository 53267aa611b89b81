package rtnl

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx/reconcile"
)

// stations is what a survey knows of forwarding databases.
type stations struct {
	stationAt map[neighborKey]int32          // from a place to the desired entry,
	groupAt   map[neighborKey]int32          // and from a group to the first of them
	crowd     map[neighborKey][]seenNeighbor // by group: of those groups that desired entries change
	dragged   map[neighborKey][]seenNeighbor // by entry to be deleted: what would go with it
}

// place gives what two entries cannot share. bridge is that whose database it is in, or 0.
func (key neighborKey) place(bridge int32) neighborKey {
	if bridge != 0 {
		key.link, key.master = bridge, true
	}
	return key
}

// group gives what a request about one entry may change other entries of: those that a vxlan floods to have
// their state in common, and in a bridge an entry without a VLAN stands for one in each.
func (key neighborKey) group() neighborKey {
	key.flood, key.vlan = remote{}, 0
	return key
}

// groupFault says that two desired entries of one group contradict each other.
func (n *neighbor) groupFault(other *neighbor) error {
	switch {
	case (n.vlan == 0) != (other.vlan == 0):
		return errors.New("an entry without Vlan is one in each VLAN of the port too; leave one of them out")
	case n.flood != remote{} && n.state != other.state:
		return errors.New("a vxlan keeps one state for all destinations of a LinkAddr; give them the same")
	}
	return nil
}

// placeStations prepares for entries to be seen, once the interfaces are known.
func (s *survey) placeStations() {
	s.stations = stations{}
	if !s.want.neighborTables[neighborTable{fdb: true}] {
		return
	}
	s.stationAt, s.groupAt = make(map[neighborKey]int32), make(map[neighborKey]int32)
	s.crowd = make(map[neighborKey][]seenNeighbor)
	for i := range s.want.neighbors {
		if s.want.neighbors[i].fdb {
			n := s.wantedNeighbor(int32(i))
			key := n.place(s.bridgeOf(int32(i)))
			if _, taken := s.stationAt[key]; !taken {
				s.stationAt[key] = int32(i)
			}
			if _, known := s.groupAt[key.group()]; !known {
				s.groupAt[key.group()] = int32(i)
			}
			if n.flood != (remote{}) || key.master && n.vlan == 0 {
				s.crowd[key.group()] = nil
			}
		}
	}
}

// bridgeOf gives the bridge whose database a desired entry is to be in, or 0.
func (s *survey) bridgeOf(i int32) int32 {
	n := &s.want.neighbors[i]
	switch l := &s.links[n.link]; {
	case n.master && l.bridged:
		return l.master
	case !n.master && l.bridge:
		return l.index
	}
	return 0
}

// locateStation turns positions into indices, and leaves out what is the vxlan's default: the kernel does not
// show that.
func (s *survey) locateStation(n *neighbor) {
	l := &s.links[n.link]
	n.link, n.to.via = l.index, s.links[n.to.via].index
	if l.vxlan && n.to.port == l.port {
		n.to.port = 0
	}
	if l.vxlan && n.to.vni == l.vni {
		n.to.vni = 0
	}
	n.setFlood()
}

// seeStation takes an entry, and says whether it has the place of a desired one.
func (s *survey) seeStation(n *seenNeighbor) bool {
	key := n.place(n.bridge)
	group := key.group()
	if list, ok := s.crowd[group]; ok && group != key {
		// A vxlan may flood to thousands, all in one state: one stands for all.
		if n.flood == (remote{}) || len(list) == 0 && !s.ownsStation(n) {
			s.crowd[group] = append(list, *n)
		}
	}
	i, ok := s.stationAt[key]
	if ok {
		s.neighbors[i] = *n
	}
	return ok
}

// ownsStation says whether an entry is just as we made it, in this pass or by a record that is more than a
// claim.
func (s *survey) ownsStation(n *seenNeighbor) bool {
	made, ok := s.madeNeighbors[n.neighborKey]
	_, recorded := s.exact[n.neighbor]
	return !n.strange && (recorded || ok && made == n.neighbor)
}

// stationFault finds why a desired entry cannot be: for now, or as it is.
func (s *survey) stationFault(i int32) (wait, wrong error) {
	n, name := &s.want.neighbors[i], s.want.state.Neighbors[i].Interface
	for _, position := range []int32{n.link, n.to.via} {
		if err := s.absence(position); err != nil {
			return err, nil
		}
	}
	l := &s.links[n.link]
	switch {
	case n.master && !l.bridged:
		return fmt.Errorf("interface %s is no port of a bridge", name), nil
	case n.master:
	case !l.vxlan && (n.to != remote{} || n.srcVNI != 0):
		return nil, fmt.Errorf("interface %s is no vxlan: it takes no Destination and no SrcVNI", name)
	case l.vxlan && n.to == remote{}:
		return nil, errors.New("no Destination; give that of the other end of the tunnel")
	case l.vxlan && n.srcVNI != 0 && !l.external:
		return nil, fmt.Errorf("vxlan %s has one network; leave out SrcVNI", name)
	case !l.bridge && n.vlan != 0:
		return nil, fmt.Errorf("interface %s is no bridge: it has no VLANs", name)
	case !l.vxlan && n.state != unix.NUD_PERMANENT:
		return nil, fmt.Errorf("interface %s is no vxlan: State Permanent is all it has", name)
	}
	located := s.wantedNeighbor(i)
	key := located.place(s.bridgeOf(i))
	if j := s.stationAt[key]; j != i {
		return nil, fmt.Errorf("neighbors[%d], %v, has the same place in the bridge", j, s.want.state.Neighbors[j])
	}
	j := s.groupAt[key.group()]
	if err := n.groupFault(&s.want.neighbors[j]); err != nil {
		return nil, fmt.Errorf("neighbors[%d] is %v: %w", j, s.want.state.Neighbors[j], err)
	}
	return nil, nil
}

func (s *survey) diffStation(d *difference, i int32, policy ConflictPolicy, name namer) {
	seen, want := &s.neighbors[i], &s.want.state.Neighbors[i]
	wait, wrong := s.stationFault(i)
	switch {
	case wait != nil:
		d.pending = append(d.pending, reconcile.Failure{Op: op(Create, want), Err: wait})
		return
	case wrong != nil:
		d.failed = append(d.failed, reconcile.Failure{Op: op(Create, want), Err: wrong})
		return
	}
	n := s.wantedNeighbor(i)
	right := seen.there && !seen.strange && seen.neighbor == n
	mine := seen.there && s.ownsStation(seen)
	if right && (mine || policy == Refuse) {
		return
	}
	switch beside := s.beside(i); {
	case beside != nil && s.ownsStation(beside): // which goes first
	case beside != nil && policy != TakeOver:
		d.failed = append(d.failed, reconcile.Failure{Op: op(Create, want), Err: &ConflictError{
			Holder: beside.holder(name), Reason: "what concerns it here would concern that, too"}})
	case !seen.there:
		d.newNeighbors = append(d.newNeighbors, i)
	case right, mine, policy == TakeOver, seen.learned():
		d.neighborUpdates = append(d.neighborUpdates, i)
	default:
		d.failed = append(d.failed, reconcile.Failure{Op: op(Create, want), Err: &ConflictError{Holder: seen.holder(name)}})
	}
}

// beside gives an entry that would be changed with a desired one, or that would be in its way: another's if
// there is one.
func (s *survey) beside(i int32) (beside *seenNeighbor) {
	n := s.wantedNeighbor(i)
	key := n.place(s.bridgeOf(i))
	everywhere := key.master && n.vlan == 0
	list := s.crowd[key.group()]
	for k := range list {
		inTheWay := everywhere && !s.neighbors[i].there
		if !s.ownsStation(&list[k]) && (inTheWay || !list[k].like(&n)) {
			return &list[k]
		}
		if inTheWay {
			beside = &list[k]
		}
	}
	return beside
}

// like says that what is common to a group is as n has it.
func (n *seenNeighbor) like(other *neighbor) bool {
	return n.link == other.link && n.state == other.state && n.sticky == other.sticky
}

// watchDragged has what goes with an entry that is deleted seen when it is read once more.
func (s *survey) watchDragged(olds []seenNeighbor) {
	s.dragged = make(map[neighborKey][]seenNeighbor)
	for i := range olds {
		if n := &olds[i]; n.bridge != 0 && n.vlan == 0 {
			s.dragged[n.neighborKey] = nil
		}
	}
}

func (s *survey) seeDragged(n *seenNeighbor) {
	key := n.neighborKey
	key.vlan = 0
	if list, ok := s.dragged[key]; ok && n.vlan != 0 {
		s.dragged[key] = append(list, *n)
	}
}

// drags gives an entry that would go with one that is deleted, though it has been made by itself.
func (s *survey) drags(old *seenNeighbor) *seenNeighbor {
	for i, n := range s.dragged[old.neighborKey] {
		if !n.like(&old.neighbor) {
			return &s.dragged[old.neighborKey][i]
		}
	}
	return nil
}

// fdbFlags gives the flags of a request. What a vxlan floods to is a list, to which an entry is added: the
// kernel tells nobody if it is there already.
func (p *pass) fdbFlags(verb reconcile.Verb, n *neighbor) uint16 {
	switch {
	case n.flood != remote{}:
		return unix.NLM_F_CREATE | unix.NLM_F_APPEND
	case verb == Create && p.source.opts.Conflict != TakeOver:
		return unix.NLM_F_CREATE | unix.NLM_F_EXCL
	}
	return unix.NLM_F_CREATE | unix.NLM_F_REPLACE
}

func (p *pass) ownedStation(n *neighbor, claimed bool) ownedNeighbor {
	return ownedNeighbor{Neighbor: n.unpack(p.name), Index: n.link, Via: n.to.via, Claimed: claimed}
}
