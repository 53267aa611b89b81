package linx

import (
	"errors"
	"fmt"
	"os"

	"github.com/thejerf/suture/v4"
	"golang.org/x/sys/unix"
)

// process is one process for as long as the value lives. The pid is for messages; the pidfd is who it is.
type process struct {
	pid   int
	pidfd *os.File
}

// processSpaces are the namespaces that a PID stands for. User namespaces are not among them: a process with more than
// one thread, as every Go program, cannot enter one.
var processSpaces = [...]struct {
	kind  int
	ioctl uint
}{
	{unix.CLONE_NEWNET, unix.PIDFD_GET_NET_NAMESPACE},
	{unix.CLONE_NEWUTS, unix.PIDFD_GET_UTS_NAMESPACE},
	{unix.CLONE_NEWIPC, unix.PIDFD_GET_IPC_NAMESPACE},
}

func findProcess(pid int) (*process, error) {
	// The netpoller takes only a pidfd that was opened not to block.
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	switch {
	case errors.Is(err, unix.ESRCH):
		return nil, fmt.Errorf("linx: pid %d: no such process: %w: %w: %w", pid, ErrNamespaceGone, err, suture.ErrDoNotRestart)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
		return nil, fmt.Errorf("linx: pid %d: pidfd_open: %w (is it a thread's id? want the process's)", pid, err)
	case err != nil:
		return nil, fmt.Errorf("linx: pid %d: pidfd_open: %w", pid, err)
	}
	p := &process{pid: pid, pidfd: os.NewFile(uintptr(fd), fmt.Sprintf("pidfd of %d", pid))}
	if err := p.running(); err != nil {
		p.pidfd.Close()
		return nil, err
	}
	return p, nil
}

// running asks the pidfd, which knows zombies from processes that run (signal 0 does not), and the leader's end from
// the last thread's.
func (p *process) running() error {
	var exited bool
	err := control(p.pidfd, func(fd int) (err error) {
		exited, err = readable(fd)
		return err
	})
	if err != nil {
		return fmt.Errorf("linx: pid %d: polling the pidfd: %w", p.pid, err)
	}
	if exited {
		return p.gone()
	}
	return nil
}

func (p *process) gone() error {
	return fmt.Errorf("linx: pid %d: the process has exited: %w: %w", p.pid, ErrNamespaceGone, suture.ErrDoNotRestart)
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

// spaces opens the process's namespaces.
func (p *process) spaces() (spaces []*space, err error) {
	defer func() {
		if err != nil {
			closeAll(spaces)
			spaces = nil
		}
	}()
	for _, want := range processSpaces {
		s, err := p.space(want.kind, want.ioctl)
		if errors.Is(err, unix.EOPNOTSUPP) && want.kind != unix.CLONE_NEWNET {
			continue // a kernel without such namespaces
		}
		if err != nil {
			return spaces, p.failed(want.kind, err)
		}
		spaces = append(spaces, s)
	}
	// Only now is it sure that what was opened by pid belonged to this process.
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
		if i >= len(held) || s.node != held[i].node {
			return fmt.Errorf("linx: pid %d: the process has moved to another %s namespace: %w",
				p.pid, kindName(s.kind), ErrNamespaceGone)
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
		err = fmt.Errorf("%w (the main thread has exited, other threads run)", err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		err = fmt.Errorf("%w (needs CAP_SYS_PTRACE, in the process's user namespace)", err)
	}
	return fmt.Errorf("linx: pid %d: opening its %s namespace: %w", p.pid, kindName(kind), err)
}

func (p *process) space(kind int, ioctl uint) (*space, error) {
	file, err := p.byIoctl(kind, ioctl)
	if errors.Is(err, unix.ENOTTY) || errors.Is(err, unix.EINVAL) { // before Linux 6.11
		file, err = p.byPID(kind)
	}
	if err != nil {
		return nil, err
	}
	s, err := newSpace(file, kind)
	if err != nil {
		file.Close()
	}
	return s, err
}

func (p *process) byIoctl(kind int, ioctl uint) (*os.File, error) {
	var ns int
	err := control(p.pidfd, func(fd int) (err error) {
		ns, err = unix.IoctlRetInt(fd, ioctl)
		return err
	})
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(ns), p.path(kind)), nil
}

func (p *process) byPID(kind int) (*os.File, error) { return os.Open(p.path(kind)) }

func (p *process) path(kind int) string { return fmt.Sprintf("/proc/%d/ns/%s", p.pid, procName(kind)) }
