package rtnl

import (
	"slices"
	"unique"
)

// survey is what one observation has found so far, measured against the desired state object by object as it
// streams in. It asks the kernel nothing. Its memory is used again by the next one.
type survey struct {
	want     *index
	last     *LastApplied
	protocol uint8
	untagged bool // as if the kernel kept no IFA_PROTO

	links []link          // by position in want.names
	at    map[int32]int32 // from an interface's index to that position

	seen   []address                           // all addresses
	places []occupant                          // by desired address
	tags   bool                                // an address had an IFA_PROTO once: this kernel keeps them
	record func(*address) (ownedAddress, bool) // what LastApplied says of an observed address

	nexthops   nexthops         // automatic ones
	objects    []nexthop        // by desired object: what there is under its id, if anything
	oldObjects []nexthop        // ours, not desired
	unready    map[uint32]error // desired ones that cannot be used
	used       map[uint32]error // ones that are left alone in this pass, and why

	routes  []standing         // by desired route
	next    int32              // position of the desired route that is likely to be seen next
	ways    []standing         // by position in want.ways; of IPv6 routes alone
	missing [2]int             // desired routes not in place, by family
	extra   []found            // ours, in the place of a desired one, but not as desired
	left    []found            // ours, not desired
	unsure  []found            // not desired, and perhaps ours
	theirs  []found            // another's, in the place of a desired one; not complete unless read unfiltered
	asked   map[askedKey]route // of LastApplied
	made    map[askedKey]route // of this pass: IPv6 updates
	alien   map[route]struct{} // merged next hops that turned out to be of another protocol than they showed
	reread  bool               // the routes that come now are all there are, after ours alone

	neighbors       []seenNeighbor           // by desired neighbour
	oldNeighbors    []seenNeighbor           // ours, not desired
	neighborRecords                          // what LastApplied has
	madeNeighbors   map[neighborKey]neighbor // made or changed in this pass
	lostNeighbors   map[neighbor]struct{}    // deleted in this pass: one just like it is another's
	stations                                 // those of forwarding databases

	linkSurvey

	rules     []bool // by desired rule: it is in place
	oldRules  []rule // ours, not desired, or there before
	anonymous bool   // this kernel does not keep the protocols of rules
}

// standing is what is known of a desired route.
type standing uint8

const (
	absent standing = iota
	ours            // in place
	theirs          // in place, but another's, at least in part
)

// found is an observed route.
type found struct {
	route
	hops   []hop // all next hops, where IPv4 has several
	at     int32 // position of the desired route whose place it has, or -1
	single bool  // an IPv6 next hop that is in no group
	merged bool  // an IPv6 next hop of a group: the protocol is that of the group's first, and may not be its own
	doubt  bool  // merged, under a first one of ours, and LastApplied does not name it: the kernel will tell
	right  bool  // it is what is desired
}

// askedKey tells next hops of one route apart, as far as LastApplied can.
type askedKey struct {
	routeKey
	gateway ip
	encap   unique.Handle[encap]
	link    int32 // 0: not named, or of an interface that is not known any more
}

func (s *survey) reset() {
	s.links = zeroed(s.links, len(s.want.names))
	if s.at == nil {
		s.at = make(map[int32]int32)
	}
	clear(s.at)
	s.seen = s.seen[:0]
	s.places = zeroed(s.places, len(s.want.addresses))
	s.routes = zeroed(s.routes, len(s.want.routes))
	s.ways = zeroed(s.ways, len(s.want.ways))
	s.extra, s.left, s.unsure, s.theirs, s.asked = nil, nil, nil, nil, nil
	s.nexthops.reset()
	s.objects, s.oldObjects = zeroed(s.objects, len(s.want.nexthops)), nil
	s.next, s.missing, s.reread = 0, s.want.count, false
	s.neighbors, s.oldNeighbors = zeroed(s.neighbors, len(s.want.neighbors)), nil
	s.rules, s.oldRules, s.anonymous = zeroed(s.rules, len(s.want.rules)), nil, false
}

// leansOnOthers says that a desired route is in place only as another's.
func (s *survey) leansOnOthers() bool { return slices.Contains(s.routes, theirs) }

func zeroed[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}

func (s *survey) seeLink(name []byte, l link) {
	if p, ok := s.want.positions[string(name)]; ok {
		s.links[p] = l
		s.at[l.index] = p
	}
}

// linkOf gives the index of a desired route's interface: 0 if it has none, -1 if it does not exist.
func (s *survey) linkOf(i int32) int32 {
	position := s.want.routes[i].link
	if position == 0 {
		return 0
	}
	if index := s.links[position].index; index != 0 {
		return index
	}
	return -1
}

// wanted gives a desired route with its interface's index for link.
func (s *survey) wanted(i int32) route {
	r := s.want.routes[i]
	r.link, r.object = s.linkOf(i), s.objectOf(i)
	return r
}

