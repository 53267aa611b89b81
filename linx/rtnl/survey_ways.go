package rtnl

import "slices"

// An IPv4 route that leads several ways is one object, and in place if it leads all that are desired and no
// others (sameWays).
//
// IPv6 has a route for each way, which the kernel merges with all of that destination and metric, whoever's
// they are, and dumps as one. So survey.seeRoute takes apart what is dumped, and each next hop is measured by
// itself. One that is a desired way (findWay) is noted in survey.ways, which runs parallel to index.ways, all
// the ways of all desired routes: the route is in place once all its ways are, and ours if they all are ours
// (standWay). One that is none is as any other route in that place: ours is deleted, another's is left. An
// update makes only the ways that are not there (lacking), and while a route is not in place as a whole,
// LastApplied has those of its ways that are ours (ownWays).

// waysOf gives the ways of desired route i, if there are several, with the positions of their interfaces'
// names, and where they begin in index.ways.
func (x *index) waysOf(i int32) (ways []hop, at int) {
	if !x.routes[i].several {
		return nil, 0
	}
	span := x.spans[i]
	return x.ways[span[0]:span[1]], span[0]
}

func (x *index) addWays(i int32) {
	if ways := packHops(x.route(i), x.position); len(ways) > 0 {
		if x.spans == nil {
			x.spans = make(map[int32][2]int)
		}
		x.spans[i] = [2]int{len(x.ways), len(x.ways) + len(ways)}
		x.ways = append(x.ways, ways...)
	}
}

// resolved gives the ways of desired route i with the indices of their interfaces, 0 for any.
func (s *survey) resolved(i int32) []hop {
	ways, _ := s.want.waysOf(i)
	ways = slices.Clone(ways)
	for n := range ways {
		ways[n].link = s.links[ways[n].link].index
	}
	return ways
}

// leads says that a desired way is one that was observed.
func (s *survey) leads(want, seen *hop) bool {
	return want.gateway == seen.gateway && want.onlink == seen.onlink && want.weight == seen.weight &&
		want.encap == seen.encap && (want.link == 0 || s.links[want.link].index == seen.link)
}

// sameWays says that an IPv4 route leads all the ways that desired route i does, and no others. No two of
// the desired ones are the same.
func (s *survey) sameWays(i int32, seen []hop) bool {
	ways, _ := s.want.waysOf(i)
	for n := range ways {
		if !slices.ContainsFunc(seen, func(h hop) bool { return s.leads(&ways[n], &h) }) {
			return false
		}
	}
	return len(ways) == len(seen)
}

// leadsBeyond says that the ways of an IPv4 route begin with those of other, in this order, as far as the
// kernel compares them.
func (f *found) leadsBeyond(other *found) bool {
	ways := other.hops
	if !other.several {
		ways = []hop{other.hop}
	}
	if len(ways) > len(f.hops) {
		return false
	}
	for i := range ways {
		if !agrees(f.hops[i].gateway, ways[i].gateway) || !agrees(f.hops[i].link, ways[i].link) {
			return false
		}
	}
	return true
}

// right says that f is what is desired in its place, or one way of that.
func (s *survey) right(f *found, own bool) bool {
	want := &s.want.routes[f.at]
	switch {
	case f.object != s.objectOf(f.at) && (own || f.object != 0): // another's may do without
		return false
	case want.several && want.v6:
		return want.alike(&f.route) && s.findWay(f) >= 0
	case want.several:
		return want.alike(&f.route) && s.sameWays(f.at, f.hops)
	}
	return want.is(&f.route, s.linkOf(f.at))
}

// findWay gives the position in index.ways of the desired way that f is, or -1. A single IPv6 way does not
// show its weight.
func (s *survey) findWay(f *found) int {
	ways, at := s.want.waysOf(f.at)
	seen := f.hop
	for n := range ways {
		if f.single {
			seen.weight = ways[n].weight
		}
		if s.leads(&ways[n], &seen) {
			return at + n
		}
	}
	return -1
}

// standWay notes that one way of a desired IPv6 route is in place: the route is, once all are.
func (s *survey) standWay(f *found, how standing) {
	ways, at := s.want.waysOf(f.at)
	if n := s.findWay(f); s.ways[n] != ours {
		s.ways[n] = how
	}
	all := s.ways[at : at+len(ways)]
	switch {
	case slices.Contains(all, absent):
	case slices.Contains(all, theirs):
		s.stand(f.at, theirs)
	default:
		s.stand(f.at, ours)
	}
}

// asksFor says that a next hop is one that a desired IPv6 route in its place names.
func (s *survey) asksFor(f *found) bool {
	want := &s.want.routes[f.at]
	ways, _ := s.want.waysOf(f.at)
	if !want.several {
		ways = []hop{want.hop}
	}
	return slices.ContainsFunc(ways, func(h hop) bool {
		return h.gateway == f.gateway && h.encap == f.encap && (h.link == 0 || s.links[h.link].index == f.link)
	})
}

// noteWays enters each way of an IPv6 route: ways are several, or none if it is the one in r.
func noteWays(asked map[askedKey]route, r *route, ways []hop) {
	if !r.several {
		ways = []hop{r.hop}
	}
	for _, h := range ways {
		asked[askedKey{r.routeKey, h.gateway, h.encap, h.link}] = *r
	}
}

// partly says that some ways of a desired IPv6 route are in place, and ours.
func (s *survey) partly(i int32) bool {
	ways, at := s.want.waysOf(i)
	return slices.Contains(s.ways[at:at+len(ways)], ours)
}

// ownWays gives a desired IPv6 route with those of its ways that are ours.
func (s *survey) ownWays(i int32) Route {
	r := *s.want.route(i)
	_, at := s.want.waysOf(i)
	var own []NextHop
	for n, h := range r.NextHops {
		if s.ways[at+n] == ours {
			own = append(own, h)
		}
	}
	r.NextHops = own
	return r
}

// lacking gives the ways of a desired route that an update has to make: of an IPv6 one, those that are not
// there, and those in the place of olds.
func (s *survey) lacking(u *update) []hop {
	ways := s.resolved(u.at)
	if !s.want.routes[u.at].v6 {
		return ways
	}
	_, at := s.want.waysOf(u.at)
	var lack []hop
	for n := range ways {
		replaces := slices.ContainsFunc(u.olds, func(f found) bool { return f.right && s.findWay(&f) == at+n })
		if s.ways[at+n] == absent || replaces {
			lack = append(lack, ways[n])
		}
	}
	return lack
}
