package monitor

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

func TestZeroEventIsResync(t *testing.T) {
	var e Event
	if e.Kind != KindResync || e.New() || e.Deleted() || e.String() != "resync" {
		t.Errorf("the zero Event is %v, new %v, deleted %v", e.Kind, e.New(), e.Deleted())
	}
}

func TestClone(t *testing.T) {
	b := []byte{1, 2, 3}
	e := Event{Body: b}
	c := e.Clone()
	b[0] = 9
	if c.Body[0] != 1 {
		t.Error("Clone shares its bytes")
	}
}

func TestKinds(t *testing.T) {
	for typ, want := range map[uint16]struct {
		kind         Kind
		new, deleted bool
	}{
		unix.RTM_NEWLINK:    {KindLink, true, false},
		unix.RTM_DELLINK:    {KindLink, false, true},
		unix.RTM_NEWADDR:    {KindAddress, true, false},
		unix.RTM_DELADDR:    {KindAddress, false, true},
		unix.RTM_NEWROUTE:   {KindRoute, true, false},
		unix.RTM_DELROUTE:   {KindRoute, false, true},
		unix.RTM_NEWRULE:    {KindRule, true, false},
		unix.RTM_DELRULE:    {KindRule, false, true},
		unix.RTM_NEWNEIGH:   {KindNeighbor, true, false},
		unix.RTM_DELNEIGH:   {KindNeighbor, false, true},
		unix.RTM_GETNEIGH:   {KindOther, false, false}, // the kernel asking a user-space ARP daemon
		unix.RTM_NEWNETCONF: {KindOther, true, false},
		unix.RTM_DELNETCONF: {KindOther, false, true},
	} {
		e := newEvent(rtnetlink.Header{Type: typ}, nil)
		if e.Kind != want.kind || e.New() != want.new || e.Deleted() != want.deleted {
			t.Errorf("type %d: %v, new %v, deleted %v; want %+v", typ, e.Kind, e.New(), e.Deleted(), want)
		}
	}
}

// message is an event as the kernel might send it.
func message(typ uint16, fixed []byte, attributes ...[]byte) Event {
	return Event{Kind: kindOf(typ), Type: typ, Body: slices.Concat(append([][]byte{fixed}, attributes...)...)}
}

func attribute(typ uint16, v ...byte) []byte {
	b := native.AppendUint16(nil, uint16(unix.SizeofNlAttr+len(v)))
	b = native.AppendUint16(b, typ)
	b = append(b, v...)
	return append(b, make([]byte, (4-len(b)%4)%4)...)
}

