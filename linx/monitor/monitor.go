package monitor

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/linx-go/linx-go/linx"
)

// DefaultReceiveBuffer is what a Config's ReceiveBuffer of 0 means, in bytes: room for about 10,000
// route events.
const DefaultReceiveBuffer = 4 << 20

// Config is what a Monitor may be told besides. The zero value is good.
type Config struct {
	// Groups to listen to. None: DefaultGroups. See SetGroups.
	Groups []Group

	// ReceiveBuffer is the size of the socket's receive buffer in bytes, as setsockopt(2) takes it. 0:
	// DefaultReceiveBuffer. Events in excess of it are lost, and Resync says so. It costs memory only
	// while it is used. Past net.core.rmem_max it is forced, which takes CAP_NET_ADMIN in the first user
	// namespace; without, it is cut down to that, and the log says so. See Monitor.ReceiveBuffer.
	ReceiveBuffer int

	// Logger is told of overflows and of a buffer that is smaller than asked for. nil: silent.
	Logger *slog.Logger
}

// Monitor tells what changes in one network namespace, as ip-monitor(8) does. It is a suture.Service.
// Its methods are safe for concurrent use.
type Monitor struct {
	ns     linx.Namespace
	notify func(Event)
	buffer int
	log    *slog.Logger

	serving chan struct{} // holds a token while Serve runs

	mu      sync.Mutex
	groups  []Group
	filter  Filter
	own     *linx.Handle // of ns, made when first needed and kept for its identity
	given   *linx.Handle // the last that Join was given
	session *session     // nil: not joined
}

// New makes a Monitor that calls notify for each event, on the goroutine of Serve. notify should be
// quick: while it runs, events pile up. What it is given is valid during the call only; see Event.Clone.
// New opens nothing, and panics if notify is nil.
func New(ns linx.Namespace, notify func(Event), cfg Config) *Monitor {
	if notify == nil {
		panic(fmt.Sprintf("monitor: New(%s): notify is nil; want the func to tell of events", ns))
	}
	m := &Monitor{
		ns:      ns,
		notify:  notify,
		buffer:  cfg.ReceiveBuffer,
		log:     cfg.Logger,
		serving: make(chan struct{}, 1),
		groups:  slices.Clone(cfg.Groups),
	}
	if m.buffer == 0 {
		m.buffer = DefaultReceiveBuffer
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if len(m.groups) == 0 {
		m.groups = DefaultGroups()
	}
	return m
}

// String gives "monitor(/run/netns/blue)".
func (m *Monitor) String() string { return "monitor(" + m.ns.String() + ")" }

// Serve tells of events until ctx ends, and then returns ctx.Err(). It begins with what Join joined;
// without that, it joins by itself, and Resync is the first event.
//
// Any other end is an error. It wraps linx.ErrNamespaceGone if the namespace is gone (see
// linx.Handle.Wait), for a PID together with suture.ErrDoNotRestart; os.ErrClosed after Close, or when
// the handle given to Join was closed. If notify panics, Serve panics. However it ends, it leaves
// nothing open, and may be called again.
//
// A second Serve waits until the first has ended, or its own context: suture's Remove followed by Add
// lets the two overlap.
func (m *Monitor) Serve(ctx context.Context) error {
	select {
	case m.serving <- struct{}{}:
		defer func() { <-m.serving }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		m.unjoin() // it was this Serve's to close
		return ctx.Err()
	}
	s, fresh, err := m.start()
	if err != nil {
		return err
	}
	defer m.stop()
	err = s.listen(ctx, fresh, m.notify)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%s: %w", m, err)
}
