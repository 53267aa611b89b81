package rtnl

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/linx-go/linx-go/linx/reconcile"
)

// State is what is wanted in one network namespace. The zero State wants nothing, so that what is ours is
// removed.
//
// It is handed over: its slices must not be modified once a Source was given it. A Source knows a state
// again by its slices, the same memory and length, and then does not look at their elements a second time.
// To change what is wanted, make new slices.
//
// It marshals to JSON and back; unmarshalling refuses unknown fields.
//
// No two entries of a list have the same identity, which each type defines. Their order is no part of what is
// wanted. An empty list wants none of its kind.
type State struct {
	Links     []Link          `json:"links,omitempty"`     // interfaces, to be made or adjusted
	Addresses []Address       `json:"addresses,omitempty"` // of interfaces
	Neighbors []Neighbor      `json:"neighbors,omitempty"` // and entries of forwarding databases
	Nexthops  []NexthopObject `json:"nexthops,omitempty"`  // nexthop objects, which IPv4 routes may follow
	Routes    []Route         `json:"routes,omitempty"`
	Rules     []Rule          `json:"rules,omitempty"` // which say what table a packet is routed by
}

// UnmarshalJSON refuses unknown fields: a misspelt one would be a setting silently not made.
func (s *State) UnmarshalJSON(data []byte) error {
	type plain State // without this method
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var p plain
	if err := d.Decode(&p); err != nil {
		return fmt.Errorf("rtnl: state: %w", err)
	}
	*s = State(p)
	return nil
}

// What ops do here.
const (
	Create reconcile.Verb = "create" // a new object
	Update reconcile.Verb = "update" // ours made what is wanted; under Adopt and TakeOver, another's made ours
	Delete reconcile.Verb = "delete" // ours removed
)

// The types of package reconcile, with what a Source of this package owns.
type (
	Config = reconcile.Config[LastApplied]
	Report = reconcile.Report[LastApplied]
	Loop   = reconcile.Loop[State, LastApplied]
)

// same says whether b is a again: the same slices.
func same(a, b *State) bool {
	return sameSlice(a.Links, b.Links) && sameSlice(a.Addresses, b.Addresses) && sameSlice(a.Neighbors, b.Neighbors) &&
		sameSlice(a.Nexthops, b.Nexthops) && sameSlice(a.Routes, b.Routes) && sameSlice(a.Rules, b.Rules)
}

func sameSlice[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
