package bench

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx/sysctl"
)

// floor is a minimal raw netlink program in one namespace: a blocking socket and two buffers.
type floor struct {
	t   testing.TB
	fd  int
	seq uint32
	out []byte
	in  []byte
}

func newFloor(t testing.TB, n *testns.Net) *floor {
	f := &floor{t: t, in: make([]byte, 64<<10)}
	n.Do(func() {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		if err != nil {
			panic(err)
		}
		f.fd = fd
	})
	if err := unix.Bind(f.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		t.Fatal(err)
	}
	_ = unix.SetsockoptInt(f.fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
	t.Cleanup(func() { unix.Close(f.fd) })
	return f
}

var native = binary.NativeEndian

// begin starts a message and gives its offset.
func (f *floor) begin(typ, flags uint16, fixed ...byte) int {
	start := len(f.out)
	f.seq++
	f.out = native.AppendUint32(f.out, 0)
	f.out = native.AppendUint16(f.out, typ)
	f.out = native.AppendUint16(f.out, flags|unix.NLM_F_REQUEST)
	f.out = native.AppendUint32(f.out, f.seq)
	f.out = native.AppendUint32(f.out, 0)
	f.out = append(f.out, fixed...)
	return start
}

func (f *floor) attr(typ uint16, v []byte) {
	f.out = native.AppendUint16(f.out, uint16(4+len(v)))
	f.out = native.AppendUint16(f.out, typ)
	f.out = append(f.out, v...)
	for len(f.out)%4 != 0 {
		f.out = append(f.out, 0)
	}
}

func (f *floor) end(start int) { native.PutUint32(f.out[start:], uint32(len(f.out)-start)) }

// route packs one request about a route.
func (f *floor) route(typ, flags uint16, dst netip.Prefix, via netip.Addr, protocol byte, table uint32) int {
	family := byte(unix.AF_INET)
	if dst.Addr().Is6() {
		family = unix.AF_INET6
	}
	start := f.begin(typ, flags, family, byte(dst.Bits()), 0, 0, byte(min(table, unix.RT_TABLE_UNSPEC+252)), protocol,
		unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST, 0, 0, 0, 0)
	f.attr(unix.RTA_DST, dst.Addr().AsSlice())
	f.attr(unix.RTA_GATEWAY, via.AsSlice())
	f.attr(unix.RTA_TABLE, native.AppendUint32(nil, table))
	f.end(start)
	return start
}

// flush sends what is packed, with the last message acked, and waits for that.
func (f *floor) flush(last int) {
	if len(f.out) == 0 {
		return
	}
	native.PutUint16(f.out[last+6:], native.Uint16(f.out[last+6:])|unix.NLM_F_ACK)
	if err := unix.Sendto(f.fd, f.out, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		f.t.Fatal(err)
	}
	f.out = f.out[:0]
	for acked := false; !acked; {
		n, err := unix.Read(f.fd, f.in)
		if err != nil {
			f.t.Fatal(err)
		}
		f.messages(f.in[:n], func(typ uint16, seq uint32, body []byte) {
			if typ == unix.NLMSG_ERROR {
				if code := int32(native.Uint32(body)); code != 0 {
					f.t.Fatalf("the floor's message %d: %v", seq, unix.Errno(-code))
				}
				acked = acked || seq == f.seq
			}
		})
	}
}

// install adds routes, 128 a sendmsg.
func (f *floor) install(routes []netip.Prefix, via netip.Addr, protocol byte, table uint32) {
	last := 0
	for i, dst := range routes {
		last = f.route(unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, dst, via, protocol, table)
		if i%128 == 127 {
			f.flush(last)
		}
	}
	f.flush(last)
}

// remove deletes them.
func (f *floor) remove(routes []netip.Prefix, via netip.Addr, protocol byte, table uint32) {
	last := 0
	for i, dst := range routes {
		last = f.route(unix.RTM_DELROUTE, 0, dst, via, protocol, table)
		if i%128 == 127 {
			f.flush(last)
		}
	}
	f.flush(last)
}

// dump reads routes, filtered by the kernel (0: not), and looks at none.
func (f *floor) dump(family byte, protocol byte, table uint32) (count int) {
	start := f.begin(unix.RTM_GETROUTE, unix.NLM_F_DUMP, family, 0, 0, 0, 0, protocol, 0, 0, 0, 0, 0, 0)
	if table != 0 {
		f.attr(unix.RTA_TABLE, native.AppendUint32(nil, table))
	}
	f.end(start)
	return f.count()
}

// dumpAddresses reads all.
func (f *floor) dumpAddresses() (count int) {
	f.end(f.begin(unix.RTM_GETADDR, unix.NLM_F_DUMP, make([]byte, unix.SizeofIfAddrmsg)...))
	return f.count()
}

// count sends the dump that is packed and counts what comes.
func (f *floor) count() (count int) {
	if err := unix.Sendto(f.fd, f.out, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		f.t.Fatal(err)
	}
	f.out = f.out[:0]
	for done := false; !done; {
		n, err := unix.Read(f.fd, f.in)
		if err != nil {
			f.t.Fatal(err)
		}
		f.messages(f.in[:n], func(typ uint16, _ uint32, body []byte) {
			switch typ {
			case unix.NLMSG_DONE:
				done = true
			case unix.NLMSG_ERROR:
				f.t.Fatal("the floor's dump: ", unix.Errno(-int32(native.Uint32(body))))
			default:
				count++
			}
		})
	}
	return count
}

func (f *floor) messages(b []byte, fn func(typ uint16, seq uint32, body []byte)) {
	for len(b) >= 16 {
		size := int(native.Uint32(b))
		fn(native.Uint16(b[4:]), native.Uint32(b[8:]), b[16:size])
		b = b[min((size+3)&^3, len(b)):]
	}
}

// destinations gives n different ones.
func destinations(family byte, n int) []netip.Prefix {
	out := make([]netip.Prefix, n)
	for i := range out {
		if family == unix.AF_INET {
			out[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(20 + i>>16), byte(i >> 8), byte(i), 0}), 24)
		} else {
			a := [16]byte{0x20, 1, 0x0d, 0xb8, byte(i >> 16), byte(i >> 8), byte(i)}
			out[i] = netip.PrefixFrom(netip.AddrFrom16(a), 64)
		}
	}
	return out
}

// family is what differs between IPv4 and IPv6.
type family struct {
	name    string
	af      byte
	gateway netip.Addr
	second  netip.Addr
}

var families = []family{
	{"ipv4", unix.AF_INET, netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")},
	{"ipv6", unix.AF_INET6, netip.MustParseAddr("fd00::2"), netip.MustParseAddr("fd00::3")},
}

// world is a namespace with an interface v0 that reaches the gateways, and no sound from anybody else.
func world(b testing.TB) *testns.Net {
	n := testns.New(b)
	if err := sysctl.Write(n.Namespace(), "net.ipv6.conf.default.accept_dad", "0"); err != nil {
		b.Fatal(err) // link-local addresses would be heard of seconds later
	}
	n.Veth("v0", "v1")
	h := n.Netlink()
	link, err := h.LinkByName("v0")
	if err != nil {
		b.Fatal(err)
	}
	for _, a := range []string{"10.0.0.1/24", "fd00::1/64"} {
		addr := mustAddr(b, a)
		addr.Flags = unix.IFA_F_NODAD
		if err := h.AddrAdd(link, addr); err != nil {
			b.Fatal(fmt.Errorf("%s: %w", a, err))
		}
	}
	return n
}
