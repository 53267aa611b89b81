package monitor

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/linx-go/linx-go/linx"
)

// Join opens the socket and joins the groups now, so that the next Serve misses nothing that happens
// from here on. Whoever reads the kernel after Join and then serves has no gap between the two. Close
// undoes it, if it is not to be served.
//
// h is an open handle of the namespace, whose owner keeps it open for as long as Serve runs, and closes
// it; the Monitor uses it for later joins too. nil: the Monitor opens the namespace by itself, as Serve
// does. It is an error to join a Monitor that is joined or being served.
func (m *Monitor) Join(h *linx.Handle) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session != nil {
		return fmt.Errorf("%s: joined already; Close first, or let Serve end", m)
	}
	m.given = h
	return m.join()
}

// Close leaves what Join joined. While Serve runs, it makes that end, with an error that wraps
// os.ErrClosed. The Monitor can be joined and served again. Without anything to close, it does nothing.
func (m *Monitor) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session == nil {
		return nil
	}
	if m.session.served {
		return m.session.socket.Close() // the rest is for Serve to do
	}
	return m.leave()
}

// SetGroups replaces the groups; none means DefaultGroups. While joined it takes effect at once: of what
// the new groups would have told before, nothing is heard, so look at the kernel afterwards. It stays
// for later joins. If a group cannot be joined, as an old kernel does not know it (EINVAL), nothing
// changes.
func (m *Monitor) SetGroups(groups ...Group) error {
	if len(groups) == 0 {
		groups = DefaultGroups()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.adjust(func(fd int) error { return regroup(fd, m.groups, groups) }); err != nil {
		return err
	}
	m.groups = slices.Clone(groups)
	return nil
}

// adjust runs f on the socket, if there is one.
func (m *Monitor) adjust(f func(fd int) error) error {
	if m.session == nil {
		return nil
	}
	err := m.session.socket.Control(f)
	if err == nil || errors.Is(err, os.ErrClosed) { // Serve is about to end
		return nil
	}
	return fmt.Errorf("%s: %w", m, err)
}

// ReceiveBuffer is the size of the receive buffer that the kernel granted, in bytes, comparable with
// Config.ReceiveBuffer (the kernel counts twice that, for its overhead: socket(7)). 0: not joined.
func (m *Monitor) ReceiveBuffer() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session == nil {
		return 0
	}
	return m.session.buffer
}

// start gives Serve its session: the one that Join left, or a fresh one. stop ends it.
func (m *Monitor) start() (s *session, fresh bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session == nil {
		fresh = true
		if err := m.join(); err != nil {
			return nil, false, err
		}
	}
	m.session.served = true
	return m.session, fresh, nil
}

func (m *Monitor) stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	_ = m.leave() // a socket closed already says so, and is as good
}

// unjoin leaves what Join joined, unless it is being served.
func (m *Monitor) unjoin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session != nil && !m.session.served {
		_ = m.leave()
	}
}

// join makes a session.
func (m *Monitor) join() error {
	if m.buffer < 0 {
		return fmt.Errorf("%s: ReceiveBuffer %d: want bytes, or 0 for %d", m, m.buffer, DefaultReceiveBuffer)
	}
	h := m.given
	if h == nil {
		if err := m.open(); err != nil {
			return fmt.Errorf("%s: %w", m, err)
		}
		h = m.own
	}
	s := &session{handle: h, log: m.log.With("monitor", m.String())}
	err := s.join(m.groups, m.filter, m.buffer)
	if err != nil {
		if m.given == nil {
			m.own.Close()
		}
		return fmt.Errorf("%s: %w", m, err)
	}
	if s.buffer < m.buffer {
		s.log.Warn("receive buffer smaller than asked for", "bytes", s.buffer, "asked", m.buffer,
			"needs", "CAP_NET_ADMIN in the first user namespace, or net.core.rmem_max")
	}
	m.session = s
	return nil
}

// open opens the Monitor's own handle. Of a PID, it is the same process each time.
func (m *Monitor) open() (err error) {
	if m.own == nil {
		if m.own, err = m.ns.Find(); err != nil {
			return err
		}
	}
	return m.own.Refresh()
}

func (m *Monitor) leave() error {
	m.session.watch.Close() // for one that was never served: Wait has closed others
	err := m.session.socket.Close()
	if m.session.handle == m.own {
		err = errors.Join(err, m.own.Close())
	}
	m.session = nil
	return err
}
