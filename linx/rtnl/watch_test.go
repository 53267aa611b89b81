package rtnl

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// watcher is a bare multicast socket: the kernel queues each event while it makes the change, so that all
// there are can be read once changes have been made.
type watcher struct {
	t   *testing.T
	fd  int
	buf []byte
}

type event struct {
	typ    uint16
	flags  uint16
	portID uint32
	route
	hops []hop
}

func (k *kernel) watchRoutes() *watcher {
	k.t.Helper()
	return k.watch(unix.RTMGRP_IPV4_ROUTE | unix.RTMGRP_IPV6_ROUTE)
}

// watch joins groups, by their bits.
func (k *kernel) watch(groups uint32) *watcher {
	k.t.Helper()
	w := &watcher{t: k.t, buf: make([]byte, 1<<16)}
	k.Do(func() {
		fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
		if err == nil {
			err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups})
		}
		if err != nil {
			k.t.Fatal(err)
		}
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20) != nil {
			unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 64<<20)
		}
		w.fd = fd
	})
	k.t.Cleanup(func() { unix.Close(w.fd) })
	return w
}

// wait waits for an event, not for long.
func (w *watcher) wait() {
	if _, err := unix.Poll([]unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}}, 100); err != nil && err != unix.EINTR {
		w.t.Error(err)
	}
}

// drain gives the events since the last call. lost says that the buffer has overflown in between.
func (w *watcher) drain() (events []event, lost bool) {
	w.t.Helper()
	for {
		n, _, err := unix.Recvfrom(w.fd, w.buf, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return events, lost
		case errors.Is(err, unix.ENOBUFS):
			lost = true
			continue
		case err != nil:
			w.t.Error(err)
			return events, true
		}
		for b := w.buf[:n]; len(b) >= unix.SizeofNlMsghdr; {
			size := int(native.Uint32(b))
			e := event{typ: native.Uint16(b[4:]), flags: native.Uint16(b[6:]), portID: native.Uint32(b[12:])}
			var d routeDecoder
			if d.decode(b[unix.SizeofNlMsghdr:size], &e.route) {
				e.hops = d.hops
				events = append(events, e)
			}
			b = b[min(align(size), len(b)):]
		}
	}
}

// types gives the types of the events since the last call, of which none may be lost.
func (w *watcher) types() (types []uint16) {
	w.t.Helper()
	for {
		n, _, err := unix.Recvfrom(w.fd, w.buf, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return types
		case err != nil:
			w.t.Fatal(err)
		}
		types = append(types, native.Uint16(w.buf[4:n]))
	}
}
