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
	kind int // unix.CLONE_NEWNET and so on
	node node
}

// node tells files apart, as long as something holds them.
type node struct{ dev, ino uint64 }

func newSpace(file *os.File, kind int) (*space, error) {
	var st unix.Stat_t
	if err := control(file, func(fd int) error { return unix.Fstat(fd, &st) }); err != nil {
		return nil, fmt.Errorf("fstat: %w", err)
	}
	return &space{file: file, kind: kind, node: node{st.Dev, st.Ino}}, nil
}

// enter moves the calling thread into the namespace, and tells whether it was elsewhere before.
func (s *space) enter() (moved bool, err error) {
	// Even into one's own namespace, setns asks for CAP_SYS_ADMIN.
	var st unix.Stat_t
	own := "/proc/thread-self/ns/" + procName(s.kind)
	if unix.Stat(own, &st) == nil && s.node == (node{st.Dev, st.Ino}) {
		return false, nil
	}
	err = control(s.file, func(fd int) error { return unix.Setns(fd, s.kind) })
	if errors.Is(err, unix.EPERM) {
		err = fmt.Errorf("%w (needs CAP_SYS_ADMIN, here and in the user namespace that owns it)", err)
	}
	if err != nil {
		return false, fmt.Errorf("entering the %s namespace: %w", kindName(s.kind), err)
	}
	return true, nil
}

func closeAll(spaces []*space) error {
	var errs []error
	for _, s := range spaces {
		errs = append(errs, s.file.Close())
	}
	return errors.Join(errs...)
}

// control runs f on the file's descriptor, which stays open until f has returned. (File.Fd would not see to
// that.)
func control(file *os.File, f func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// procName is the name of a kind of namespace under /proc/PID/ns.
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
