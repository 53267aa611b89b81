package rtnl

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestUnfilteredKernel: before Linux 4.20 the kernel filters no dump. What it gives besides is not taken for
// what was asked for.
func TestUnfilteredKernel(t *testing.T) {
	k := newKernel(t, Options{})
	k.addAddress("v0", "192.0.2.1/24")
	k.addAddress("v1", "192.0.2.1/24")
	others := []string{
		"route add 10.1.0.0/16 via 192.0.2.9 table 7 proto static",
		"route add 10.1.0.0/16 via 192.0.2.9 metric 7 proto static",
		"-6 route add 2001:db8:1::/48 dev v1 table 7 proto static",
		"neigh add 10.0.0.5 lladdr 02:00:00:00:00:01 dev v1",
	}
	w := newWitness(t, k.Net)
	w.batch(others...)
	before := w.look()
	state := everyShape()
	state.Neighbors = []Neighbor{{Interface: "v0", Destination: ipa("10.0.0.5"), LinkAddr: mac(5)}}
	k.converge(State{}) // opens the socket
	k.beLax()
	k.converge(state)
	k.settled(state)
	few := State{Addresses: state.Addresses[:1]}
	k.converge(few)
	k.settled(few)
	k.converge(State{})
	if diff := differ(before, w.look()); diff != "" {
		t.Error(diff)
	}
}

// beLax turns strict checking off, and with it the kernel's filters.
func (k *kernel) beLax() {
	k.t.Helper()
	for fd := range 1 << 10 {
		if at, err := unix.Getsockname(fd); err == nil {
			if at, ok := at.(*unix.SockaddrNetlink); ok && at.Pid == k.src.conn.PortID() {
				if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 0); err != nil {
					k.t.Fatal(err)
				}
				return
			}
		}
	}
	k.t.Fatal("the source's socket is not there")
}
