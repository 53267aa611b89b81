package monitor

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/internal/testns"
)

// changer makes changes in a namespace, by requests whose port id and flags the test knows.
type changer struct {
	t    *testing.T
	conn *rtnetlink.Conn
	v0   int // index of the veth v0, whose addresses are 10.0.0.1/24 and fd00::1/64
}

const (
	protoOurs   = 76
	protoTheirs = 99
)

// newChanger makes a namespace with the veth pair v0, v1.
func newChanger(t *testing.T) (*testns.Net, *changer) {
	t.Helper()
	n := testns.New(t)
	n.Veth("v0", "v1")
	c := dial(t, n, "v0")
	c.address(unix.RTM_NEWADDR, "10.0.0.1/24", unix.IFA_F_NODAD)
	c.address(unix.RTM_NEWADDR, "fd00::1/64", unix.IFA_F_NODAD)
	return n, c
}

func dial(t *testing.T, n *testns.Net, link string) *changer {
	t.Helper()
	h, err := n.Namespace().Open()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	conn, err := rtnetlink.Dial(h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &changer{t: t, conn: conn}
	n.Do(func() {
		v0, err := net.InterfaceByName(link)
		if err != nil {
			t.Fatal(err)
		}
		c.v0 = v0.Index
	})
	return c
}

func (c *changer) do(b *rtnetlink.Batch) {
	c.t.Helper()
	_, err := c.conn.Do(c.t.Context(), b, func(_ int, err error) { c.t.Fatal(err) })
	if err != nil {
		c.t.Fatal(err)
	}
}

func family(a netip.Addr) byte {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// flags are what goes with a type: a new thing may be created, unless flags say more.
func flags(typ uint16, extra []int) uint16 {
	var f int
	if typ&3 == 0 {
		f = unix.NLM_F_CREATE
	}
	for _, e := range extra {
		f |= e
	}
	return uint16(f)
}

func u32(v int) []byte { return native.AppendUint32(nil, uint32(v)) }

func (c *changer) address(typ uint16, prefix string, addrFlags int) {
	c.t.Helper()
	p := netip.MustParsePrefix(prefix)
	var b rtnetlink.Batch
	b.Begin(typ, flags(typ, nil))
	b.Raw(append([]byte{family(p.Addr()), byte(p.Bits()), byte(addrFlags), 0}, u32(c.v0)...))
	b.Bytes(unix.IFA_LOCAL, p.Addr().AsSlice())
	b.Bytes(unix.IFA_ADDRESS, p.Addr().AsSlice())
	c.do(&b)
}

// route makes or deletes one over v0, by way of the gateways: none, one, or a multipath one.
func (c *changer) route(typ uint16, dst string, proto byte, via []string, extra ...int) {
	c.t.Helper()
	c.typedRoute(unix.RTN_UNICAST, typ, dst, proto, via, extra...)
}

func (c *changer) typedRoute(kind byte, typ uint16, dst string, proto byte, via []string, extra ...int) {
	c.t.Helper()
	p := netip.MustParsePrefix(dst)
	var b rtnetlink.Batch
	b.Begin(typ, flags(typ, extra))
	b.Raw([]byte{family(p.Addr()), byte(p.Bits()), 0, 0, unix.RT_TABLE_MAIN, proto, 0, kind, 0, 0, 0, 0})
	b.Bytes(unix.RTA_DST, p.Addr().AsSlice())
	b.Uint32(unix.RTA_PRIORITY, 50)
	switch {
	case len(via) == 1:
		b.Bytes(unix.RTA_GATEWAY, netip.MustParseAddr(via[0]).AsSlice())
		b.Uint32(unix.RTA_OIF, uint32(c.v0))
	case len(via) > 1:
		var hops []byte
		for _, gateway := range via {
			a := netip.MustParseAddr(gateway).AsSlice()
			hops = native.AppendUint16(hops, uint16(unix.SizeofRtNexthop+unix.SizeofNlAttr+len(a)))
			hops = append(hops, 0, 0)
			hops = append(hops, u32(c.v0)...)
			hops = native.AppendUint16(hops, uint16(unix.SizeofNlAttr+len(a)))
			hops = native.AppendUint16(hops, unix.RTA_GATEWAY)
			hops = append(hops, a...)
		}
		b.Bytes(unix.RTA_MULTIPATH, hops)
	}
	c.do(&b)
}

func (c *changer) rule(typ uint16, ip byte, priority int) {
	c.t.Helper()
	var b rtnetlink.Batch
	b.Begin(typ, flags(typ, []int{unix.NLM_F_EXCL * int(1-typ&1)}))
	b.Raw([]byte{ip, 0, 0, 0, 100, 0, 0, unix.FR_ACT_TO_TBL, 0, 0, 0, 0})
	b.Uint32(unix.FRA_PRIORITY, uint32(priority))
	b.Uint32(unix.FRA_FWMARK, 5)
	c.do(&b)
}

func (c *changer) neighbor(typ uint16, addr string) {
	c.t.Helper()
	a := netip.MustParseAddr(addr)
	var b rtnetlink.Batch
	b.Begin(typ, flags(typ, nil))
	b.Raw(append([]byte{family(a), 0, 0, 0}, append(u32(c.v0), unix.NUD_PERMANENT, 0, 0, 0)...))
	b.Bytes(unix.NDA_DST, a.AsSlice())
	b.Bytes(unix.NDA_LLADDR, []byte{2, 0, 0, 0, 0, 9})
	c.do(&b)
}

// alias changes a link in a way that tests can tell apart.
func (c *changer) alias(alias string, extra ...int) {
	c.t.Helper()
	var b rtnetlink.Batch
	b.Begin(unix.RTM_NEWLINK, flags(unix.RTM_DELLINK, extra)) // no CREATE
	b.Raw(append(append(make([]byte, 4), u32(c.v0)...), make([]byte, 8)...))
	b.String(unix.IFLA_IFALIAS, alias)
	c.do(&b)
}

// alternativeName gives v0 one more name.
func (c *changer) alternativeName(name string) {
	c.t.Helper()
	var b rtnetlink.Batch
	b.Begin(unix.RTM_NEWLINKPROP, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_APPEND)
	b.Raw(append(append(make([]byte, 4), u32(c.v0)...), make([]byte, 8)...))
	end := b.Nest(unix.IFLA_PROP_LIST | unix.NLA_F_NESTED)
	b.String(unix.IFLA_ALT_IFNAME, name)
	end()
	c.do(&b)
}

// bridge makes or deletes one more link.
func (c *changer) bridge(typ uint16, extra ...int) {
	c.t.Helper()
	var b rtnetlink.Batch
	b.Begin(typ, flags(typ, extra))
	b.Raw(make([]byte, unix.SizeofIfInfomsg))
	b.String(unix.IFLA_IFNAME, "br9")
	end := b.Nest(unix.IFLA_LINKINFO | unix.NLA_F_NESTED)
	b.String(unix.IFLA_INFO_KIND, "bridge")
	end()
	c.do(&b)
}
