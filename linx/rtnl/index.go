package rtnl

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	"github.com/linx-go/linx-go/linx"
)

// index is a desired state made ready for passes: checked, in the kernel's terms, and to be looked up by
// what the kernel shows. It is made once per state and never changes.
type index struct {
	state     State
	names     []string         // of interfaces; position 0 is nobody's
	positions map[string]int32 // in names
	addresses []address        // as state.Addresses
	address   map[addressKey]int32
	routes    []route          // in the order in which the kernel dumps them, so that it is met front to back
	from      []int32          // by position in routes: the position in state.Routes
	ways      []hop            // of routes that lead several, one after another,
	spans     map[int32][2]int // from where to where, by position in routes
	slots     []int32          // open addressing over routes: position + 1; a map would take five times the memory
	seed      maphash.Seed
	reach     [2]reach         // of IPv4 and IPv6 routes
	count     [2]int           // of them
	nexthops  []nexthop        // as state.Nexthops
	nexthop   map[uint32]int32 // by id
	follows   bool             // some routes name an object
	rules     []rule           // as state.Rules
	rule      map[rule]int32
	ruled     [2]bool // there are IPv4, IPv6 rules

	link      map[string]int32        // by name: the position in state.Links
	linkOrder []int32                 // state.Links, each behind what it needs
	peer      map[string]int32        // by name: the veth that makes it as its other end
	farPeers  map[linx.Namespace]bool // where else veths have their other ends

	neighbors      []neighbor // as state.Neighbors
	neighbor       map[neighborKey]int32
	neighborTables map[neighborTable]bool // that they are in
}

// reach is where the routes of one family are.
type reach struct {
	any   bool
	table uint32 // 0: in more than one
}

func (r *reach) add(table uint32) {
	if r.any && r.table != table {
		table = 0
	}
	*r = reach{any: true, table: table}
}

// both is what covers r and other.
func (r reach) both(other reach) reach {
	switch {
	case !r.any:
		return other
	case other.any && other.table != r.table:
		r.table = 0
	}
	return r
}

func which(v6 bool) int {
	if v6 {
		return 1
	}
	return 0
}

// newIndex checks state. The error names the entries that are wrong, of which it lists the first few.
func newIndex(state State) (*index, error) {
	var wrong faults
	addFaults(&wrong, "links", state.Links, (*Link).fault)
	addFaults(&wrong, "addresses", state.Addresses, (*Address).fault)
	addFaults(&wrong, "neighbors", state.Neighbors, (*Neighbor).fault)
	addFaults(&wrong, "routes", state.Routes, (*Route).fault)
	addFaults(&wrong, "nexthops", state.Nexthops, (*NexthopObject).fault)
	addFaults(&wrong, "rules", state.Rules, (*Rule).fault)
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	x := &index{
		state:     state,
		names:     []string{""},
		positions: make(map[string]int32),
		addresses: make([]address, len(state.Addresses)),
		address:   make(map[addressKey]int32, len(state.Addresses)),
		routes:    make([]route, len(state.Routes)),
		from:      make([]int32, len(state.Routes)),
		slots:     make([]int32, slotsFor(len(state.Routes))),
		seed:      maphash.MakeSeed(),
	}
	x.addLinks(&wrong)
	for i := range x.addresses {
		wrong.add("addresses", i, x.addAddress(int32(i)))
	}
	x.sortRoutes()
	for i := range x.routes {
		wrong.add("routes", int(x.from[i]), x.addRoute(int32(i)))
	}
	x.addNexthops(&wrong)
	x.addNeighbors(&wrong)
	x.addRules(&wrong)
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return x, nil
}

// faults are what is wrong with a state: few enough to be read.
type faults []error

const maximumFaults = 10

func (f *faults) add(list string, i int, err error) {
	if err != nil && len(*f) < maximumFaults {
		*f = append(*f, fmt.Errorf("rtnl: %s[%d]: %w", list, i, err))
	}
}

