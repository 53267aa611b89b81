package rtnl

import (
	"context"
	"errors"
	"fmt"

	"github.com/linx-go/linx-go/linx/reconcile"
)

func (x *index) addNeighbors(wrong *faults) {
	list := x.state.Neighbors
	x.neighbors = make([]neighbor, len(list))
	x.neighbor = make(map[neighborKey]int32, len(list))
	x.neighborTables = make(map[neighborTable]bool)
	groups := make(map[neighborKey]int32) // of forwarding databases: the first of each
	for i := range list {
		n := packNeighbor(&list[i], x.position(list[i].Interface), x.position(list[i].FDB.Via))
		if j, ok := x.neighbor[n.neighborKey]; ok {
			wrong.add("neighbors", i, fmt.Errorf("%v: neighbors[%d] is the same one, %v; an interface has a neighbour once",
				list[i], j, list[j]))
		}
		if first, ok := groups[n.group()]; n.fdb && ok {
			if err := n.groupFault(&x.neighbors[first]); err != nil {
				wrong.add("neighbors", i, fmt.Errorf("%v: neighbors[%d] is %v: %w", list[i], first, list[first], err))
			}
		} else if n.fdb {
			groups[n.group()] = int32(i)
		}
		x.neighbors[i], x.neighbor[n.neighborKey] = n, int32(i)
		x.neighborTables[n.neighborTable] = true
	}
}

// neighborRecords is what LastApplied has, on interfaces that are still those.
type neighborRecords struct {
	confirmed map[neighborKey]struct{} // seen as ours once
	exact     map[neighbor]struct{}    // those, and what was claimed, as they were to be
	tables    map[neighborTable]bool

	of    []ownedNeighbor  // what this was made of,
	named map[int32]string // when the interfaces were called so
}

