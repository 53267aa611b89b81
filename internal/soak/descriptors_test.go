package soak

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// shrinkBuffers finds the sockets of the process that listen in the place, and leaves them hardly any buffer.
func (p *place) shrinkBuffers() error {
	here := uint64(0)
	var err error
	p.Do(func() {
		var fd int
		if fd, err = unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err == nil {
			here, err = unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
			unix.Close(fd)
		}
	})
	if err != nil {
		return err
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, entry := range fds {
		if target, _ := os.Readlink("/proc/self/fd/" + entry.Name()); !strings.HasPrefix(target, "socket:") {
			continue
		}
		n, _ := strconv.Atoi(entry.Name())
		// A duplicate is one socket for certain; the number may be another's at any time.
		fd, err := unix.FcntlInt(uintptr(n), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			continue
		}
		if listens(fd, here) {
			err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 0)
		}
		if unix.Close(fd); err != nil {
			return err
		}
	}
	return nil
}

// listens tells whether it is a netlink socket, in the namespace of that cookie, that has joined groups.
func listens(fd int, cookie uint64) bool {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil || domain != unix.AF_NETLINK {
		return false
	}
	there, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	if err != nil || there != cookie {
		return false
	}
	groups, err := unix.GetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_LIST_MEMBERSHIPS) // the first 32
	return err == nil && groups != 0
}

// drops is how many events the sockets in the place have lost.
func (p *place) drops() (sum int) {
	var data []byte
	p.Do(func() { data, _ = os.ReadFile("/proc/thread-self/net/netlink") })
	for line := range strings.Lines(string(data)) {
		// sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
		if fields := strings.Fields(line); len(fields) == 10 {
			n, _ := strconv.Atoi(fields[8]) // the heading has no number
			sum += n
		}
	}
	return sum
}

// noDescriptors lowers the limit of descriptors to none; restore raises it again.
func noDescriptors() (restore func() error, err error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, err
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: limit.Max}); err != nil {
		return nil, err
	}
	return func() error { return unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) }, nil
}

// openFiles counts descriptors by kind, but for pidfds.
func openFiles() map[string]int {
	kinds := map[string]int{}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		kind, _, _ := strings.Cut(target, ":[")
		if err == nil && target != "anon_inode:[pidfd]" { // the one that read the directory is gone
			kinds[kind]++
		}
	}
	return kinds
}
