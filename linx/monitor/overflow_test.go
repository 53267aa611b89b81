package monitor

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The receive buffer overflows while notify takes its time. Then Resync comes, and from then on nothing
// is missed: not even what changes while notify is being told Resync.
func TestOverflow(t *testing.T) {
	checkLeaks(t)
	n, c := newChanger(t)
	var r recorder
	var log bytes.Buffer
	started, goOn := make(chan struct{}, 1), make(chan struct{})
	resyncs := 0
	m := New(n.Namespace(), func(e Event) {
		r.notify(e)
		switch {
		case isResync(e):
			resyncs++
			c.alias(fmt.Sprint("after resync ", resyncs))
		case routeTo("10.1.0.0/24")(e):
			started <- struct{}{}
			<-goOn
		}
	}, Config{ReceiveBuffer: 16 << 10, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err := m.Join(nil); err != nil { // no Resync at the start
		t.Fatal(err)
	}
	stop := serve(t, m)
	for round := range 3 {
		c.route(unix.RTM_NEWROUTE, "10.1.0.0/24", protoOurs, []string{"10.0.0.2"}, unix.NLM_F_EXCL)
		await(t, started)
		for i := range 300 { // far more than 16 KiB
			dst := fmt.Sprintf("10.2.%d.0/24", i%100)
			c.route(unix.RTM_NEWROUTE, dst, protoOurs, []string{"10.0.0.2"}, unix.NLM_F_EXCL)
			c.route(unix.RTM_DELROUTE, dst, protoOurs, []string{"10.0.0.2"})
		}
		goOn <- struct{}{}
		r.wait(t, "what changed during the resync", func(e Event) bool {
			l, ok := e.Link()
			return ok && l.Alias == fmt.Sprint("after resync ", round+1)
		})
		events := r.take()
		if len(events) > 400 {
			t.Fatalf("%d events: the buffer did not overflow, and this test shows nothing", len(events))
		}
		go func() { <-started; goOn <- struct{}{} }()
		c.route(unix.RTM_DELROUTE, "10.1.0.0/24", protoOurs, []string{"10.0.0.2"})
		r.wait(t, "the deletion", func(e Event) bool { return e.Deleted() && routeTo("10.1.0.0/24")(e) })
	}
	stop()
	if resyncs != 3 {
		t.Errorf("%d resyncs for 3 overflows", resyncs)
	}
	if s := log.String(); strings.Count(s, "events lost") != 3 || !strings.Contains(s, m.String()) {
		t.Errorf("the log says %q; want each overflow, by monitor", s)
	}
}

// An overflow before Serve is told of by Serve.
func TestOverflowAfterJoin(t *testing.T) {
	checkLeaks(t)
	n, c := newChanger(t)
	var r recorder
	m := New(n.Namespace(), r.notify, Config{ReceiveBuffer: 16 << 10})
	if err := m.Join(nil); err != nil {
		t.Fatal(err)
	}
	for range 300 {
		c.route(unix.RTM_NEWROUTE, "10.1.0.0/24", protoOurs, []string{"10.0.0.2"}, unix.NLM_F_EXCL)
		c.route(unix.RTM_DELROUTE, "10.1.0.0/24", protoOurs, []string{"10.0.0.2"})
	}
	serve(t, m)
	r.wait(t, "the resync", isResync)
	if events := r.take(); isResync(events[0]) {
		t.Errorf("told %v; want what the buffer held, and then Resync", events)
	}
}

// An event that is too large to be read is told of as Resync, too: an interface may have names without end.
func TestEventTooLarge(t *testing.T) {
	checkLeaks(t)
	n, c := newChanger(t)
	var r recorder
	m := New(n.Namespace(), r.notify, Config{Groups: []Group{GroupLink}})
	if err := m.Join(nil); err != nil {
		t.Fatal(err)
	}
	serve(t, m)
	for i := range 300 {
		c.alternativeName(fmt.Sprintf("name-%03d-%s", i, strings.Repeat("x", 100)))
	}
	r.wait(t, "the resync", isResync)
	large := false
	for _, e := range r.take() {
		large = large || len(e.Body) > 30<<10
	}
	if !large {
		t.Error("the resync came before there were large events: this test shows nothing")
	}
}

// The default is 4 MiB, past rmem_max where that is allowed, and what there is can be seen.
func TestReceiveBuffer(t *testing.T) {
	n, _ := newChanger(t)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	allowed := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4096) == nil
	for _, test := range []struct{ want, atMost int }{{0, DefaultReceiveBuffer}, {8192, 8192}, {64 << 20, 64 << 20}, {1, 1 << 20}} {
		var log bytes.Buffer
		m := New(n.Namespace(), func(Event) {}, Config{ReceiveBuffer: test.want, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if got := m.ReceiveBuffer(); got != 0 {
			t.Errorf("not joined: ReceiveBuffer() = %d, want 0", got)
		}
		if err := m.Join(nil); err != nil {
			t.Fatal(err)
		}
		var twice int
		m.session.socket.Control(func(fd int) (err error) {
			twice, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
			return err
		})
		got := m.ReceiveBuffer()
		if got <= 0 || got != twice/2 || got > test.atMost {
			t.Errorf("asked for %d: ReceiveBuffer() = %d, the kernel says %d/2", test.want, got, twice)
		}
		asked := max(test.want, 1)
		if test.want == 0 {
			asked = DefaultReceiveBuffer
		}
		if warned := strings.Contains(log.String(), "smaller"); warned != (got < asked) {
			t.Errorf("asked for %d, got %d: the log says %q", asked, got, log.String())
		}
		if allowed && got < asked {
			t.Errorf("asked for %d, which is allowed, and got %d", asked, got)
		}
		m.Close()
	}
}