// readNeighbors reads the tables that desired or recorded neighbours are in.
func (p *pass) readNeighbors(ctx context.Context) error {
	s := p.survey
	if !p.recordsHold() {
		s.neighborRecords = p.neighborRecords()
	}
	s.placeStations()
	for _, t := range neighborTables {
		if p.want.neighborTables[t] || s.tables[t] {
			if err := p.dumpNeighbors(ctx, t, p.onlyNeighborLink(t.fdb), s.seeNeighbor); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *pass) dumpNeighbors(ctx context.Context, t neighborTable, only int32, see func(*seenNeighbor)) error {
	askNeighbors(&p.batch, t, only)
	var n seenNeighbor
	err := p.conn.Dump(ctx, &p.batch, func(_ uint16, body []byte) error {
		if decodeNeighbor(body, &n) && n.neighborTable == t {
			see(&n)
		}
		return nil
	})
	return p.explain("reading neighbours", err)
}

// recordsHold says that those of the last observation still are what LastApplied has.
func (p *pass) recordsHold() bool {
	r := &p.survey.neighborRecords
	if !sameSlice(r.of, p.last.neighbors) {
		return false
	}
	for index, name := range r.named {
		if p.name(index) != name {
			return false
		}
	}
	return true
}

func (p *pass) neighborRecords() neighborRecords {
	r := neighborRecords{of: p.last.neighbors}
	if len(p.last.neighbors) == 0 {
		return r
	}
	r.confirmed = make(map[neighborKey]struct{}, len(p.last.neighbors))
	r.exact = make(map[neighbor]struct{}, len(p.last.neighbors))
	r.tables = make(map[neighborTable]bool)
	r.named = make(map[int32]string)
	for i := range p.last.neighbors {
		rec := &p.last.neighbors[i]
		if r.named[rec.Index] = p.name(rec.Index); r.named[rec.Index] != rec.Interface {
			continue
		}
		n := packNeighbor(&rec.Neighbor, rec.Index, rec.Via)
		if n.fdb {
			if r.named[rec.Via] = p.name(rec.Via); rec.Claimed || r.named[rec.Via] != rec.FDB.Via {
				continue
			}
		}
		if _, lost := p.survey.lostNeighbors[n]; lost {
			continue
		}
		r.exact[n] = struct{}{}
		r.tables[n.neighborTable] = true
		if !rec.Claimed {
			r.confirmed[n.neighborKey] = struct{}{}
		}
	}
	return r
}

// onlyNeighborLink gives the index of the interface that all neighbours are on, those that are wanted and
// those that are ours; else 0. The place of an entry of a bridge may be held on any of its ports.
func (p *pass) onlyNeighborLink(fdb bool) int32 {
	only := int32(0)
	for i := range p.want.neighbors {
		n := &p.want.neighbors[i]
		if n.fdb != fdb {
			continue
		}
		l := &p.survey.links[n.link]
		if l.index == 0 || only != 0 && l.index != only || n.master || fdb && l.bridge {
			return 0
		}
		only = l.index
	}
	for n := range p.survey.exact {
		if n.fdb == fdb && (n.link != only || n.master) {
			return 0
		}
	}
	return only
}

func (s *survey) seeNeighbor(n *seenNeighbor) {
	if n.fdb {
		if s.seeStation(n) {
			return
		}
	} else if position, ok := s.at[n.link]; ok {
		key := n.neighborKey
		key.link = position
		if i, ok := s.want.neighbor[key]; ok {
			s.neighbors[i] = *n
			return
		}
	}
	// What another has changed since is no longer what was made.
	if _, exact := s.exact[n.neighbor]; exact && s.ownsNeighbor(n) {
		s.oldNeighbors = append(s.oldNeighbors, *n)
	}
}

// ownsNeighbor says whether an observed neighbour is ours. The kernel lets others change one and keeps its
// protocol, so that this alone is no proof, only needed.
func (s *survey) ownsNeighbor(n *seenNeighbor) bool {
	if n.fdb {
		return s.ownsStation(n)
	}
	if n.protocol != s.protocol || n.strange {
		return false
	}
	if _, confirmed := s.confirmed[n.neighborKey]; confirmed { // as nearly always
		return true
	}
	_, mine := s.madeNeighbors[n.neighborKey]
	_, exact := s.exact[n.neighbor]
	return mine || exact
}

// wantedNeighbor gives a desired neighbour with its interface's index for link: 0 if it does not exist.
func (s *survey) wantedNeighbor(i int32) neighbor {
	n := s.want.neighbors[i]
	if n.fdb {
		s.locateStation(&n)
	} else {
		n.link = s.links[n.link].index
	}
	return n
}

// errSingle follows arp_constructor: what is created there becomes an entry for 0.0.0.0, that of all
// others too.
var errSingle = errors.New("a loopback or point-to-point interface has no IPv4 neighbours")

func (s *survey) diffNeighbors(d *difference, policy ConflictPolicy, name namer) {
	d.oldNeighbors = s.oldNeighbors
	for n := range s.neighbors {
		i, seen, want := int32(n), &s.neighbors[n], &s.want.state.Neighbors[n]
		if s.want.neighbors[i].fdb {
			s.diffStation(d, i, policy, name)
			continue
		}
		if !seen.there {
			n := &s.want.neighbors[i]
			if err := s.absence(n.link); err != nil {
				d.pending = append(d.pending, reconcile.Failure{Op: op(Create, want), Err: err})
			} else if s.links[n.link].single && !n.v6 && !n.proxy {
				d.failed = append(d.failed, reconcile.Failure{Op: op(Create, want), Err: errSingle})
			} else {
				d.newNeighbors = append(d.newNeighbors, i)
			}
			continue
		}
		right := !seen.strange && seen.neighbor == s.wantedNeighbor(i)
		mine := s.ownsNeighbor(seen)
		switch {
		case right && (mine || policy == Refuse):
		case right, mine, policy == TakeOver, seen.learned() && want.State == Permanent:
			d.neighborUpdates = append(d.neighborUpdates, i)
		default:
			d.failed = append(d.failed, reconcile.Failure{Op: op(Create, want), Err: &ConflictError{
				Holder: seen.holder(name), Protocol: int(seen.protocol)}})
		}
	}
}
