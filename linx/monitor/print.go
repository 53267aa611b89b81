package monitor

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// String prints the event on one line, much as ip-monitor(8) does: "Deleted 10.1.0.0/16 via 10.0.0.2 dev
// if4 proto static". What is not about a link does not hold its name, only its index: "if4".
func (e Event) String() string {
	if e.Kind == KindResync {
		return "resync"
	}
	s, ok := e.object()
	if !ok {
		s = fmt.Sprintf("%s, message type %d, %d bytes", e.Kind, e.Type, len(e.Body))
	}
	if e.Deleted() {
		return "Deleted " + s
	}
	return s
}

func (e Event) object() (s string, ok bool) {
	switch e.Kind {
	case KindLink:
		l, ok := e.Link()
		return l.String(), ok
	case KindAddress:
		a, ok := e.Address()
		return a.String(), ok
	case KindRoute:
		r, ok := e.Route()
		return r.String(), ok
	case KindRule:
		r, ok := e.Rule()
		return r.String(), ok
	case KindNeighbor:
		n, ok := e.Neighbor()
		return n.String(), ok
	}
	return "", false
}

// String gives "4: v0@if3: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 state UP link/veth 02:00:00:00:00:01".
func (l Link) String() string {
	peer := ""
	if l.Peer != 0 {
		peer = fmt.Sprintf("@if%d", l.Peer)
	}
	var w words
	w.add("%d: %s%s: <%s>", l.Index, l.Name, peer, strings.Join(flagNames(l.Flags, linkFlags), ","))
	w.addIf(l.MTU != 0, "mtu %d", l.MTU)
	w.addIf(l.Master != 0, "master if%d", l.Master)
	w.add("state %s", nameOf(operStates, l.State))
	w.add("link/%s", strings.TrimSpace(l.Kind+" "+l.Hardware.String()))
	w.addIf(l.Alias != "", "alias %q", l.Alias)
	return w.String()
}

// String gives "4: inet 10.0.0.2/24 scope global v0 valid_lft forever preferred_lft forever".
func (a Address) String() string {
	var w words
	w.add("%d: %s", a.Index, familyName(a.Prefix.Addr()))
	if a.Peer.IsValid() {
		w.add("%s peer %s/%d", a.Prefix.Addr(), a.Peer, a.Prefix.Bits())
	} else {
		w.add("%s", a.Prefix)
	}
	w.addIf(a.Broadcast.IsValid(), "brd %s", a.Broadcast)
	w.add("scope %s", nameOf(scopes, a.Scope))
	w = append(w, flagNames(a.Flags, addressFlags)...)
	w.addIf(a.Protocol != 0, "proto %d", a.Protocol)
	w.addIf(a.Label != "", "%s", a.Label)
	w.add("valid_lft %s preferred_lft %s", seconds(a.Valid), seconds(a.Preferred))
	return w.String()
}

// String gives "10.1.0.0/16 via 10.0.0.2 dev if4 table 100 proto static metric 5".
func (r Route) String() string {
	var w words
	w.addIf(r.Type != unix.RTN_UNICAST, "%s", nameOf(routeTypes, r.Type))
	if r.Dst.IsValid() && r.Dst.Bits() == 0 {
		w.add("default")
	} else {
		w.add("%s", r.Dst)
	}
	w.addIf(r.From.IsValid(), "from %s", r.From)
	w.addIf(r.TOS != 0, "tos %#x", r.TOS)
	w.addIf(r.Object != 0, "nhid %d", r.Object)
	w.addIf(r.Gateway.IsValid(), "via %s", r.Gateway)
	w.addIf(r.Index != 0, "dev if%d", r.Index)
	w.addIf(r.Table != unix.RT_TABLE_MAIN, "table %s", nameOf(tables, r.Table))
	w.add("proto %s", nameOf(protocols, r.Protocol))
	w.addIf(r.Scope != unix.RT_SCOPE_UNIVERSE, "scope %s", nameOf(scopes, r.Scope))
	w.addIf(r.Source.IsValid(), "src %s", r.Source)
	w.addIf(r.Metric != 0, "metric %d", r.Metric)
	w = append(w, flagNames(r.Flags, hopFlags)...)
	for _, hop := range r.NextHops {
		w.add("nexthop")
		w.addIf(hop.Gateway.IsValid(), "via %s", hop.Gateway)
		w.add("dev if%d weight %d", hop.Index, hop.Weight)
		w = append(w, flagNames(uint32(hop.Flags), hopFlags)...)
	}
	return w.String()
}

// String gives "100: from 10.0.0.0/8 fwmark 0x5 lookup 100".
func (r Rule) String() string {
	var w words
	w.add("%d:", r.Priority)
	w.addIf(r.Invert, "not")
	w.add("from %s", orAll(r.From))
	w.addIf(r.To.IsValid(), "to %s", r.To)
	w.addIf(r.TOS != 0, "tos %#x", r.TOS)
	w.addIf(r.MarkMask == ^uint32(0), "fwmark %#x", r.Mark)
	w.addIf(r.MarkMask != 0 && r.MarkMask != ^uint32(0), "fwmark %#x/%#x", r.Mark, r.MarkMask)
	w.addIf(r.IIF != "", "iif %s", r.IIF)
	w.addIf(r.OIF != "", "oif %s", r.OIF)
	switch r.Action {
	case unix.FR_ACT_TO_TBL:
		w.add("lookup %s", nameOf(tables, r.Table))
	case unix.FR_ACT_GOTO:
		w.add("goto %d", r.Goto)
	default:
		w.add("%s", nameOf(ruleActions, r.Action))
	}
	w.addIf(r.Protocol > unix.RTPROT_KERNEL, "proto %s", nameOf(protocols, r.Protocol))
	return w.String()
}

// String gives "10.0.0.2 dev if4 lladdr 02:00:00:00:00:01 REACHABLE".
func (n Neighbor) String() string {
	var w words
	w.addIf(n.Addr.IsValid(), "%s", n.Addr)
	w.add("dev if%d", n.Index)
	w.addIf(len(n.Hardware) > 0, "lladdr %s", n.Hardware)
	w = append(w, flagNames(uint32(n.Flags), neighborFlags)...)
	w = append(w, flagNames(uint32(n.State), neighborStates)...)
	w.addIf(n.Protocol != 0, "proto %s", nameOf(protocols, n.Protocol))
	return w.String()
}

// words is a line in the making.
type words []string

func (w *words) add(format string, args ...any) { *w = append(*w, fmt.Sprintf(format, args...)) }

func (w *words) addIf(cond bool, format string, args ...any) {
	if cond {
		w.add(format, args...)
	}
}

func (w words) String() string { return strings.Join(w, " ") }

func familyName(a netip.Addr) string {
	if a.Is4() {
		return "inet"
	}
	return "inet6"
}

func orAll(p netip.Prefix) string {
	if p.IsValid() {
		return p.String()
	}
	return "all"
}

func seconds(d time.Duration) string {
	if d == Forever {
		return "forever"
	}
	return fmt.Sprintf("%dsec", d/time.Second)
}