// seeRoute takes r, and all its next hops if it has several. hops is not kept.
func (s *survey) seeRoute(r *route, hops []hop) {
	if r.object != 0 {
		s.resolve(r)
	}
	i := s.locate(&r.routeKey)
	own := r.protocol == s.protocol && !r.strange
	if i >= 0 && own && len(hops) == 0 && r.object == s.objectOf(i) && s.want.routes[i].is(r, s.linkOf(i)) {
		s.stand(i, ours) // as nearly always
		return
	}
	merged := r.v6 && len(hops) > 0
	if i < 0 && (own && s.reread || !own && !merged) {
		return // seen before, or nobody's concern
	}
	if !merged {
		f := found{route: *r, at: i, single: r.v6, hops: hops}
		s.see(&f, own)
		return
	}
	// IPv6 has a route for each next hop and merges them, whoever's they are, once their metrics agree.
	for n, h := range hops {
		f := found{route: *r, at: i, merged: n > 0 || !own}
		f.hop = h
		mine := own
		if f.merged {
			_, alien := s.alien[f.hopOnly()]
			asked, ok := s.askedFor(&f)
			mine = !alien && !r.strange && (own && !f.hasTwin(hops) || ok)
			f.doubt = mine && !ok
			if mine && ok && n > 0 {
				f.detail = asked.detail // the kernel shows the first one's alone
			}
		}
		if mine {
			f.protocol = s.protocol
		}
		if i >= 0 || mine {
			s.see(&f, mine)
		}
	}
}

// hasTwin says that another next hop differs from f in its encapsulation alone. IPv6 does not look at that
// when it deletes: of such two it takes the first.
func (f *found) hasTwin(hops []hop) bool {
	twins := 0
	for i := range hops {
		if hops[i].gateway == f.gateway && hops[i].link == f.link {
			twins++
		}
	}
	return twins > 1
}

// locate gives the position of the desired route with that identity, or -1. It is mostly the one after the
// last.
func (s *survey) locate(key *routeKey) int32 {
	i := s.next
	if int(i) >= len(s.want.routes) || s.want.routes[i].routeKey != *key {
		if i, _ = s.want.findRoute(key); i < 0 {
			return i
		}
	}
	s.next = i + 1
	return i
}

// stand notes that a desired route is in place.
func (s *survey) stand(i int32, how standing) {
	if s.routes[i] == absent {
		s.missing[which(s.want.routes[i].v6)]--
	}
	if s.routes[i] != ours {
		s.routes[i] = how
	}
}

func (s *survey) see(f *found, own bool) {
	if own && f.object != 0 {
		s.nexthops.lead(f.object, s.destined(f.at))
	}
	if f.at < 0 {
		if f.doubt {
			s.unsure = append(s.unsure, f.kept())
		} else {
			s.left = append(s.left, f.kept())
		}
		return
	}
	f.right = s.right(f, own)
	how := theirs
	if own {
		how = ours
	}
	switch {
	case f.right:
		if want := &s.want.routes[f.at]; want.v6 && want.several {
			s.standWay(f, how)
		} else {
			s.stand(f.at, how)
		}
		if !own {
			s.theirs = append(s.theirs, f.kept())
		}
	case f.doubt: // a foreign one does no harm to ours, nor does the attempt to delete it
		s.unsure = append(s.unsure, f.kept())
		s.theirs = append(s.theirs, f.kept())
	case own:
		s.extra = append(s.extra, f.kept())
	default:
		s.theirs = append(s.theirs, f.kept())
	}
}

// kept is f with hops of its own.
func (f *found) kept() found {
	k := *f
	k.hops = slices.Clone(f.hops)
	return k
}

// hopOnly is f without the protocol, of which one cannot be sure.
func (f *found) hopOnly() route {
	r := f.route
	r.protocol = 0
	return r
}

// askedFor gives the route that a merged next hop is of, if LastApplied names it or this pass has made it.
func (s *survey) askedFor(f *found) (route, bool) {
	if r, ok := lookUp(s.made, f); ok {
		return r, true
	}
	if s.last.routes.only(s.want.state.Routes) && len(s.last.claims) == 0 {
		if f.at < 0 || !s.last.routes.has(s.want.from[f.at]) {
			return route{}, false
		}
		return s.want.routes[f.at], s.asksFor(f)
	}
	if s.asked == nil {
		s.asked = make(map[askedKey]route)
		for _, list := range []routeList{{all: s.last.claims}, s.last.routes} { // what is confirmed counts
			for r := range list.each() {
				packed := packRoute(r, s.linkNamed(r.way().Interface))
				if packed.v6 {
					noteWays(s.asked, &packed, packHops(r, s.linkNamed))
				}
			}
		}
	}
	return lookUp(s.asked, f)
}

// lookUp prefers the route that names the interface.
func lookUp(asked map[askedKey]route, f *found) (r route, ok bool) {
	key := askedKey{f.routeKey, f.gateway, f.encap, f.link}
	if r, ok = asked[key]; !ok {
		key.link = 0
		r, ok = asked[key]
	}
	return r, ok
}

// linkNamed gives the index of an interface, 0 if the desired state does not name it.
func (s *survey) linkNamed(name string) int32 {
	if p, ok := s.want.positions[name]; ok {
		return s.links[p].index
	}
	return 0
}