// addFaults adds what is wrong with each entry of a list by itself.
func addFaults[T any](wrong *faults, list string, entries []T, fault func(*T) error) {
	for i := range entries {
		wrong.add(list, i, fault(&entries[i]))
	}
}

func (x *index) addAddress(i int32) error {
	a := &x.state.Addresses[i]
	x.addresses[i] = packAddress(a, x.position(a.Interface))
	key := x.addresses[i].key()
	if j, ok := x.address[key]; ok {
		return fmt.Errorf("%v: addresses[%d] is the same one, %v; an interface has an address once", a, j, x.state.Addresses[j])
	}
	x.address[key] = i
	return nil
}

// sortRoutes fills in routes and from, in the order of dumps.
func (x *index) sortRoutes() {
	state := x.state.Routes
	packed := make([]route, len(state))
	for i := range state {
		packed[i] = packRoute(&state[i], x.position(state[i].way().Interface))
		x.from[i] = int32(i)
	}
	inOrder := func(i, j int32) int { return dumpOrder(&packed[i].routeKey, &packed[j].routeKey) }
	if slices.IsSortedFunc(x.from, inOrder) {
		x.routes = packed
		return
	}
	slices.SortStableFunc(x.from, inOrder)
	for i, from := range x.from {
		x.routes[i] = packed[from]
	}
}

// dumpOrder is about how the kernel goes through its tables. What it does otherwise costs time and no more.
func dumpOrder(a, b *routeKey) int {
	lengths := int(b.bits) - int(a.bits) // IPv4: the longer first
	if a.v6 {
		lengths = -lengths
	}
	return cmp.Or(
		which(a.v6)-which(b.v6),
		cmp.Compare(a.table, b.table),
		bytes.Compare(a.dst[:], b.dst[:]),
		lengths,
		cmp.Compare(a.metric, b.metric),
		int(a.tos)-int(b.tos),
	)
}

// route gives the desired route at a position in routes.
func (x *index) route(i int32) *Route { return &x.state.Routes[x.from[i]] }

func (x *index) addRoute(i int32) error {
	p := &x.routes[i]
	j, slot := x.findRoute(&p.routeKey)
	if j >= 0 {
		return fmt.Errorf("%v: routes[%d] has the same identity, %v; one of them needs another metric, TOS or table%s",
			x.route(i), x.from[j], x.route(j), defaultMetricHint(p))
	}
	x.slots[slot] = i + 1
	x.addWays(i)
	x.reach[which(p.v6)].add(p.table)
	x.count[which(p.v6)]++
	return nil
}

func defaultMetricHint(r *route) string {
	if r.v6 && r.metric == ipv6Metric {
		return " (for IPv6, metric 0 means 1024)"
	}
	return ""
}

// position interns the name of an interface; the empty one is 0.
func (x *index) position(name string) int32 {
	if name == "" {
		return 0
	}
	p, ok := x.positions[name]
	if !ok {
		p = int32(len(x.names))
		x.names = append(x.names, name)
		x.positions[name] = p
	}
	return p
}

// known gives the position of a name, -1 if it is not among them.
func (x *index) known(name string) int32 {
	p, ok := x.positions[name]
	if !ok && name != "" {
		return -1
	}
	return p
}

// slotsFor is a power of two that leaves at least a third of the slots free.
func slotsFor(n int) int {
	size := 8
	for size*2 < n*3 {
		size *= 2
	}
	return size
}

// findRoute gives the position of the desired route with that identity, or -1 and the slot where it would go.
func (x *index) findRoute(key *routeKey) (position int32, slot int) {
	mask := uint64(len(x.slots) - 1)
	for h := maphash.Comparable(x.seed, *key); ; h++ {
		i := x.slots[h&mask] - 1
		if i < 0 || x.routes[i].routeKey == *key {
			return i, int(h & mask)
		}
	}
}
