package rtnl

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/linx-go/linx-go/linx/reconcile"
)

// TestInstallIsQuiet: a hundred thousand routes, with events enough for ten receive buffers, are made in one
// applying pass, lose no event, and wake the loop for no second one. (TestFilter has what the kernel drops.)
func TestInstallIsQuiet(t *testing.T) {
	const n = 100_000
	k := newKernel(t, Options{})
	state := State{
		Addresses: []Address{on("v0", "10.0.0.2/24")},
		Routes:    make([]Route, n),
	}
	for i := range state.Routes {
		dst := ipa("20.0.0.0").As4()
		dst[1], dst[2], dst[3] = byte(i>>16), byte(i>>8), byte(i)
		state.Routes[i] = Route{Dst: netip.PrefixFrom(netip.AddrFrom4(dst), 32), Gateway: ipa("10.0.0.1")}
	}
	loop, reports := k.serve(state, Config{Interval: reconcile.Never, Debounce: reconcile.Immediate})
	k.waitConverged(loop)
	if dropped := k.dropped(); len(dropped) > 0 {
		t.Errorf("the kernel dropped events: %q", dropped)
	}
	if _, err := loop.Reconcile(t.Context()); err != nil { // by then, hints of the install have had their pass
		t.Fatal(err)
	}
	applying := 0
	for len(reports) > 0 {
		if r := <-reports; len(r.Applied) > 0 {
			applying++
		}
	}
	if passes := loop.Status().Passes; applying != 1 || passes > 3 {
		t.Errorf("%d applying passes of %d; want 1, at most one after it that changes nothing, and ours", applying, passes)
	}
}

// dropped gives the lines of /proc/net/netlink about sockets that have lost messages.
func (k *kernel) dropped() (lines []string) {
	k.t.Helper()
	var text []byte
	var err error
	k.Do(func() { text, err = os.ReadFile("/proc/thread-self/net/netlink") })
	if err != nil {
		k.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		// sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
		if f := strings.Fields(line); len(f) == 10 && f[0] != "sk" && f[8] != "0" {
			lines = append(lines, line)
		}
	}
	return lines
}
