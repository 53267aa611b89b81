package rtnl

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/linx-go/linx-go/linx"
)

// LastApplied is what a Source owns in one network namespace, or has claimed: a record to hand from pass to
// pass, and from process to process, as JSON. The zero value owns nothing. In another namespace than the
// one it was made in, by linx.ID, it counts as empty.
//
// It complements what the kernel remembers. A route, nexthop object or rule is ours if its protocol is
// Options.Protocol, whatever this says; so is an address with that IFA_PROTO where the kernel has it (Linux
// 5.18). An address without is ours only by this record, on the interface of that name and index, and never
// by a mere claim. A neighbour is ours by both: NDA_PROTOCOL, and a record on that interface; by a claim if
// it is just as claimed. An entry of a forwarding database, which has no protocol, is ours if it is just as
// recorded, and never by a mere claim. An interface is ours if it has the index and kind of a record, or of a
// claim: the index is one of our choice.
//
// Of an interface that was adjusted it has what each attribute was, and what it was made: a value is given
// back only in place of that.
type LastApplied struct {
	namespace linx.ID
	addresses []ownedAddress
	routes    routeList
	claims    []Route // claimed, not confirmed
	rules     []ownedRule
	neighbors []ownedNeighbor
	links     []ownedLink
	adjusted  []adjustment
}

// ownedAddress is one that we made.
type ownedAddress struct {
	Address
	Index   int32 `json:"index"`            // of the interface
	Tagged  bool  `json:"tagged,omitempty"` // the kernel showed our IFA_PROTO on it: one without is not it
	Claimed bool  `json:"claimed,omitempty"`
}

// ownedRoute is how a route appears in JSON.
type ownedRoute struct {
	Route
	Claimed bool `json:"claimed,omitempty"`
}

// ownedRule is one that we made.
type ownedRule struct {
	Rule
	Claimed bool `json:"claimed,omitempty"`
}

// ownedNeighbor is one that we made.
type ownedNeighbor struct {
	Neighbor
	Index   int32 `json:"index"`         // of the interface
	Via     int32 `json:"via,omitempty"` // that of FDB.Via
	Claimed bool  `json:"claimed,omitempty"`
}

type ledger struct {
	Namespace linx.ID         `json:"namespace,omitempty"`
	Links     []ownedLink     `json:"links,omitempty"`
	Adjusted  []adjustment    `json:"adjusted,omitempty"`
	Addresses []ownedAddress  `json:"addresses,omitempty"`
	Neighbors []ownedNeighbor `json:"neighbors,omitempty"`
	Routes    []ownedRoute    `json:"routes,omitempty"`
	Rules     []ownedRule     `json:"rules,omitempty"`
}

// MarshalJSON gives an object with the namespace's ID and what is owned there; a "claimed" entry was about
// to be made and not seen since.
func (l LastApplied) MarshalJSON() ([]byte, error) {
	out := ledger{Namespace: l.namespace, Links: l.links, Adjusted: l.adjusted, Addresses: l.addresses, Rules: l.rules, Neighbors: l.neighbors}
	out.Routes = make([]ownedRoute, 0, l.routes.len()+len(l.claims))
	for r := range l.routes.each() {
		out.Routes = append(out.Routes, ownedRoute{Route: *r})
	}
	for _, r := range l.claims {
		out.Routes = append(out.Routes, ownedRoute{Route: r, Claimed: true})
	}
	return json.Marshal(out)
}

// UnmarshalJSON takes what MarshalJSON gave. An entry that could not be desired is refused.
func (l *LastApplied) UnmarshalJSON(data []byte) error {
	var in ledger
	if err := json.Unmarshal(data, &in); err != nil {
		return fmt.Errorf("rtnl: last applied: %w", err)
	}
	out := LastApplied{namespace: in.Namespace, links: in.Links, adjusted: in.Adjusted,
		addresses: in.Addresses, rules: in.Rules, neighbors: in.Neighbors}
	err := cmp.Or(
		entryFault("links", in.Links, (*ownedLink).fault),
		entryFault("adjusted", in.Adjusted, (*adjustment).fault),
		entryFault("addresses", in.Addresses, (*ownedAddress).fault),
		entryFault("neighbors", in.Neighbors, (*ownedNeighbor).fault),
		entryFault("rules", in.Rules, (*ownedRule).fault),
		entryFault("routes", in.Routes, (*ownedRoute).fault))
	if err != nil {
		return err
	}
	for i := range in.Routes {
		if in.Routes[i].Claimed {
			out.claims = append(out.claims, in.Routes[i].Route)
		} else {
			out.routes.all = append(out.routes.all, in.Routes[i].Route)
		}
	}
	*l = out
	return nil
}

// entryFault names the first entry of a list that is wrong.
func entryFault[T any](list string, entries []T, fault func(*T) error) error {
	for i := range entries {
		if err := fault(&entries[i]); err != nil {
			return fmt.Errorf("rtnl: last applied: %s[%d]: %w", list, i, err)
		}
	}
	return nil
}

// in gives what of l holds in a namespace: all of it or nothing.
func (l LastApplied) in(namespace linx.ID) LastApplied {
	if l.namespace != namespace {
		return LastApplied{namespace: namespace}
	}
	return l
}

// leftRoutes calls f for each route that was asked for and is not among the desired ones as it was then.
// That costs nothing for those that are of the desired list itself.
func (l *LastApplied) leftRoutes(x *index, f func(*Route)) {
	routes := l.routes
	if sameSlice(routes.all, x.state.Routes) {
		routes = routeList{all: routes.more}
	}
	claims := routeList{all: l.claims}
	if sameSlice(l.claims, x.state.Routes) {
		claims = routeList{}
	}
	for _, list := range []routeList{routes, claims} {
		for r := range list.each() {
			if _, desired := x.placeOfRoute(r); !desired {
				f(r)
			}
		}
	}
}
