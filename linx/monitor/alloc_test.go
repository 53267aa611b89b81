package monitor

import (
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
	const events = 200 // a run
	change := func() {
		for range events / 2 {
			c.route(unix.RTM_NEWROUTE, "10.1.0.0/24", protoOurs, []string{"10.0.0.2"})
			c.route(unix.RTM_DELROUTE, "10.1.0.0/24", protoOurs, []string{"10.0.0.2"})
		}
	}
	change()
	read := func() {
		if err := m.session.drain(false, m.notify); err != nil {
			t.Fatal(err)
		}
	}
	read()
	// AllocsPerRun counts what the change allocates too: once without reading, once with.
	without := testing.AllocsPerRun(5, change)
	read()
	told = 0
	with := testing.AllocsPerRun(5, func() {
		change()
		read()
	})
	if told != 6*events {
		t.Fatalf("told of %d events, want %d", told, 6*events)
	}
	if perEvent := (with - without) / events; perEvent >= 0.05 {
		t.Errorf("%.2f allocations per event", perEvent)
	}
}
