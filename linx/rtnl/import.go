package rtnl

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// Observe gives what the namespace has been configured to be, by whomever, as a State: to begin with, edit
// and hand over, or to put into another namespace. What the kernel makes by itself is not in it, as the
// kernel will make it again: what is of protocol kernel, redirect or ra, the addresses of lo, link-local and
// temporary addresses that were made of prefixes, learned neighbours, a bridge's entries for its ports. The
// order is the same each time, and one in which a namespace that is made so lists them alike.
//
// An interface that cannot be made here is in it as one to be adjusted: hardware, and what leads to another
// namespace. Of a pair of veths, the first by name makes the other. Whether somebody asked for a link-layer
// address does not show: all are in it but those of hardware, and what is taken from an interface below. A
// TxQueueLen of 0 cannot be asked for.
//
// A State cannot say all that can be configured. An object that it cannot say in full is not in it but in
// unsaid, in words, and so is a rule that the kernel once made and somebody deleted. What is no object here
// is not looked at: settings of interfaces that Link lacks, sysctls, queueing, other families' routes.
//
// Handed over where it was observed, it makes nothing ours but under Adopt, except that rules are made once
// more beside others'. Observing changes nothing, and what the source does for the state in use stays as it
// is. Like every dump of IPv6 routes, one taken while others change them may lack some.
func (s *Source) Observe(ctx context.Context) (state State, unsaid []string, err error) {
	p, release, err := s.begin(ctx, State{}, LastApplied{}, s.rehearse)
	if err != nil {
		return State{}, nil, err
	}
	defer release()
	var i importer
	err = p.undisturbed(func() error {
		clear(p.names)
		i = importer{pass: p}
		return i.read(ctx)
	})
	if err != nil {
		s.disconnect()
		return State{}, nil, err
	}
	return i.state, i.unsaid, nil
}

// importer is one attempt to observe all that is configured.
type importer struct {
	*pass
	state  State
	unsaid []string
	single map[int32]bool // interfaces on which the kernel makes neighbours of its own

	objects map[uint32]bool // nexthop objects that are in state

	forwarding map[int32]forwarding // of interfaces
	macs       map[MAC]bool         // that interfaces have
}

func (i *importer) read(ctx context.Context) error {
	for _, read := range []func(context.Context) error{i.links, i.addresses, i.neighbors, i.stations, i.nexthops, i.routes, i.rules} {
		if err := read(ctx); err != nil {
			return err
		}
	}
	return nil
}

// unsay notes an object that a State cannot say.
func (i *importer) unsay(object fmt.Stringer, why string) {
	i.unsaid = append(i.unsaid, object.String()+": "+why)
}

const beyond = "it has attributes that a State cannot say"

func (i *importer) addresses(ctx context.Context) error {
	var seen [2][]address // by family
	tags := false
	askAddresses(&i.batch, 0)
	err := i.conn.Dump(ctx, &i.batch, func(_ uint16, body []byte) error {
		var a address
		if decodeAddress(body, &a) {
			seen[which(a.v6)] = append(seen[which(a.v6)], a)
			tags = tags || a.protocol != 0
		}
		return nil
	})
	if err != nil {
		return i.explain("reading addresses", err)
	}
	slices.Reverse(seen[1]) // of one scope, the kernel lists the newest first; of IPv4 ones the oldest
	all := slices.Concat(seen[0], seen[1])
	slices.SortStableFunc(all, func(a, b address) int { return cmp.Compare(i.name(a.link), i.name(b.link)) })
	for n := range all {
		a := &all[n]
		name := i.name(a.link)
		if a.automatic(tags, name) {
			continue
		}
		u := a.unpack(name)
		const shown = passing | settable | unix.IFA_F_OPTIMISTIC | unix.IFA_F_STABLE_PRIVACY
		if a.flags&^shown != 0 || !a.v6 && a.scope != packAddress(&u, a.link).scope || u.fault() != nil {
			i.unsay(u, beyond)
			continue
		}
		i.state.Addresses = append(i.state.Addresses, u)
	}
	return nil
}

// automatic says that the kernel makes a by itself. tags says whether this kernel would mark it then.
func (a *address) automatic(tags bool, link string) bool {
	const loopback, advertised, linkLocal = 1, 2, 3 // IFAPROT_KERNEL_LO, RA and LL
	switch a.protocol {
	case loopback, advertised, linkLocal:
		return true
	}
	switch prefix := a.local.prefix(a.v6, a.bits); {
	case a.v6 && a.is(unix.IFA_F_TEMPORARY): // IFA_F_SECONDARY of IPv4
		return true
	case link == "lo":
		return prefix == loopback4 || prefix == loopback6
	default:
		return !tags && prefix.Bits() == 64 && prefix.Addr().IsLinkLocalUnicast()
	}
}

var (
	loopback4 = netip.MustParsePrefix("127.0.0.1/8")
	loopback6 = netip.MustParsePrefix("::1/128")
)

func (i *importer) neighbors(ctx context.Context) error {
	var all []seenNeighbor
	for _, t := range neighborTables {
		if t.fdb {
			continue
		}
		if err := i.dumpNeighbors(ctx, t, 0, func(n *seenNeighbor) { all = append(all, *n) }); err != nil {
			return err
		}
	}
	slices.SortFunc(all, func(a, b seenNeighbor) int { // the kernel's order is that of a hash
		return cmp.Or(cmp.Compare(i.name(a.link), i.name(b.link)), which(a.v6)-which(b.v6), bytes.Compare(a.dst[:], b.dst[:]))
	})
	for n := range all {
		n := &all[n]
		if n.learned() || n.automatic(i.single[n.link]) {
			continue
		}
		const shown = unix.NTF_PROXY | unix.NTF_OFFLOADED
		u := n.unpack(i.name)
		if n.strange || n.managed || n.flags&^shown != 0 || u.fault() != nil {
			i.unsay(n.holder(i.name), beyond)
			continue
		}
		i.state.Neighbors = append(i.state.Neighbors, u)
	}
	return nil
}

