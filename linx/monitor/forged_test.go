package monitor

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// Whoever has CAP_NET_ADMIN in the namespace may send to the Monitor's port and to its groups. It tells
// only what the kernel says.
func TestForgedEvents(t *testing.T) {
	checkLeaks(t)
	n, c := newChanger(t)
	var r recorder
	m := New(n.Namespace(), r.notify, Config{})
	if err := m.Join(nil); err != nil {
		t.Fatal(err)
	}
	port := m.session.socket.PortID()

	// What the kernel would send if an address were added, by somebody who is not the kernel.
	b := forgedAddress()
	n.Do(func() {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		for _, to := range []unix.SockaddrNetlink{
			{Family: unix.AF_NETLINK, Pid: port},
			{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_IPV4_IFADDR},
		} {
			// To groups, the kernel gets it as well, and answers that it is no request: never mind.
			if err := unix.Sendto(fd, b, 0, &to); err != nil && err != unix.ECONNREFUSED {
				t.Fatalf("sending to %+v: %v", to, err)
			}
		}
	})
	serve(t, m)
	c.alias("end")
	r.wait(t, "a true event", func(e Event) bool { l, ok := e.Link(); return ok && l.Alias == "end" })
	for _, e := range r.take() {
		if addsAddress("10.66.66.66/24")(e) {
			t.Errorf("told of a forged event: %v", e)
		}
	}
}

func forgedAddress() []byte {
	e := message(unix.RTM_NEWADDR, []byte{unix.AF_INET, 24, 0, 0, 1, 0, 0, 0}, attribute(unix.IFA_LOCAL, 10, 66, 66, 66))
	b := native.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(e.Body)))
	b = native.AppendUint16(b, e.Type)
	b = append(b, make([]byte, 10)...)
	return append(b, e.Body...)
}

// The forged event is one that would be told of, if only it came from the kernel.
func TestForgedAddressIsOne(t *testing.T) {
	for h, body := range rtnetlink.Messages(forgedAddress()) {
		if e := newEvent(h, body); !addsAddress("10.66.66.66/24")(e) {
			t.Errorf("%v", e)
		}
	}
}
