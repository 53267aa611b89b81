package monitor

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// Kind is what an Event is about.
type Kind uint8

// The kinds of events.
const (
	KindResync   Kind = iota // events may have been missed: what was known is out of date
	KindLink                 // an interface; or a bridge port, with Family AF_BRIDGE
	KindAddress              // an address of an interface
	KindRoute                // a route
	KindRule                 // a routing policy rule
	KindNeighbor             // a neighbour, or an entry of a bridge's forwarding database
	KindOther                // whatever else the groups bring; see Type
)

var kindNames = [...]string{"resync", "link", "address", "route", "rule", "neighbor", "other"}

// String gives "resync", "link", "address", "route", "rule", "neighbor" or "other".
func (k Kind) String() string { return kindNames[min(k, KindOther)] }

// Event is one change, or Resync: the zero Event. It holds the kernel's bytes as they came, and decodes
// them when asked, by the method that goes with its Kind: Link, Address, Route, Rule, Neighbor. Each of
// these gives false if the Event is of another Kind, if the bytes are malformed, and, but for links and
// neighbours, if it is about neither IPv4 nor IPv6.
//
// An Event is valid during the call of notify only, for its bytes are a buffer's: Clone it to keep it.
// What was decoded may be kept.
type Event struct {
	Kind Kind
	// What the netlink header says: Type is an RTM_ number, Flags may hold unix.NLM_F_REPLACE and the
	// like, Port is the netlink port id of who asked for the change, or 0.
	Type, Flags uint16
	Port        uint32
	// Body is what follows the netlink header.
	Body []byte
}

func newEvent(h rtnetlink.Header, body []byte) Event {
	return Event{Kind: kindOf(h.Type), Type: h.Type, Flags: h.Flags, Port: h.Port, Body: body}
}

func kindOf(typ uint16) Kind {
	switch typ {
	case unix.RTM_NEWLINK, unix.RTM_DELLINK:
		return KindLink
	case unix.RTM_NEWADDR, unix.RTM_DELADDR:
		return KindAddress
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		return KindRoute
	case unix.RTM_NEWRULE, unix.RTM_DELRULE:
		return KindRule
	case unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH:
		return KindNeighbor
	default:
		return KindOther
	}
}

// New tells whether something was made, or changed: the kernel does not tell these apart.
func (e Event) New() bool { return e.Kind != KindResync && e.Type&3 == 0 }

// Deleted tells whether something is gone. (The numbers of RTM_ types go NEW, DEL, GET, SET, for each
// object.)
func (e Event) Deleted() bool { return e.Kind != KindResync && e.Type&3 == 1 }

// Clone gives a copy that may be kept.
func (e Event) Clone() Event {
	e.Body = slices.Clone(e.Body)
	return e
}

// split gives the fixed part of the event's message and the attributes behind it, if the event is of the
// kind and well-formed.
func (e Event) split(k Kind, size int) (fixed, attributes []byte, ok bool) {
	if e.Kind != k || len(e.Body) < size || !wellFormed(e.Body[size:]) {
		return nil, nil, false
	}
	return e.Body[:size], e.Body[size:], true
}
