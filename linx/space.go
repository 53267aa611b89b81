package linx

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// space is one open namespace.
type space struct {
	file *os.File
	kind int // unix.CLONE_NEWNET, ...
	node node
}

// node tells files apart while they exist.
type node struct{ dev, ino uint64 }

// newSpace takes over file, and closes it on error.
func newSpace(file *os.File, kind int) (*space, error) {
	var st unix.Stat_t
	if err := control(file, func(fd int) error { return unix.Fstat(fd, &st) }); err != nil {
		file.Close()
		return nil, fmt.Errorf("fstat: %w", err)
	}
	return &space{file, kind, node{st.Dev, st.Ino}}, nil
}

// enter moves the calling thread into the namespace.
func (s *space) enter() error {
	err := control(s.file, func(fd int) error { return unix.Setns(fd, s.kind) })
	if errors.Is(err, unix.EPERM) {
		if s.here() {
			return nil // setns(2) asks for the capability even where there is nothing to do
		}
		err = fmt.Errorf("%w (needs CAP_SYS_ADMIN, here and in the user namespace that it belongs to)", err)
	}
	if err != nil {
		return fmt.Errorf("entering the %s namespace: %w", kindName(s.kind), err)
	}
	return nil
}

// here tells whether the calling thread is in the namespace. Without /proc, it says no.
func (s *space) here() bool {
	var st unix.Stat_t
	err := unix.Stat("/proc/thread-self/ns/"+procName(s.kind), &st)
	return err == nil && s.node == node{st.Dev, st.Ino}
}

func closeAll(spaces []*space) error {
	var errs []error
	for _, s := range spaces {
		errs = append(errs, s.file.Close())
	}
	return errors.Join(errs...)
}

// control runs f on the file's descriptor, and keeps that open meanwhile, which File.Fd does not.
func control(file *os.File, f func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	if raw.Control(func(fd uintptr) { err = f(int(fd)) }) != nil {
		return os.ErrClosed // the one reason there is, which package os leaves without this name here
	}
	return err
}

// procName is what a kind of namespace is called in /proc/PID/ns.
func procName(kind int) string {
	switch kind {
	case unix.CLONE_NEWNET:
		return "net"
	case unix.CLONE_NEWUTS:
		return "uts"
	case unix.CLONE_NEWIPC:
		return "ipc"
	case unix.CLONE_NEWNS:
		return "mnt"
	case unix.CLONE_NEWPID:
		return "pid"
	case unix.CLONE_NEWUSER:
		return "user"
	case unix.CLONE_NEWCGROUP:
		return "cgroup"
	case unix.CLONE_NEWTIME:
		return "time"
	default:
		return fmt.Sprintf("%#x", kind)
	}
}

// kindName is what people call it.
func kindName(kind int) string {
	switch kind {
	case unix.CLONE_NEWNET:
		return "network"
	case unix.CLONE_NEWUTS:
		return "UTS"
	case unix.CLONE_NEWIPC:
		return "IPC"
	case unix.CLONE_NEWNS:
		return "mount"
	default:
		return procName(kind)
	}
}
