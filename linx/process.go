package linx

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/thejerf/suture/v4"
	"golang.org/x/sys/unix"
)

// process is one process, for as long as the value lives. The pidfd is who it is; the pid is for messages.
type process struct {
	pid   int
	pidfd *os.File
}

// processSpaces are the namespaces that a PID stands for. The user namespace is none of them: setns(2)
// refuses it to a process of more than one thread, and a Go program has many.
var processSpaces = [...]struct {
	kind  int
	ioctl uint // since Linux 6.11
}{
	{unix.CLONE_NEWNET, unix.PIDFD_GET_NET_NAMESPACE},
	{unix.CLONE_NEWUTS, unix.PIDFD_GET_UTS_NAMESPACE},
	{unix.CLONE_NEWIPC, unix.PIDFD_GET_IPC_NAMESPACE},
}

func findProcess(pid int) (*process, error) {
	// The netpoller refuses a pidfd without NONBLOCK.
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	switch {
	case errors.Is(err, unix.ESRCH):
		return nil, fmt.Errorf("linx: pid %d: %w: %w: %w", pid, ErrNamespaceGone, err, suture.ErrDoNotRestart)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT): // the latter since Linux 6.14
		return nil, fmt.Errorf("linx: pid %d: a thread's id; want its process's: pidfd_open: %w", pid, err)
	case err != nil:
		return nil, fmt.Errorf("linx: pid %d: pidfd_open: %w", pid, err)
	}
	p := &process{pid: pid, pidfd: os.NewFile(uintptr(fd), fmt.Sprintf("pidfd:%d", pid))}
	if err := p.running(); err != nil {
		p.pidfd.Close()
		return nil, err
	}
	return p, nil
}

// running asks the pidfd, which alone decides: signal 0 reaches zombies too, and /proc/PID does not tell
// the main thread's end from the last thread's.
func (p *process) running() error {
	exited := false
	err := control(p.pidfd, func(fd int) (err error) {
		exited, err = readable(fd)
		return err
	})
	if err != nil {
		return fmt.Errorf("linx: pid %d: polling the pidfd: %w", p.pid, err)
	}
	if exited {
		return fmt.Errorf("linx: pid %d: %w: the process has exited: %w",
			p.pid, ErrNamespaceGone, suture.ErrDoNotRestart)
	}
	return nil
}

// readable polls without waiting.
func readable(fd int) (bool, error) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(fds, 0)
		if err != unix.EINTR {
			return n > 0, err
		}
	}
}

// spaces opens the namespaces that the process is in.
func (p *process) spaces() ([]*space, error) { return p.spacesBy(p.open) }

// spacesBy is spaces with the way to open one.
func (p *process) spacesBy(open func(kind int, ioctl uint) (*os.File, error)) (spaces []*space, err error) {
	defer func() {
		if err != nil {
			closeAll(spaces)
			spaces = nil
		}
	}()
	for _, want := range processSpaces {
		file, err := open(want.kind, want.ioctl)
		if errors.Is(err, unix.EOPNOTSUPP) && want.kind != unix.CLONE_NEWNET {
			continue // a kernel without such namespaces
		}
		if err != nil {
			return spaces, p.failed(want.kind, err)
		}
		s, err := newSpace(file, want.kind)
		if err != nil {
			return spaces, p.failed(want.kind, err)
		}
		spaces = append(spaces, s)
	}
	// If it runs by now, then what byProc found by number was of this process, not of one that came after it.
	return spaces, p.running()
}

// check tells whether the process runs and is in the namespaces that are held.
func (p *process) check(held []*space) error {
	now, err := p.spaces()
	if err != nil {
		return err
	}
	defer closeAll(now)
	for i, s := range now {
		if s.node != held[i].node {
			return fmt.Errorf("linx: pid %d: %w: the process has moved to another %s namespace",
				p.pid, ErrNamespaceGone, kindName(s.kind))
		}
	}
	return nil
}

// failed explains why a namespace could not be opened.
func (p *process) failed(kind int, err error) error {
	if gone := p.running(); gone != nil {
		return gone
	}
	switch {
	case errors.Is(err, unix.ESRCH), errors.Is(err, unix.ENOENT):
		err = fmt.Errorf("%w (the main thread has exited)", err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		err = fmt.Errorf("%w (needs CAP_SYS_PTRACE in the process's user namespace)", err)
	}
	return fmt.Errorf("linx: pid %d: opening its %s namespace: %w", p.pid, kindName(kind), err)
}

func (p *process) open(kind int, ioctl uint) (*os.File, error) {
	file, err := p.byIoctl(ioctl)
	if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) { // not known to this kernel
		return p.byProc(kind)
	}
	return file, err
}

func (p *process) byIoctl(ioctl uint) (*os.File, error) {
	ns := -1
	err := control(p.pidfd, func(fd int) (err error) {
		ns, err = unix.IoctlRetInt(fd, ioctl)
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(ns), "namespace of "+p.pidfd.Name()), nil
}

// byProc goes by the process's number, which may belong to another one by now: ask running afterwards.
func (p *process) byProc(kind int) (*os.File, error) {
	name := procName(kind)
	if _, err := os.Stat("/proc/self/ns/" + name); errors.Is(err, unix.ENOENT) {
		return nil, unix.EOPNOTSUPP
	}
	// /proc may be that of another pid namespace. The fdinfo in it counts as it does.
	var info []byte
	err := control(p.pidfd, func(fd int) (err error) {
		info, err = os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", fd))
		return err
	})
	if err != nil {
		return nil, err
	}
	_, after, _ := strings.Cut(string(info), "\nPid:\t")
	pid, _, _ := strings.Cut(after, "\n")
	return os.Open("/proc/" + pid + "/ns/" + name) // pid is -1 after the end, 0 where /proc does not show it
}
