package rtnl

import (
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

// TestDetailCostsNothing: to decode a route with the same detail as the last one allocates nothing.
func TestDetailCostsNothing(t *testing.T) {
	r := packRoute(&Route{Dst: pfx("10.1.0.0/16"), Gateway: ipa("10.0.0.1"), MTU: 1400, Source: ipa("10.0.0.2")}, 0)
	var b rtnetlink.Batch
	putRoute(&b, unix.NLM_F_EXCL, &r, nil)
	body := b.Request(0)[unix.SizeofNlMsghdr:]
	var d routeDecoder
	var got route
	if n := testing.AllocsPerRun(100, func() { d.decode(body, &got) }); n != 0 || got != r {
		t.Errorf("%v allocations for %+v, want %+v", n, got, r)
	}
}
