package monitor

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Filter says what the kernel should drop before it reaches the socket's buffer: no wakeup, no overflow,
// no cost. What is dropped cannot be heard, so it is for whoever looks at the kernel anyway, and at the
// right time. Links are never dropped: their events may carry port ids of other namespaces. The zero
// Filter drops nothing.
type Filter struct {
	// OwnPort, where not 0, drops the events of changes that were asked for from this netlink port id:
	// addresses, routes, rules and neighbours. Not all own changes are known by it: IPv6 addresses, the
	// end of a neighbour, and what follows from a change (the routes of an address), carry port id 0.
	// The kernel uses a port id again: take it out of the filter before the socket that has it is
	// closed.
	OwnPort uint32

	// OwnProtocol, where not 0, drops events about routes of any other protocol (rtm_protocol) that
	// cannot concern those of this one: the creation of a route whose place (table, destination, TOS,
	// metric) was empty, which NLM_F_EXCL tells, and the deletion of one.
	//
	// What passes: a creation without that flag, as it may have replaced one of ours or, in IPv6, joined
	// one as another next hop; every creation of an IPv6 multipath route, which never has the flag; a
	// deletion of an IPv6 multipath route, which is one event for all its next hops and names the
	// protocol of just one.
	OwnProtocol uint8

	// Learned drops what the kernel tells by itself (port id 0) of neighbours that it learns from traffic,
	// probes, and forgets: RTM_NEWNEIGH of one in no lasting state (unix.NUD_PERMANENT, NUD_NOARP) and not made
	// by a control plane (NTF_EXT_LEARNED). On a busy host or bridge these come all the time.
	//
	// What passes: the end of any neighbour, and what another program makes of one. But there are two cases
	// in which the kernel does not say that it was asked: an entry of a forwarding database, which another
	// makes dynamic, and an ARP entry which the old ioctl (arp -s ... temp) makes so. These are heard of
	// when they end.
	Learned bool
}

// SetFilter replaces the filter. While joined it takes effect at once, for events that are yet to come;
// it stays for later joins.
func (m *Monitor) SetFilter(f Filter) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.adjust(f.attach); err != nil {
		return err
	}
	m.filter = f
	return nil
}

func (f Filter) attach(fd int) error {
	if f == (Filter{}) {
		err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
		if err != nil && !errors.Is(err, unix.ENOENT) { // there was none
			return fmt.Errorf("detaching the socket filter: %w", err)
		}
		return nil
	}
	program := f.program()
	err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	if err != nil {
		return fmt.Errorf("attaching the socket filter: %w", err)
	}
	return nil
}

// program is classic BPF, which the kernel runs on each event before it queues it (sk_filter in
// do_one_broadcast). An event is one message, and the program sees it from its header on:
//
//	offset 4  nlmsg_type    16 rtm_family                  24 ndm_state
//	       6  nlmsg_flags   21 rtm_protocol                26 ndm_flags
//	      12  nlmsg_pid     28 the attributes of a route
//
// The parts each end by falling through, unless they drop. A load past the end of a message would drop
// it, so a part looks at a route's or neighbour's fields only once it knows that it is one.
func (f Filter) program() []unix.SockFilter {
	var p []unix.SockFilter
	if f.OwnPort != 0 {
		p = append(p, dropPort(f.OwnPort)...)
	}
	if f.OwnProtocol != 0 {
		p = append(p, dropForeignRoutes(f.OwnProtocol)...)
	}
	if f.Learned {
		p = append(p, dropLearned()...)
	}
	return append(p, statement(unix.BPF_RET|unix.BPF_K, pass))
}

const (
	offType, offFlags, offPort = 4, 6, 12
	offFamily, offProtocol     = 16, 21
	offRouteAttributes         = 28
	offState, offNeighborFlags = 24, 26

	load8  = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS
	load16 = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
	load32 = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS

	drop, pass uint32 = 0, 0xffffffff // how many bytes to keep

	// findAttribute, loaded from with load32, is not a field but where the first attribute of type X is, from
	// offset A on, or 0 (SKF_AD_OFF + SKF_AD_NLATTR in linux/filter.h).
	findAttribute = 0xfffff000 + 12
)

