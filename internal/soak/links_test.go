package soak

import (
	"fmt"
	"math/rand/v2"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx/rtnl"
)

// What the loops want of interfaces: each one of its own, and main also adjusts v0, which is others'.
const defaultMTU = 1500

func drawLinks(r *rand.Rand, name, adjusted string) (list []rtnl.Link) {
	if r.IntN(4) != 0 {
		list = append(list, rtnl.Link{
			Name: name, Kind: rtnl.KindVeth, Veth: rtnl.Veth{Peer: name + "p"},
			MTU: uint32(1400 + 10*r.IntN(3)), Admin: []rtnl.AdminState{rtnl.Up, rtnl.Down}[r.IntN(2)],
		})
	}
	if adjusted != "" && r.IntN(2) == 0 {
		list = append(list, rtnl.Link{Name: adjusted, MTU: uint32(1400 + 10*r.IntN(3))})
	}
	return list
}

// linkDeleted deletes an interface of ours, or takes it down, if it is there.
func linkDeleted(r *rand.Rand) step {
	n, name, whole := r.IntN(places), []string{mainLink, sideLink}[r.IntN(2)], r.IntN(2) == 0
	return step{"our link deleted", fmt.Sprintf("place %d: %s deleted (%v) or taken down", n, name, whole), func(w *world) {
		k := w.places[n].Netlink()
		link, err := k.LinkByName(name)
		switch {
		case err != nil:
		case whole:
			_ = k.LinkDel(link)
		default:
			_ = k.LinkSetDown(link)
		}
	}}
}

const mainLink, sideLink = "m0", "s0"

func linkLine(name string, mtu int, up bool) string {
	return fmt.Sprintf("link %s mtu %d up %v", name, mtu, up)
}

// linkLines is what the witness shows where a state holds, which may adjust an interface.
func linkLines(s rtnl.State, adjustable string) (lines []string) {
	mtu := defaultMTU
	for _, l := range s.Links {
		if l.Kind == "" {
			mtu = int(l.MTU)
		} else {
			lines = append(lines, linkLine(l.Name, int(l.MTU), l.Admin == rtnl.Up))
		}
	}
	if adjustable != "" {
		lines = append(lines, linkLine(adjustable, mtu, true))
	}
	return lines
}

func lookAtLink(l *netlink.LinkAttrs) (line string, matters bool) {
	switch l.Name {
	case mainLink, sideLink, "v0":
		return linkLine(l.Name, l.MTU, l.RawFlags&unix.IFF_UP != 0), true
	}
	return "", false
}
