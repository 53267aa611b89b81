package rtnetlink

import (
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx/linxtest"
)

// listen opens a socket that hears of routes.
func listen(t testing.TB, n *testns.Net) *Socket {
	t.Helper()
	s, err := OpenSocket(handle(t, n), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	err = s.Control(func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, unix.RTNLGRP_IPV4_ROUTE)
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// send sends one unicast datagram from another socket of the namespace.
func send(t testing.TB, from *Socket, to *Socket, size int) {
	t.Helper()
	err := from.Control(func(fd int) error {
		return unix.Sendto(fd, make([]byte, size), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: to.PortID()})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestSocketReceives(t *testing.T) {
	linxtest.CheckLeaks(t)
	c, n := dial(t)
	s := listen(t, n)
	buf := make([]byte, 8<<10)
	if _, err := s.TryReceive(buf); err != unix.EAGAIN {
		t.Errorf("nothing there: %v, want EAGAIN", err)
	}
	addRoutes(t, c, 2)
	for range 2 {
		if err := s.Wait(); err != nil {
			t.Fatal(err)
		}
		datagram, err := s.TryReceive(buf)
		if err != nil {
			t.Fatal(err)
		}
		messages := 0
		for h := range Messages(datagram) {
			messages++
			if h.Type != unix.RTM_NEWROUTE || h.Port != c.PortID() {
				t.Errorf("header %+v, want a new route from port %d", h, c.PortID())
			}
		}
		if messages != 1 {
			t.Errorf("%d messages in a datagram", messages)
		}
	}
	if _, err := s.TryReceive(buf); err != unix.EAGAIN {
		t.Errorf("nothing left: %v, want EAGAIN", err)
	}
}

// Only what the kernel sends is received, however it is asked for, and nobody waits for it less patiently.
func TestSocketIgnoresOthers(t *testing.T) {
	c, n := dial(t)
	s := listen(t, n)
	buf := make([]byte, 8<<10)
	for _, size := range []int{100, 16 << 10} { // the second does not even fit
		send(t, c.socket, s, size)
		if _, err := s.TryReceive(buf); err != unix.EAGAIN {
			t.Errorf("%d bytes from another process: %v, want EAGAIN", size, err)
		}
		send(t, c.socket, s, size)
		addRoutes(t, c, 1)
		datagram, err := s.Receive(buf)
		if err != nil {
			t.Fatal(err)
		}
		for h := range Messages(datagram) {
			if h.Type != unix.RTM_NEWROUTE {
				t.Errorf("got %+v", h)
			}
		}
		var b Batch
		delRoute(&b, 0)
		mustDo(t, c, &b)
		if _, err := s.Receive(buf); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSocketWithASmallBuffer(t *testing.T) {
	c, n := dial(t)
	s := listen(t, n)
	addRoutes(t, c, 2)
	_, err := s.Receive(make([]byte, 16))
	if !errors.Is(err, unix.EMSGSIZE) || !strings.Contains(err.Error(), "in a buffer of 16") {
		t.Errorf("%v, want EMSGSIZE", err)
	}
	if _, err := s.Receive(make([]byte, 8<<10)); err != nil {
		t.Errorf("the next: %v", err)
	}
}

func TestSocketOverflows(t *testing.T) {
	c, n := dial(t)
	s := listen(t, n)
	// The least that there can be.
	s.Control(func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1) })
	addRoutes(t, c, 1000)
	if err := s.Wait(); !errors.Is(err, unix.ENOBUFS) {
		t.Errorf("Wait: %v, want ENOBUFS", err)
	}
	if _, err := s.TryReceive(make([]byte, 8<<10)); err != nil {
		t.Errorf("what came before: %v", err)
	}
}

func TestSocketDeadline(t *testing.T) {
	_, n := dial(t)
	s := listen(t, n)
	buf := make([]byte, 100)
	s.SetDeadline(time.Now().Add(time.Millisecond))
	if err := s.Wait(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Wait: %v", err)
	}
	if _, err := s.Receive(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Receive: %v", err)
	}
	if _, err := s.TryReceive(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("TryReceive: %v", err)
	}
	s.SetDeadline(time.Time{})
	if _, err := s.TryReceive(buf); err != unix.EAGAIN {
		t.Errorf("without one: %v", err)
	}
}

func TestSocketClosedWhileSomebodyWaits(t *testing.T) {
	linxtest.CheckLeaks(t)
	n := testns.New(t)
	for name, wait := range map[string]func(*Socket) error{
		"Wait":    (*Socket).Wait,
		"Receive": func(s *Socket) error { _, err := s.Receive(make([]byte, 100)); return err },
	} {
		s := listen(t, n)
		result := make(chan error)
		go func() { result <- wait(s) }()
		linxtest.Eventually(t, "it waits", waiting)
		s.Close()
		if err := <-result; !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: %v, want os.ErrClosed", name, err)
		}
		if err := s.Control(func(int) error { return nil }); !errors.Is(err, os.ErrClosed) {
			t.Errorf("Control: %v, want os.ErrClosed", err)
		}
	}
}

// waiting tells whether a goroutine waits in a Socket, on the netpoller.
func waiting() bool {
	buf := make([]byte, 1<<20)
	for _, stack := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "[IO wait") && strings.Contains(stack, "rtnetlink.(*Socket).receive(") {
			return true
		}
	}
	return false
}

// What setup refuses, OpenSocket says, and it leaves no descriptor.
func TestOpenSocketFails(t *testing.T) {
	old := debug.SetGCPercent(-1) // which would close what is forgotten
	t.Cleanup(func() { debug.SetGCPercent(old) })
	linxtest.CheckLeaks(t)
	n := testns.New(t)
	h := handle(t, n)
	for range 10 {
		_, err := OpenSocket(h, func(int) error { return unix.EPERM })
		if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), n.Path()) {
			t.Errorf("%v, want EPERM and the namespace's name", err)
		}
	}
	h.Close()
	if _, err := OpenSocket(h, nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("in a closed handle: %v", err)
	}
}

// A read per event is a cost per event.
func TestReceivingAllocatesNothing(t *testing.T) {
	c, n := dial(t)
	s := listen(t, n)
	addRoutes(t, c, 200)
	buf := make([]byte, 8<<10)
	allocs := testing.AllocsPerRun(100, func() {
		if err := s.Wait(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.TryReceive(buf); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations per event", allocs)
	}
}
