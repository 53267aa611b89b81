package rtnl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/linx/monitor"
)

// Subscribe joins the events of the namespace, as reconcile.Subscriber has it: links and addresses
// always, the routes and rules of each family of which there are desired ones, and neighbours if any are
// desired. Events that cannot matter wake nobody: our own changes, most of those of foreign routes, and what
// the kernel learns of neighbours by itself (see monitor.Filter).
//
// A subscription holds its sockets until Serve has ended, be it that its context had ended before: whoever
// subscribes has to serve, as a Loop does.
func (s *Source) Subscribe(ctx context.Context, hint func()) (suture.Service, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	release, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := s.open(); err != nil {
		return nil, err
	}
	l := &listener{source: s}
	l.monitor = monitor.New(s.ns, func(monitor.Event) { hint() }, monitor.Config{Groups: s.groups()})
	if err := l.monitor.SetFilter(s.filter); err != nil {
		return nil, fmt.Errorf("rtnl: %w", err)
	}
	if err := l.monitor.Join(s.handle); err != nil {
		return nil, fmt.Errorf("rtnl: subscribing: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listeners = append(s.listeners, l)
	return l, nil
}

// listener is a subscription, whose monitor follows what the source needs to hear.
type listener struct {
	source  *Source
	monitor *monitor.Monitor
}

// String is the monitor's: "monitor(/run/netns/blue)".
func (l *listener) String() string { return l.monitor.String() }

// Serve gives hints until ctx ends or the monitor fails.
func (l *listener) Serve(ctx context.Context) error {
	defer func() {
		s := l.source
		s.mu.Lock()
		defer s.mu.Unlock()
		s.listeners = slices.DeleteFunc(s.listeners, func(o *listener) bool { return o == l })
	}()
	return l.monitor.Serve(ctx)
}

// groups gives those that the state in use needs; before there is one, what the one to come needs, or all. A
// state that was merely validated says nothing: it need not come, and if it does, its pass regroups.
func (s *Source) groups() []monitor.Group {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := cmp.Or(s.current, s.validated)
	groups := []monitor.Group{monitor.GroupLink, monitor.GroupIPv4IfAddr, monitor.GroupIPv6IfAddr}
	if s.opts.NexthopObjects || x == nil || x.usesObjects() {
		groups = append(groups, monitor.GroupNexthop)
	}
	if x == nil || x.reach[which(false)].any {
		groups = append(groups, monitor.GroupIPv4Route)
	}
	if x == nil || x.reach[which(true)].any {
		groups = append(groups, monitor.GroupIPv6Route)
	}
	if x == nil || x.ruled[which(false)] {
		groups = append(groups, monitor.GroupIPv4Rule)
	}
	if x == nil || x.ruled[which(true)] {
		groups = append(groups, monitor.GroupIPv6Rule)
	}
	if x == nil || len(x.neighbors) > 0 {
		groups = append(groups, monitor.GroupNeigh)
	}
	return groups
}

// regroup makes subscriptions hear what x needs, before that is observed.
func (s *Source) regroup() error {
	groups := s.groups()
	return s.eachListener(func(m *monitor.Monitor) error { return m.SetGroups(groups...) })
}

// hear sets what of our own and of foreign events is heard: of foreign routes and learned neighbours all, or
// only what may have harmed ours. changed says that it was otherwise before: look at the kernel again if it is
// more now.
func (s *Source) hear(foreign bool) (changed bool, err error) {
	f := monitor.Filter{}
	if s.conn != nil {
		f.OwnPort = s.conn.PortID()
	}
	if !foreign {
		f.OwnProtocol, f.Learned = s.opts.protocol(), true
	}
	if f == s.filter {
		return false, nil
	}
	s.filter = f
	return true, s.eachListener(func(m *monitor.Monitor) error { return m.SetFilter(f) })
}

// eachListener runs f on the monitor of each subscription. One that cannot follow is closed: whoever serves
// it starts it anew.
func (s *Source) eachListener(f func(*monitor.Monitor) error) error {
	s.mu.Lock()
	listeners := slices.Clone(s.listeners)
	s.mu.Unlock()
	var errs []error
	for _, l := range listeners {
		if err := f(l.monitor); err != nil {
			errs = append(errs, fmt.Errorf("rtnl: %w", err), l.monitor.Close())
		}
	}
	return errors.Join(errs...)
}
