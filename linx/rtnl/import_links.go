package rtnl

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// links reads the interfaces, whose names cannot be asked for in the middle of a dump.
func (i *importer) links(ctx context.Context) error {
	i.single, i.forwarding, i.macs = make(map[int32]bool), make(map[int32]forwarding), make(map[MAC]bool)
	var bodies [][]byte
	askLinks(&i.batch)
	err := i.conn.Dump(ctx, &i.batch, func(_ uint16, body []byte) error {
		if name, l, ok := decodeLink(body); ok {
			i.names[l.index] = string(name)
			i.single[l.index] = l.single || native.Uint32(body[8:])&unix.IFF_NOARP != 0
			i.forwarding[l.index], i.macs[l.mac] = l.forwarding, true
			bodies = append(bodies, slices.Clone(body))
		}
		return nil
	})
	if err != nil {
		return i.explain("reading interfaces", err)
	}
	all := make([]seenLink, len(bodies))
	for n, body := range bodies {
		all[n] = decodeLinkFully(body, i.name)
	}
	slices.SortFunc(all, func(a, b seenLink) int { return strings.Compare(a.Name, b.Name) })
	named, ports := make(map[string]*seenLink, len(all)), make(map[string][]*seenLink) // by master
	for n := range all {
		l := &all[n]
		named[l.Name], ports[l.Master] = l, append(ports[l.Master], l)
	}
	made := make(map[string]bool) // by another's Veth.Peer
	for n := range all {
		l := &all[n]
		u := l.asConfigured(named[l.madeOf()], ports[l.Name])
		switch {
		case l.Kind == KindVeth && made[l.Name]:
			u.Kind, u.Veth = "", Veth{}
		case l.apart, l.kernelMade(), l.Kind == "":
			if u = u.adjusted(); !u.asks() {
				continue
			}
		case u.fault() != nil:
			i.unsay(described("link "+u.Name+" type "+string(u.Kind)), beyond)
			continue
		case u.Kind == KindVeth:
			made[u.Veth.Peer] = true
		}
		i.state.Links = append(i.state.Links, u)
	}
	return nil
}

// kernelMade says that the kernel makes the interface by itself, once it knows its kind.
func (l *seenLink) kernelMade() bool {
	switch l.Name {
	case "tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0":
		return true
	}
	return false
}

// asConfigured gives l without what the kernel fills in by itself, as far as that can be told: by what it is
// made of (nil: nothing) and by its ports.
func (l *seenLink) asConfigured(below *seenLink, ports []*seenLink) Link {
	u := l.Link
	if u.Master == NoMaster {
		u.Master = ""
	}
	if u.Admin == Down {
		u.Admin = 0
	}
	if u.TxQueueLen == usualQueue(l) {
		u.TxQueueLen = 0
	}
	usual := uint32(1500)
	switch {
	case u.Kind == KindVRF:
		usual = 65575 // IP6_MAX_MTU
	case u.Name == "lo":
		usual = 65536
	}
	takes := func(from *seenLink) {
		if from.Address == l.Address {
			u.Address = MAC{}
		}
	}
	for _, port := range ports {
		if u.Kind == KindBridge {
			usual = min(usual, port.MTU)
		}
		if u.Kind == KindBridge || u.Kind == KindBond {
			takes(port)
		}
	}
	if below != nil {
		usual = below.MTU
		takes(below)
	}
	if u.MTU == usual {
		u.MTU = 0
	}
	return u
}

// usualQueue is the TxQueueLen that the kernel begins with.
func usualQueue(l *seenLink) uint32 {
	switch {
	case l.Kind == KindIFB:
		return 32 // TX_Q_LIMIT
	case l.Kind == KindTun && l.Address == MAC{}:
		return 500 // TUN_READQ_SIZE
	}
	return 1000 // DEFAULT_TX_QUEUE_LEN
}

// madeOf gives the name of the interface that l is made of; "": of none.
func (l *Link) madeOf() string {
	for _, s := range l.Kind.of().in(l) {
		if d, ok := s.value.(device); ok && s.attr == lower {
			return *d.at
		}
	}
	return ""
}

// adjusted gives what can be said of an interface that is not made here.
func (l *Link) adjusted() Link {
	return Link{
		Name: l.Name, MTU: l.MTU, Admin: l.Admin, Master: l.Master, Alias: l.Alias, TxQueueLen: l.TxQueueLen,
		Group: l.Group, AltNames: l.AltNames, Port: l.Port,
	}
}

// asks says that l asks for something.
func (l *Link) asks() bool {
	if len(l.AltNames) > 0 || l.Port != (BridgePort{}) {
		return true
	}
	return slices.ContainsFunc(linkAttributes[:], func(a linkAttribute) bool { return a.value(l) != "" })
}