// Types come in pairs, RTM_NEW and RTM_DEL, which differ in the lowest bit.
const eitherOf = 0xfffe

func dropPort(port uint32) []unix.SockFilter {
	return []unix.SockFilter{
		statement(load32, offPort),
		jump(unix.BPF_JEQ, swap32(port), 0, 7), // another's: end
		statement(load16, offType),
		statement(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, swap16(eitherOf)),
		jump(unix.BPF_JEQ, swap16(unix.RTM_NEWADDR), 3, 0),
		jump(unix.BPF_JEQ, swap16(unix.RTM_NEWROUTE), 2, 0),
		jump(unix.BPF_JEQ, swap16(unix.RTM_NEWRULE), 1, 0),
		jump(unix.BPF_JEQ, swap16(unix.RTM_NEWNEIGH), 0, 1), // none of them: end
		statement(unix.BPF_RET|unix.BPF_K, drop),
	}
}

func dropForeignRoutes(protocol uint8) []unix.SockFilter {
	return []unix.SockFilter{
		/*  0 */ statement(load16, offType),
		/*  1 */ statement(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, swap16(eitherOf)),
		/*  2 */ jump(unix.BPF_JEQ, swap16(unix.RTM_NEWROUTE), 0, 14), // no route: end
		/*  3 */ statement(load8, offProtocol),
		/*  4 */ jump(unix.BPF_JEQ, uint32(protocol), 12, 0), // ours: end
		/*  5 */ statement(load16, offType),
		/*  6 */ jump(unix.BPF_JEQ, swap16(unix.RTM_DELROUTE), 2, 0), // deleted: 9
		/*  7 */ statement(load16, offFlags),
		/*  8 */ jump(unix.BPF_JSET, swap16(unix.NLM_F_EXCL), 7, 8), // into an empty place: 16; else: end
		/*  9 */ statement(load8, offFamily),
		/* 10 */ jump(unix.BPF_JEQ, unix.AF_INET, 5, 0), // IPv4: 16
		/* 11 */ jump(unix.BPF_JEQ, unix.AF_INET6, 0, 5), // neither: end
		/* 12 */ statement(unix.BPF_LDX|unix.BPF_W|unix.BPF_IMM, unix.RTA_OIF),
		/* 13 */ statement(unix.BPF_LD|unix.BPF_W|unix.BPF_IMM, offRouteAttributes),
		/* 14 */ statement(load32, findAttribute),
		/* 15 */ jump(unix.BPF_JEQ, 0, 1, 0), // no single next hop: end
		/* 16 */ statement(unix.BPF_RET|unix.BPF_K, drop),
	}
}

func dropLearned() []unix.SockFilter {
	const lasting = unix.NUD_PERMANENT | unix.NUD_NOARP
	return []unix.SockFilter{
		statement(load16, offType),
		jump(unix.BPF_JEQ, swap16(unix.RTM_NEWNEIGH), 0, 7), // no neighbour, or its end: end
		statement(load32, offPort),
		jump(unix.BPF_JEQ, 0, 0, 5), // another program's: end
		statement(load16, offState),
		jump(unix.BPF_JSET, swap16(lasting), 3, 0), // end
		statement(load8, offNeighborFlags),
		jump(unix.BPF_JSET, unix.NTF_EXT_LEARNED, 1, 0), // end
		statement(unix.BPF_RET|unix.BPF_K, drop),
	}
}

func statement(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }

// jump skips yes instructions if the accumulator compares to k, else no.
func jump(compare uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | compare, Jt: yes, Jf: no, K: k}
}

// BPF loads as if from the network, big-endian, while netlink speaks the machine's order: constants are
// what such a load makes of them.
func swap16(v uint16) uint32 {
	return uint32(binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, v)))
}

func swap32(v uint32) uint32 {
	return binary.BigEndian.Uint32(binary.NativeEndian.AppendUint32(nil, v))
}
