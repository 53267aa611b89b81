package bench

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx/rtnl"
)

// peers reports, in multiples of the floor, what it takes others to install n routes, which neither of
// them verifies.
func peers(b *testing.B, ns *testns.Net, f *floor, dsts []netip.Prefix, via netip.Addr, floor time.Duration) {
	report := func(took time.Duration, unit string) { b.ReportMetric(float64(took)/float64(floor), unit) }
	if len(dsts) <= 10_000 {
		report(oneByOne(b, ns, dsts, via), "x-floor-vishvananda")
		f.remove(dsts, via, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
	}
	if testns.HasIP() && len(dsts) <= 100_000 {
		report(ipBatch(b, ns, dsts, via), "x-floor-ip-batch")
		f.remove(dsts, via, rtnl.DefaultProtocol, unix.RT_TABLE_MAIN)
	}
}

// oneByOne asks vishvananda/netlink for one route after the other.
func oneByOne(b *testing.B, ns *testns.Net, dsts []netip.Prefix, via netip.Addr) time.Duration {
	h := ns.Netlink()
	link, err := h.LinkByName("v0")
	if err != nil {
		b.Fatal(err)
	}
	routes := make([]netlink.Route, len(dsts))
	for i, dst := range dsts {
		routes[i] = netlink.Route{
			LinkIndex: link.Attrs().Index,
			Dst:       &net.IPNet{IP: dst.Addr().AsSlice(), Mask: net.CIDRMask(dst.Bits(), dst.Addr().BitLen())},
			Gw:        via.AsSlice(),
			Protocol:  rtnl.DefaultProtocol,
		}
	}
	began := time.Now()
	for i := range routes {
		if err := h.RouteAdd(&routes[i]); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(began)
}

// ipBatch has ip(8) read them from a file.
func ipBatch(b *testing.B, ns *testns.Net, dsts []netip.Prefix, via netip.Addr) time.Duration {
	name := filepath.Join(b.TempDir(), "batch")
	file, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(file)
	for _, dst := range dsts {
		fmt.Fprintf(w, "route add %v via %v proto %d\n", dst, via, rtnl.DefaultProtocol)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	ns.IP("-batch", name)
	return time.Since(began)
}
