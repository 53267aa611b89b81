package rtnl

import "slices"

// claimedNeighbors keeps the records of what was there before: until a change has been seen, the kernel may
// have either.
func (p *pass) claimedNeighbors() []ownedNeighbor {
	out := slices.Clone(p.last.neighbors)
	for i, covered := range p.claims.neighbors {
		if covered {
			out = append(out, p.ownedNeighbor(int32(i), true))
		}
	}
	return out
}

func (p *pass) ownedNeighbor(i int32, claimed bool) ownedNeighbor {
	if p.want.neighbors[i].fdb {
		n := p.survey.wantedNeighbor(i)
		return p.ownedStation(&n, claimed)
	}
	index := p.survey.links[p.want.neighbors[i].link].index
	return ownedNeighbor{Neighbor: p.want.state.Neighbors[i], Index: index, Claimed: claimed}
}

func (p *pass) ownedNeighbors() []ownedNeighbor {
	s := p.survey
	out := collection[ownedNeighbor]{last: p.last.neighbors}
	for n := range s.neighbors {
		i, seen := int32(n), &s.neighbors[n]
		want := s.wantedNeighbor(i)
		switch {
		case !seen.there || !s.ownsNeighbor(seen):
		case seen.neighbor == want:
			out.add(p.ownedNeighbor(i, false))
		default: // what it was made to be, which another has changed
			for _, rec := range p.recordsOf(seen.neighborKey) {
				out.add(rec)
			}
		}
		if _, made := s.madeNeighbors[want.neighborKey]; made && !p.fresh && seen.neighbor != want {
			out.add(p.ownedNeighbor(i, !want.fdb)) // not seen since
		}
	}
	for i := range s.oldNeighbors {
		n := &s.oldNeighbors[i]
		out.add(ownedNeighbor{Neighbor: n.unpack(p.name), Index: n.link, Via: n.to.via})
	}
	return out.list()
}

func (p *pass) recordsOf(key neighborKey) (out []ownedNeighbor) {
	for _, rec := range p.last.neighbors {
		if packNeighbor(&rec.Neighbor, rec.Index, rec.Via).neighborKey == key {
			out = append(out, rec)
		}
	}
	return out
}
