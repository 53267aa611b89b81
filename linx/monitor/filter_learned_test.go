package monitor

import (
	"errors"
	"net"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/internal/testns"
)

// TestFilterLearned: what the kernel learns is dropped; what anybody asked for, and the end of whatever there
// was, is not.
func TestFilterLearned(t *testing.T) {
	n, c := newChanger(t)
	peer := testns.New(t)
	n.VethTo("w0", peer, "w1")
	dial(t, peer, "w1").address(unix.RTM_NEWADDR, "10.7.0.2/24", 0)
	dial(t, n, "w0").address(unix.RTM_NEWADDR, "10.7.0.1/24", 0)
	resolve := func() { // by sending something there
		n.Do(func() {
			conn, err := net.Dial("udp", "10.7.0.2:9")
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
		})
	}
	w := newWatch(t, n, c)
	if err := w.filteredMonitor.SetFilter(Filter{Learned: true}); err != nil {
		t.Fatal(err)
	}
	put := func(typ uint16, family, state, how byte, attribute uint16, key []byte) {
		var b rtnetlink.Batch
		b.Begin(typ, flags(typ, nil))
		b.Raw(append([]byte{family, 0, 0, 0}, append(u32(c.v0), state, 0, how, 0)...))
		b.Bytes(attribute, key)
		if attribute != unix.NDA_LLADDR {
			b.Bytes(unix.NDA_LLADDR, []byte{2, 0, 0, 0, 0, 9})
		}
		c.do(&b)
	}
	arp := func(typ uint16, state, how byte) func() {
		return func() { put(typ, unix.AF_INET, state, how, unix.NDA_DST, []byte{10, 0, 0, 9}) }
	}
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
	h := n.Netlink()
	port, err := h.LinkByName("v0")
	if err := errors.Join(err, h.LinkAdd(bridge), h.LinkSetUp(bridge), h.LinkSetMaster(port, bridge)); err != nil {
		t.Fatal(err)
	}
	fdb := func(typ uint16, state byte) func() {
		return func() { put(typ, unix.AF_BRIDGE, state, unix.NTF_MASTER, unix.NDA_LLADDR, []byte{2, 0, 0, 0, 0, 7}) }
	}
	const add, del = unix.RTM_NEWNEIGH, unix.RTM_DELNEIGH
	neighbor := func(deleted bool, addr string, mac byte) func(Event) bool {
		return func(e Event) bool {
			n, ok := e.Neighbor()
			return ok && e.Deleted() == deleted && (n.Addr.String() == addr ||
				n.Family == unix.AF_BRIDGE && slices.Equal(n.Hardware, net.HardwareAddr{2, 0, 0, 0, 0, mac}))
		}
	}
	for _, test := range []struct {
		name   string
		match  func(Event) bool
		pass   bool
		change func()
	}{
		{"resolved by the kernel", neighbor(false, "10.7.0.2", 0), false, resolve},
		{"asked for", neighbor(false, "10.0.0.9", 0), true, arp(add, unix.NUD_STALE, 0)},
		{"changed", neighbor(false, "10.0.0.9", 0), true, arp(add, unix.NUD_REACHABLE, 0)},
		{"made permanent", neighbor(false, "10.0.0.9", 0), true, arp(add, unix.NUD_PERMANENT, 0)},
		{"gone", neighbor(true, "10.0.0.9", 0), true, arp(del, 0, 0)},
		{"a control plane's", neighbor(false, "10.0.0.9", 0), true, arp(add, unix.NUD_REACHABLE, unix.NTF_EXT_LEARNED)},
		{"dynamic, of a bridge", neighbor(false, "", 7), false, fdb(add, unix.NUD_REACHABLE)},
		{"gone, of a bridge", neighbor(true, "", 7), true, fdb(del, 0)},
		{"static, of a bridge", neighbor(false, "", 7), true, fdb(add, unix.NUD_NOARP)},
		{"permanent, of a bridge", neighbor(false, "", 7), true, fdb(add, unix.NUD_PERMANENT)},
	} {
		all, filtered := w.heard(test.match, test.change)
		if !test.pass && len(filtered) > 0 || test.pass && !slices.Equal(all, filtered) {
			t.Errorf("%s: of %q it heard %q", test.name, all, filtered)
		}
	}
}