// automatic says that the kernel makes n by itself, as it does of what takes no link-layer address to reach:
// groups of hosts, and those on a single interface.
func (n *seenNeighbor) automatic(single bool) bool {
	return !n.proxy && n.protocol == 0 && n.state&unix.NUD_NOARP != 0 && (single || n.group)
}

func (i *importer) routes(ctx context.Context) error {
	var all []importedRoute
	for _, v6 := range []bool{false, true} {
		askRoutes(&i.batch, v6, 0, 0)
		err := i.conn.Dump(ctx, &i.batch, func(_ uint16, body []byte) error {
			if r, ok := i.importRoute(body); ok && r.v6 == v6 {
				all = append(all, r)
			}
			return nil
		})
		if err != nil {
			return i.explain("reading "+familyName(v6)+" routes", err)
		}
	}
	slices.SortStableFunc(all, func(a, b importedRoute) int { return dumpOrder(&a.routeKey, &b.routeKey) })
	i.state.Routes = slices.Grow(i.state.Routes, len(all)) // nil where there are none
	var before *routeKey
	for n := range all {
		r := &all[n]
		u := r.describe(i.name)
		if r.apart {
			i.unsay(u, "it is for packets from certain addresses alone")
			continue
		}
		hidden := before != nil && *before == r.routeKey
		before = &r.routeKey
		switch {
		case hidden:
			i.unsay(u, "it is behind another of the same destination, TOS and metric")
		case r.beyond, u.fault() != nil, packDetail(&u) != r.detail:
			i.unsay(u, beyond)
		default:
			i.state.Routes = append(i.state.Routes, u)
		}
	}
	return nil
}

// importedRoute is a route that somebody configured.
type importedRoute struct {
	found
	apart  bool // for packets from certain addresses alone: it is in the place of none that is for all
	beyond bool // there is more to it than a Route can say
}

func (i *importer) importRoute(body []byte) (r importedRoute, ok bool) {
	if r.apart = len(body) >= unix.SizeofRtMsg && body[2] != 0; r.apart {
		body = slices.Clone(body)
		body[2] = 0 // or it would not be decoded
	}
	d := &i.source.decoder
	if !d.decode(body, &r.route) || r.automatic() {
		return r, false
	}
	r.hops, r.several = slices.Clone(d.hops), len(d.hops) > 0
	known := slices.ContainsFunc(routeTypes[:], func(t routeType) bool { return t.kernel == r.kind })
	r.beyond = !known || r.strange || r.object != 0 && !automaticID(r.object) && !i.objects[r.object] || !sayable(body)
	return r, true
}

// automatic says that the kernel makes r by itself, or on the word of a router.
func (r *route) automatic() bool {
	switch r.protocol {
	case unix.RTPROT_KERNEL, unix.RTPROT_REDIRECT, unix.RTPROT_RA:
		return true
	}
	return false
}

// sayable says whether a struct rtmsg has no attribute but those that are decoded.
func sayable(body []byte) bool {
	for typ, v := range rtnetlink.Attributes(body[unix.SizeofRtMsg:]) {
		switch typ {
		case unix.RTA_DST, unix.RTA_OIF, unix.RTA_GATEWAY, unix.RTA_PRIORITY, unix.RTA_PREFSRC, unix.RTA_TABLE,
			unix.RTA_METRICS, unix.RTA_PREF, unix.RTA_ENCAP, unix.RTA_ENCAP_TYPE,
			unix.RTA_MULTIPATH, rtaNextHopID:
		case unix.RTA_CACHEINFO: // the third field of a struct rta_cacheinfo is in how long it expires
			if len(v) >= 12 && native.Uint32(v[8:]) != 0 {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func (i *importer) rules(ctx context.Context) error {
	kernels := []Rule{ // which has them from the beginning
		{From: any4, Priority: 0, Table: unix.RT_TABLE_LOCAL},
		{From: any4, Priority: 32766},
		{From: any4, Priority: 32767, Table: unix.RT_TABLE_DEFAULT},
		{From: any6, Priority: 0, Table: unix.RT_TABLE_LOCAL},
		{From: any6, Priority: 32766},
	}
	for _, v6 := range []bool{false, true} {
		var all []seenRule
		if err := i.dumpRules(ctx, v6, func(r *seenRule) { all = append(all, *r) }); err != nil {
			return err
		}
		taken := make(map[ruleKey]bool)
		for n := range all {
			r := &all[n]
			u := r.unpack()
			if at := slices.Index(kernels, u); at >= 0 && !r.strange && (r.protocol == unix.RTPROT_KERNEL || !r.tagged) {
				kernels = slices.Delete(kernels, at, at+1)
				continue
			}
			switch {
			case r.protocol == unix.RTPROT_KERNEL: // of a VRF
			case r.strange, taken[r.ruleKey], u.fault() != nil:
				i.unsay(u, beyond)
			default:
				taken[r.ruleKey] = true
				i.state.Rules = append(i.state.Rules, u)
			}
		}
		if len(all) == 0 { // no such family
			kernels = slices.DeleteFunc(kernels, func(r Rule) bool { return r.v6() == v6 })
		}
	}
	for _, r := range kernels {
		i.unsay(r, "the kernel once made it, and somebody deleted it")
	}
	return nil
}

var (
	any4 = netip.MustParsePrefix("0.0.0.0/0")
	any6 = netip.MustParsePrefix("::/0")
)
