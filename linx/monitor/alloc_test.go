package monitor

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// An event that nobody decodes costs no allocation, from the socket to notify.
func TestNoAllocationPerEvent(t *testing.T) {
	n, c := newChanger(t)
	told := 0
	m := New(n.Namespace(), func(e Event) {
		if e.New() || e.Deleted() {
			told++
		}
	}, Config{Groups: []Group{GroupIPv4Route}})
	if err := m.Join(nil); err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	const events = 200
	least := ^uint64(0)
	for range 5 { // others in the process allocate now and then
		for range events / 2 {
			c.route(unix.RTM_NEWROUTE, "10.1.0.0/24", protoOurs, []string{"10.0.0.2"})
			c.route(unix.RTM_DELROUTE, "10.1.0.0/24", protoOurs, []string{"10.0.0.2"})
		}
		told = 0
		before := mallocs()
		if err := m.session.drain(nil, m.notify); err != nil {
			t.Fatal(err)
		}
		least = min(least, mallocs()-before)
		if told != events {
			t.Fatalf("told of %d events, want %d", told, events)
		}
	}
	if least > events/20 {
		t.Errorf("%d allocations for %d events", least, events)
	}
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}
