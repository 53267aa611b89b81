package rtnl

import (
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// TestRouteIsSmall: an observed or desired route costs this much, a hundred thousand times.
func TestRouteIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(route{}); size > 80 {
		t.Errorf("a route has %d bytes", size)
	}
}

// TestDetailCostsNothing: to decode routes with details and encapsulations that are known already allocates
// nothing, the same as the last one's or not.
func TestDetailCostsNothing(t *testing.T) {
	tunnel := IPTunnel{Dst: ipa("10.9.0.1")}.Encap()
	routes := []Route{
		{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.0.0.1"), MTU: 1400, Source: ipa("10.0.0.2"), CongCtl: "reno"},
		{Dst: pfx("10.2.0.0/16"), Gateway: ipa("10.0.0.1"), MTU: 1300, Encap: tunnel},
	}
	var bodies [][]byte
	var want []route
	for i := range routes {
		want = append(want, packRoute(&routes[i], 0))
		var b rtnetlink.Batch
		putRoute(&b, unix.NLM_F_EXCL, &want[i], nil)
		bodies = append(bodies, b.Request(0)[unix.SizeofNlMsghdr:])
	}
	var d routeDecoder
	var got [2]route
	for _, turns := range [][]int{{0, 0}, {1, 1}, {0, 1}} {
		n := testing.AllocsPerRun(100, func() {
			for _, i := range turns {
				d.decode(bodies[i], &got[i])
			}
		})
		if n != 0 {
			t.Errorf("%v: %v allocations", turns, n)
		}
	}
	if !slices.Equal(got[:], want) {
		t.Errorf("%+v\nis not\n%+v", got, want)
	}
}
