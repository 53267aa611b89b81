package sysctl

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// listen subscribes and serves the monitor until the test ends. Each hint that it gives is in the channel,
// as far as there is room.
func listen(t testing.TB, s *Source) <-chan struct{} {
	t.Helper()
	hints := make(chan struct{}, 1)
	service, err := s.Subscribe(t.Context(), func() {
		select {
		case hints <- struct{}{}:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- service.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	return hints
}

func hinted(t testing.TB, hints <-chan struct{}, by string) {
	t.Helper()
	timeout := time.NewTimer(linxtest.LeakDeadline)
	defer timeout.Stop()
	select {
	case <-hints:
	case <-timeout.C:
		t.Errorf("no hint by %s", by)
	}
}

// settled takes the hints of what was written before: they come at once, if the machine is not too busy,
// and a late one would only make a test that ought to fail pass.
func settled(hints <-chan struct{}) {
	quiet := time.NewTimer(20 * time.Millisecond)
	defer quiet.Stop()
	for {
		select {
		case <-hints:
		case <-quiet.C:
			return
		}
	}
}

func TestHints(t *testing.T) {
	linxtest.CheckLeaks(t)
	everywhere(t, func(t *testing.T, n *testns.Net, ns linx.Namespace) {
		n.Veth("v0", "v1")
		s := source(t, ns, Options{})
		hints := listen(t, s)
		r := reconciled(t, s, Settings{
			"net.ipv4.tcp_syncookies":          "2",
			"net.ipv4.conf.v0.arp_filter":      "1",
			"net.ipv6.conf.v0.disable_ipv6":    "0",
			"net.ipv4.neigh.v0.retrans_time":   "100",
			"net.ipv4.conf.v1.forwarding":      "0",
			"net.ipv4.conf.absent0.arp_filter": "1",
		}, LastApplied{})
		if len(r.Failed) > 0 {
			t.Fatal(r.Failed)
		}
		if got := s.Unhinted(); len(got) > 0 {
			t.Errorf("no hints for %v", got)
		}
		for _, write := range []string{
			"net/ipv4/tcp_syncookies",
			"net/ipv4/conf/v0/arp_filter",
			"net/ipv4/conf/default/arp_filter", // moves those of interfaces that nobody has set
			"net/ipv6/conf/all/disable_ipv6",
			"net/ipv4/neigh/v0/retrans_time_ms", // the same in another unit
			"net/ipv4/ip_forward",
			"net/ipv4/conf/all/forwarding",
		} {
			settled(hints)
			value := "1"
			if look(t, n, write) == "1" {
				value = "0"
			}
			turn(t, n, write, value)
			hinted(t, hints, "writing "+write)
		}
		link, err := n.Netlink().LinkByName("v1")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			what   string
			change func() error
		}{
			{"a new name", func() error { return n.Netlink().LinkSetName(link, "v2") }},
			{"a new link", func() error { n.Veth("absent0", "v3"); return nil }},
			{"the end of a link", func() error { return n.Netlink().LinkDel(link) }},
		} {
			settled(hints)
			if err := c.change(); err != nil {
				t.Fatal(err)
			}
			hinted(t, hints, c.what)
		}
	})
}

// NETCONF alone tells of what it knows, with no file watched, whichever protocol's it is.
func TestNetconf(t *testing.T) {
	n := testns.New(t)
	n.Veth("v0", "v1")
	s := source(t, n.Namespace(), Options{})
	hints := listen(t, s) // before any pass, which would have the keys watched
	paths := []string{"net/ipv4/conf/v0/forwarding", "net/ipv6/conf/v0/forwarding", "net/ipv6/conf/v0/proxy_ndp"}
	if _, err := os.Stat("/proc/sys/net/mpls/conf"); err == nil {
		paths = append(paths, "net/mpls/conf/v0/input")
	}
	for _, path := range paths {
		settled(hints)
		value := "1"
		if look(t, n, path) == "1" {
			value = "0"
		}
		turn(t, n, path, value)
		hinted(t, hints, path)
	}
}

// The monitor alone, without a timer, heals drift, side effects of keys that are not desired included, and
// sets the keys of interfaces as they come. What passes write causes one further pass at most.
func TestLoopByMonitor(t *testing.T) {
	linxtest.CheckLeaks(t)
	everywhere(t, func(t *testing.T, n *testns.Net, ns linx.Namespace) {
		n.Veth("v0", "v1")
		loop := served(t, New(ns, Options{}), Settings{
			"net.ipv4.tcp_syncookies":     "2",
			"net.ipv4.conf.v0.forwarding": "1",
		}, Config{Interval: reconcile.Never, Debounce: reconcile.Immediate})
		for path, value := range map[string]string{"net/ipv4/tcp_syncookies": "0", "net/ipv4/conf/v0/forwarding": "0"} {
			want := look(t, n, path)
			turn(t, n, path, value)
			linxtest.Eventually(t, path+" is healed", func() bool { return look(t, n, path) == want })
		}
		turn(t, n, "net/ipv4/ip_forward", "1")
		turn(t, n, "net/ipv4/ip_forward", "0") // takes v0's forwarding along
		linxtest.Eventually(t, "what ip_forward has moved is healed", func() bool { return look(t, n, "net/ipv4/conf/v0/forwarding") == "1" })

		if err := loop.PutDesired(Settings{"net.ipv4.conf.late0.arp_filter": "1", "net.ipv4.tcp_syncookies": "1"}); err != nil {
			t.Fatal(err)
		}
		linxtest.Eventually(t, "the new state is there", func() bool { return look(t, n, "net/ipv4/tcp_syncookies") == "1" })
		n.Veth("late0", "late1")
		linxtest.Eventually(t, "the new interface is set", func() bool { return look(t, n, "net/ipv4/conf/late0/arp_filter") == "1" })
	})
}

func TestOwnWritesCauseOnePassAtMost(t *testing.T) {
	n := testns.New(t)
	var applied, idle int // Notify's calls do not overlap
	notified := make(chan Report, 100)
	loop := served(t, New(n.Namespace(), Options{}), Settings{"net.ipv4.tcp_syncookies": "0"}, Config{
		Interval: reconcile.Never, Debounce: reconcile.Immediate,
		Notify: func(_ context.Context, r Report, err error) { notified <- r },
	})
	for i := range 50 {
		if err := loop.PutDesired(Settings{"net.ipv4.tcp_syncookies": Int(1 + i%2), "net.ipv4.conf.lo.arp_filter": Int(i % 2)}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), linxtest.LeakDeadline)
		if err := loop.WaitConverged(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	if err := loop.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(notified)
	for r := range notified {
		if len(r.Applied) > 0 {
			applied++
		} else {
			idle++
		}
	}
	if applied > 52 || idle > applied { // with the first pass, and the last word, which repeats a report
		t.Errorf("%d passes applied something, %d nothing", applied, idle)
	}
}

// A monitor that dies takes the loop with it; the supervisor brings both back, and hints as well.
func TestMonitorDies(t *testing.T) {
	linxtest.CheckLeaks(t)
	n := testns.New(t)
	s := New(n.Namespace(), Options{})
	loop, err := reconcile.New(s, Settings{"net.ipv4.tcp_syncookies": "2"}, Config{Interval: reconcile.Never, Debounce: reconcile.Immediate})
	if err != nil {
		t.Fatal(err)
	}
	tree := linxtest.Supervise(t, loop)
	if err := loop.WaitConverged(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		s.mu.Lock()
		w := s.watcher
		s.mu.Unlock()
		if err := w.close(); err != nil {
			t.Fatal(err)
		}
		tree.AwaitFailures(i + 1)
		turn(t, n, "net/ipv4/tcp_syncookies", "0")
		linxtest.Eventually(t, "drift is healed again", func() bool { return look(t, n, "net/ipv4/tcp_syncookies") == "2" })
		linxtest.Eventually(t, "there is a watch again", func() bool { return len(s.Unhinted()) == 0 })
		turn(t, n, "net/ipv4/tcp_syncookies", "0")
		linxtest.Eventually(t, "drift is healed by hint", func() bool { return look(t, n, "net/ipv4/tcp_syncookies") == "2" })
	}
}

func TestLoopEndsWithItsProcess(t *testing.T) {
	linxtest.CheckLeaks(t)
	n := testns.New(t)
	p := n.Process()
	loop := served(t, New(linx.PID(p.PID()), Options{}), Settings{"net.ipv4.tcp_syncookies": "2"}, Config{Interval: reconcile.Never})
	p.Kill()
	linxtest.Eventually(t, "the loop has ended for good", func() bool { return errors.Is(loop.Status().Final, linx.ErrNamespaceGone) })
}

func TestLoopFollowsThePathByMonitor(t *testing.T) {
	linxtest.CheckLeaks(t)
	n := testns.New(t)
	loop := served(t, New(n.Namespace(), Options{}), Settings{"net.ipv4.tcp_syncookies": "2"}, Config{Debounce: reconcile.Immediate, Interval: time.Hour})
	defer func() {
		if t.Failed() {
			report, _ := loop.LastReport()
			t.Logf("%+v\n%+v", loop.Status(), report)
		}
	}()
	for range 3 {
		n.Replace()
		linxtest.Eventually(t, "converged in the new namespace", func() bool { return look(t, n, "net/ipv4/tcp_syncookies") == "2" })
	}
	if status := loop.Status(); status.Serves != 1 {
		t.Errorf("%+v", status)
	}
}

func TestUnhinted(t *testing.T) {
	n := testns.New(t)
	s := source(t, linx.PID(n.Process(unix.CLONE_NEWUTS, unix.CLONE_NEWIPC).PID()), Options{})
	desired := Settings{"net.ipv4.tcp_syncookies": "2", "kernel.sem": "100 3200 10 12", "net.ipv4.conf.eth9.rp_filter": "1", "net.ipv4.nonsense": "1"}
	r := reconciled(t, s, desired, LastApplied{})
	all := []string{"kernel.sem", "net.ipv4.nonsense", "net.ipv4.tcp_syncookies"}
	if got := s.Unhinted(); !slices.Equal(got, all) {
		t.Errorf("without a monitor: %v", got)
	}
	t.Run("with a monitor", func(t *testing.T) {
		listen(t, s)
		reconciled(t, s, desired, r.LastApplied)
		if got := s.Unhinted(); !slices.Equal(got, []string{"kernel.sem", "net.ipv4.nonsense"}) {
			t.Errorf("with a monitor: %v", got)
		}
	})
	if got := s.Unhinted(); !slices.Equal(got, all) {
		t.Errorf("after a monitor: %v", got)
	}
}

func TestWritten(t *testing.T) {
	event := func(mask uint32, name string) []byte {
		b := make([]byte, unix.SizeofInotifyEvent+len(name))
		binary.NativeEndian.PutUint32(b[4:], mask)
		binary.NativeEndian.PutUint32(b[12:], uint32(len(name)))
		copy(b[unix.SizeofInotifyEvent:], name)
		return b
	}
	for what, c := range map[string]struct {
		events []byte
		want   bool
	}{
		"a write":              {event(unix.IN_MODIFY, ""), true},
		"an overflow":          {event(unix.IN_Q_OVERFLOW, ""), true},
		"the end of a watch":   {event(unix.IN_IGNORED, ""), false},
		"an end, then a write": {slices.Concat(event(unix.IN_IGNORED, "abc\x00"), event(unix.IN_MODIFY, "")), true},
		"nothing":              {nil, false},
		"half an event":        {event(unix.IN_MODIFY, "")[:10], false},
	} {
		if got := written(c.events); got != c.want {
			t.Errorf("%s: %v", what, got)
		}
	}
}

// Subscribing to what is not there fails, and leaves nothing.
func TestSubscribeFails(t *testing.T) {
	linxtest.CheckLeaks(t)
	n := testns.New(t)
	n.Unmount()
	if _, err := New(n.Namespace(), Options{}).Subscribe(t.Context(), func() {}); !errors.Is(err, linx.ErrNamespaceGone) {
		t.Error(err)
	}
	n.Remount()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(n.Namespace(), Options{}).Subscribe(ctx, func() {}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	s := source(t, n.Namespace(), Options{})
	service, err := s.Subscribe(t.Context(), func() {})
	if err != nil {
		t.Fatal(err)
	}
	if err := service.Serve(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

// A monitor whose context has ended before it is served closes what Subscribe opened, as any other does.
func TestMonitorServedTooLate(t *testing.T) {
	linxtest.CheckLeaks(t)
	n := testns.New(t)
	src := New(n.Namespace(), Options{})
	service, err := src.Subscribe(t.Context(), func() {})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := service.Serve(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Serve: %v, want context.Canceled", err)
	}
	if err := service.(*monitor).end.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closing the watch: %v, want that it is closed", err)
	}
	if err := src.Close(); err != nil {
		t.Error(err)
	}
}
