package linxtest

import "context"

// monitor is the service that Subscribe returns.
type monitor struct {
	source *Source
	hint   func()
	end    chan Fault
	served bool // guarded by source.mu, like closed
	closed bool
}

// String is "fake monitor".
func (m *monitor) String() string { return "fake monitor" }

func (m *monitor) Serve(ctx context.Context) error {
	m.source.mu.Lock()
	if m.served {
		m.source.counts.ServedAgain++
	}
	m.served = true
	m.source.mu.Unlock()
	defer m.close()
	if err := m.source.reach(ctx, Serving); err != nil {
		return err
	}
	select {
	case f := <-m.end:
		return f(ctx)
	case <-ctx.Done():
		if err := m.source.reach(ctx, Stopping); err != nil {
			return err
		}
		return ctx.Err()
	}
}

func (m *monitor) close() {
	m.source.kernel.leave(m)
	m.source.mu.Lock()
	defer m.source.mu.Unlock()
	if !m.closed {
		m.closed = true
		m.source.counts.Open--
	}
}

// event is what the kernel calls after each change.
func (m *monitor) event() {
	if !m.source.dropped() {
		m.hint()
	}
}

// dropped decides on an event, and counts it.
func (s *Source) dropped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drop == 0 {
		s.counts.Hints++
		return false
	}
	if s.drop > 0 {
		s.drop--
	}
	s.counts.Dropped++
	return true
}

// Hint is an event without a change: it calls the newest subscription's hint, even if that subscription has
// ended already. It does nothing before the first one.
func (s *Source) Hint() {
	s.mu.Lock()
	m := s.newest
	s.mu.Unlock()
	if m != nil {
		m.event()
	}
}

// Drop loses the next n events, as a full receive buffer does; n below 0: all of them, until Drop(0).
func (s *Source) Drop(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop = n
}

// EndMonitor ends the newest monitor unasked: its Serve runs f and returns what that returns, nil included.
// It reports false if there is none, or it is ending already.
func (s *Source) EndMonitor(f Fault) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newest == nil || s.newest.closed {
		return false
	}
	select {
	case s.newest.end <- f:
		return true
	default:
		return false
	}
}
