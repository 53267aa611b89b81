package monitor

import (
	"context"
	"net/netip"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx/linxtest"
)

const deadline = 20 * time.Second

// checkLeaks is linxtest.CheckLeaks without the garbage collector, which closes files that were forgotten.
func checkLeaks(t *testing.T) {
	t.Helper()
	percent := debug.SetGCPercent(-1)
	t.Cleanup(func() { debug.SetGCPercent(percent) })
	linxtest.CheckLeaks(t)
}

// recorder keeps the events that it is notified of.
type recorder struct {
	mu     sync.Mutex
	events []Event
}

func (r *recorder) notify(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e.Clone())
}

// take gives the events so far, and forgets them.
func (r *recorder) take() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	events := r.events
	r.events = nil
	return events
}

func (r *recorder) saw(match func(Event) bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if match(e) {
			return true
		}
	}
	return false
}

// wait waits for an event that matches.
func (r *recorder) wait(t *testing.T, what string, match func(Event) bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for start := time.Now(); !r.saw(match); <-tick.C {
		if time.Since(start) > deadline {
			for _, e := range r.take() {
				t.Logf("told: %v", e)
			}
			t.Fatalf("not told after %v: %s", deadline, what)
		}
	}
}

// serve runs Serve until the test, or the func it returns, ends it; that gives Serve's error.
func serve(t *testing.T, m *Monitor) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- m.Serve(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return await(t, result)
	})
	t.Cleanup(func() { stop() })
	return stop
}

// await receives, or fails the test.
func await[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(deadline):
		t.Fatalf("nothing after %v", deadline)
		panic("unreachable")
	}
}

func isResync(e Event) bool { return e.Kind == KindResync }

// addsAddress matches the event of an address that was added.
func addsAddress(prefix string) func(Event) bool {
	want := netip.MustParsePrefix(prefix)
	return func(e Event) bool {
		a, ok := e.Address()
		return ok && e.New() && a.Prefix == want
	}
}

// addAddress adds an address in the test's namespace, by another library.
func addAddress(t *testing.T, n *testns.Net, link, prefix string) {
	t.Helper()
	addr, err := netlink.ParseAddr(prefix)
	if err == nil {
		var l netlink.Link
		if l, err = n.Netlink().LinkByName(link); err == nil {
			err = n.Netlink().AddrAdd(l, addr)
		}
	}
	if err != nil {
		t.Fatalf("adding %s to %s: %v", prefix, link, err)
	}
}

func delAddress(t *testing.T, n *testns.Net, link, prefix string) {
	t.Helper()
	addr, err := netlink.ParseAddr(prefix)
	if err == nil {
		var l netlink.Link
		if l, err = n.Netlink().LinkByName(link); err == nil {
			err = n.Netlink().AddrDel(l, addr)
		}
	}
	if err != nil {
		t.Fatalf("deleting %s from %s: %v", prefix, link, err)
	}
}
