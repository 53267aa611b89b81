package sysctl

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/thejerf/suture/v4"
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/linx"
)

// groups are what the kernel tells of on netlink: interfaces that come, go and change their names, as their
// keys are new files then; and the settings that NETCONF knows of, which it tells of even when another key
// has moved them.
var groups = []int{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_NETCONF, unix.RTNLGRP_IPV6_NETCONF, unix.RTNLGRP_MPLS_NETCONF}

// Subscribe joins the events that may concern the keys of the passes that follow; see reconcile.Subscriber.
// It hints when one of them, or a key that moves it, is written through this mount of procfs, when the
// kernel tells of an interface's setting, and when an interface comes, goes or changes its name. What it
// cannot tell of, Unhinted names.
//
// It takes an inotify instance, of which fs.inotify.max_user_instances bounds the number, and a netlink
// socket.
func (s *Source) Subscribe(ctx context.Context, hint func()) (suture.Service, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.inTurn(ctx, s.reopen); err != nil {
		return nil, err
	}
	h, err := s.find()
	if err != nil {
		return nil, err
	}
	// All that the members need is got here, where being refused is no crash.
	end, err := h.Watch()
	if err != nil {
		return nil, fmt.Errorf("sysctl: %w", err)
	}
	socket, err := rtnetlink.OpenSocket(h, nil)
	if err != nil {
		end.Close()
		return nil, fmt.Errorf("sysctl: %w", err)
	}
	if err := socket.Control(join); err != nil { // once bound, as binding leaves all groups
		end.Close()
		socket.Close()
		return nil, fmt.Errorf("sysctl: %w", err)
	}
	w, err := newWatcher()
	if err != nil {
		end.Close()
		socket.Close()
		return nil, err
	}
	s.mu.Lock()
	s.watcher = w
	s.mu.Unlock()
	name := s.String()
	return &monitor{w, socket, end, linx.OneForAll(name+": monitor",
		&writes{name, w, hint},
		&events{name: name, socket: socket, hint: hint, names: map[uint32]string{}},
		&gone{name, end},
	)}, nil
}

// monitor is what Subscribe gives: its members, with what they read.
type monitor struct {
	watcher *watcher
	socket  *rtnetlink.Socket
	end     *linx.Watch
	members suture.Service
}

func (m *monitor) String() string { return fmt.Sprint(m.members) }

func (m *monitor) Serve(ctx context.Context) error {
	defer m.watcher.close()
	defer m.socket.Close()
	defer m.end.Close() // where ctx has ended already, no member is served
	return m.members.Serve(ctx)
}

func join(fd int) error {
	for _, group := range groups {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group); err != nil {
			return fmt.Errorf("joining netlink group %d: %w", group, err)
		}
	}
	return nil
}

// until runs read until it fails, or ctx ends, which closes what it reads.
func until(ctx context.Context, closeFile func() error, read func() error) error {
	stop := context.AfterFunc(ctx, func() { closeFile() })
	defer stop()
	for {
		if err := read(); err != nil {
			return cmp.Or(ctx.Err(), err)
		}
	}
}

// writes hints at what inotify tells of.
type writes struct {
	name    string
	watcher *watcher
	hint    func()
}

func (m *writes) String() string { return m.name + ": writes" }

func (m *writes) Serve(ctx context.Context) error {
	return until(ctx, m.watcher.close, func() error {
		if err := m.watcher.wait(); err != nil {
			return fmt.Errorf("sysctl: reading inotify events: %w", err)
		}
		m.hint()
		return nil
	})
}

// events hints at what netlink tells of.
type events struct {
	name   string
	socket *rtnetlink.Socket
	hint   func()
	names  map[uint32]string // of the interfaces that were told of, by index
	buf    [8192]byte
}

func (m *events) String() string { return m.name + ": events" }

func (m *events) Serve(ctx context.Context) error {
	return until(ctx, m.socket.Close, func() error {
		err := m.socket.Wait()
		concerns := errors.Is(err, unix.ENOBUFS)
		// All of them before the hint: having lost some, the kernel loses more until the queue was empty
		// once.
		for err == nil || errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.EMSGSIZE) {
			var datagram []byte
			datagram, err = m.socket.TryReceive(m.buf[:])
			switch {
			case err == nil:
				concerns = m.concerns(datagram) || concerns
			case !errors.Is(err, unix.EAGAIN):
				concerns = true
				clear(m.names) // some may have gone unheard
			}
		}
		if !errors.Is(err, unix.EAGAIN) {
			return fmt.Errorf("sysctl: reading netlink events: %w", err)
		}
		if concerns {
			m.hint()
		}
		return nil
	})
}

// concerns tells whether a datagram is worth a hint. Of interfaces, only those that are new to it, gone, or
// called otherwise are: the kernel tells of them for a hundred other reasons.
func (m *events) concerns(datagram []byte) bool {
	concerns := false
	for header, body := range rtnetlink.Messages(datagram) {
		if header.Type != unix.RTM_NEWLINK && header.Type != unix.RTM_DELLINK || len(body) < unix.SizeofIfInfomsg {
			concerns = true
			continue
		}
		index := binary.NativeEndian.Uint32(body[4:])
		name := ""
		for typ, payload := range rtnetlink.Attributes(body[unix.SizeofIfInfomsg:]) {
			if typ == unix.IFLA_IFNAME {
				name = unix.ByteSliceToString(payload)
			}
		}
		switch {
		case header.Type == unix.RTM_DELLINK:
			delete(m.names, index)
			concerns = true
		case m.names[index] != name:
			m.names[index] = name
			concerns = true
		}
	}
	return concerns
}

// gone ends with its namespace.
type gone struct {
	name string
	end  *linx.Watch
}

func (m *gone) String() string { return m.name + ": namespace" }

func (m *gone) Serve(ctx context.Context) error { return m.end.Wait(ctx) }

// Unhinted gives the keys of the latest pass, in dot form and in order, whose changes no monitor tells of,
// so that only the timer finds them: those of the UTS and IPC namespaces of a process, those beyond
// MaxKept, those that a module would bring, those of a container with a procfs of its own that could not be
// watched in there (it is not mounted on /proc, or something else is mounted over the key), and all of them
// while there is no subscription.
//
// All others the monitor tells of when they are written through this process's procfs. In a container that
// has one of its own, it listens as well, but may be made deaf when memory is short, or by who is in there;
// what NETCONF knows of (forwarding, rp_filter, proxy_arp, proxy_ndp, ignore_routes_with_linkdown) it tells
// all the same.
func (s *Source) Unhinted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, k := range s.latest {
		if !s.watcher.has(k) || s.apart && !s.watcher.has(there(k)) {
			names = append(names, k.String())
		}
	}
	slices.Sort(names)
	return names
}

// takeWatcher has the keys of the pass watched by the newest subscription.
func (s *Source) takeWatcher() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tree.watcher != s.watcher {
		s.tree.watcher = s.watcher
		s.tree.seen = nil // so that the pass looks at everything, and has it watched
	}
}

// note remembers the keys of a pass for Unhinted, but for those whose interface is not there: that it comes
// is told of.
func (s *Source) note(p *pass) {
	latest := slices.DeleteFunc(slices.Clone(p.keys), func(k key) bool {
		var absent *absentError
		return errors.As(p.seen[k].err, &absent) && absent.coming
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest, s.apart = latest, s.tree.apart
}