// What is malformed in any way decodes to false, and prints all the same.
func TestMalformed(t *testing.T) {
	ip4, ip6 := byte(unix.AF_INET), byte(unix.AF_INET6)
	address := []byte{ip4, 24, 0, 0, 1, 0, 0, 0}
	route := []byte{ip4, 24, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0}
	rule := []byte{ip4, 0, 0, 0, 254, 0, 0, 1, 0, 0, 0, 0}
	neighbor := []byte{ip4, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0}
	mixed := append([]byte{ip6}, address[1:]...)
	for name, e := range map[string]Event{
		"no bytes":                        {Kind: KindLink, Type: unix.RTM_NEWLINK},
		"a link cut off":                  {Kind: KindLink, Type: unix.RTM_NEWLINK, Body: make([]byte, unix.SizeofIfInfomsg-1)},
		"an address without one":          message(unix.RTM_NEWADDR, address),
		"an address of 5 bytes":           message(unix.RTM_NEWADDR, address, attribute(unix.IFA_LOCAL, 1, 2, 3, 4, 5)),
		"an address of another family":    message(unix.RTM_NEWADDR, mixed, attribute(unix.IFA_LOCAL, 1, 2, 3, 4)),
		"an address of 33 bits":           message(unix.RTM_NEWADDR, []byte{ip4, 33, 0, 0, 1, 0, 0, 0}, attribute(unix.IFA_LOCAL, 1, 2, 3, 4)),
		"an address of no IP family":      message(unix.RTM_NEWADDR, []byte{99, 8, 0, 0, 1, 0, 0, 0}, attribute(unix.IFA_LOCAL, 1, 2, 3, 4)),
		"a lifetime cut off":              message(unix.RTM_NEWADDR, address, attribute(unix.IFA_CACHEINFO, 1, 2, 3, 4)),
		"a destination of 3 bytes":        message(unix.RTM_NEWROUTE, route, attribute(unix.RTA_DST, 10, 0, 0)),
		"a route of an unknown family":    message(unix.RTM_NEWROUTE, append([]byte{28}, route[1:]...)),
		"an interface of 2 bytes":         message(unix.RTM_NEWROUTE, route, attribute(unix.RTA_OIF, 1, 0)),
		"a next hop cut off":              message(unix.RTM_NEWROUTE, route, attribute(unix.RTA_MULTIPATH, 16, 0, 0, 0, 1, 0, 0, 0)),
		"a next hop of length 0":          message(unix.RTM_NEWROUTE, route, attribute(unix.RTA_MULTIPATH, 0, 0, 0, 0, 1, 0, 0, 0)),
		"a next hop with a bad attribute": message(unix.RTM_NEWROUTE, route, attribute(unix.RTA_MULTIPATH, 12, 0, 0, 0, 1, 0, 0, 0, 99, 0, 5, 0)),
		"a gateway without bytes":         message(unix.RTM_NEWROUTE, route, attribute(unix.RTA_VIA)),
		"a priority of 1 byte":            message(unix.RTM_NEWRULE, rule, attribute(unix.FRA_PRIORITY, 1)),
		"a neighbor without an address":   message(unix.RTM_NEWNEIGH, neighbor),
		"a neighbor's protocol, no byte":  message(unix.RTM_NEWNEIGH, neighbor, attribute(ndaProtocol)),
		"an attribute too long":           {Kind: KindRule, Type: unix.RTM_NEWRULE, Body: append(rule[:12:12], 99, 0, 1, 0)},
	} {
		if got, ok := decoded(e); ok {
			t.Errorf("%s: decoded to %+v", name, got)
		}
		if e.String() == "" {
			t.Errorf("%s: prints as nothing", name)
		}
	}
}

func TestDecodeOtherKind(t *testing.T) {
	e := Event{Kind: KindOther, Type: unix.RTM_NEWNETCONF, Body: make([]byte, 64)}
	_, link := e.Link()
	_, address := e.Address()
	_, route := e.Route()
	_, rule := e.Rule()
	_, neighbor := e.Neighbor()
	if link || address || route || rule || neighbor {
		t.Error("something was decoded from an event of another kind")
	}
}

func FuzzEvent(f *testing.F) {
	f.Add(uint16(unix.RTM_NEWADDR), forgedAddress()[unix.SizeofNlMsghdr:])
	f.Add(uint16(unix.RTM_NEWROUTE), []byte{2, 24, 0, 0, 254, 4, 0, 1, 0, 0, 0, 0, 12, 0, 9, 0, 8, 0, 0, 0, 1, 0, 0, 0})
	f.Add(uint16(unix.RTM_NEWLINK), make([]byte, 16))
	f.Add(uint16(unix.RTM_DELRULE), make([]byte, 12))
	f.Add(uint16(unix.RTM_DELNEIGH), make([]byte, 12))
	f.Fuzz(func(t *testing.T, typ uint16, body []byte) {
		e := Event{Kind: kindOf(typ), Type: typ, Body: body}
		if e.String() == "" {
			t.Error("prints as nothing")
		}
		if a, ok := e.Address(); ok && !a.Prefix.IsValid() {
			t.Errorf("an address without a prefix: %+v", a)
		}
		if r, ok := e.Route(); ok && !r.Dst.IsValid() {
			t.Errorf("a route without a destination: %+v", r)
		}
		if n, ok := e.Neighbor(); ok && !n.Addr.IsValid() && isIP(n.Family) {
			t.Errorf("a neighbor without an address: %+v", n)
		}
	})
}
