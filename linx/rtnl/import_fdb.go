package rtnl

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// stations reads forwarding databases.
func (i *importer) stations(ctx context.Context) error {
	var all []seenNeighbor
	everywhere := make(map[neighborKey]neighbor) // entries without a VLAN, which are in each of the port's
	err := i.dumpNeighbors(ctx, neighborTable{fdb: true}, 0, func(n *seenNeighbor) {
		if n.learned() || i.automaticStation(n) {
			return
		}
		all = append(all, *n)
		if n.bridge != 0 && n.vlan == 0 {
			everywhere[n.neighborKey] = n.neighbor
		}
	})
	if err != nil {
		return err
	}
	said := make([]Neighbor, 0, len(all))
	for k := range all {
		n := &all[k]
		u := n.unpack(i.name)
		const shown = unix.NTF_SELF | unix.NTF_MASTER | ntfSticky | unix.NTF_OFFLOADED
		key := n.neighborKey
		key.vlan = 0
		of, copied := everywhere[key]
		switch copied = copied && n.vlan != 0; {
		case copied && n.like(&of):
		case copied:
			i.unsay(n.holder(i.name), "without a VLAN it is otherwise")
		case n.strange || n.flags&^shown != 0 || u.fault() != nil:
			i.unsay(n.holder(i.name), beyond)
		default:
			said = append(said, u)
		}
	}
	slices.SortFunc(said, func(a, b Neighbor) int { return strings.Compare(a.String(), b.String()) })
	i.state.Neighbors = append(i.state.Neighbors, said...)
	return nil
}

// automaticStation says that the kernel makes n by itself: for the addresses of a bridge's ports and of
// itself, and where a vxlan floods to from the beginning. Of what another device lets in it makes most, and
// keeps no difference.
func (i *importer) automaticStation(n *seenNeighbor) bool {
	f, known := i.forwarding[n.link]
	switch {
	case n.bridge != 0:
		return n.state == unix.NUD_PERMANENT && i.macs[n.station]
	case known && f.vxlan:
		return n.station == MAC{} && n.to.addr == f.remote
	}
	return true
}
