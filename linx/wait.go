package linx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Wait returns when Refresh would say that the namespace is gone, with that error, or when ctx ends, with
// ctx.Err(). It costs one fd, and no thread and no wakeup until then; each change of the mount table wakes a Path.
//
// Of a PID it sees the process's exit, whether the handle is open or not. (A process that moves to another namespace
// stays unseen until the next Refresh.) Of a Path it sees mounts come and go, in the mount namespace of
// this process, so what is not a mount point (/proc/4711/ns/net, a symbolic link that is turned) is seen by Refresh alone;
// and the handle must be open: if it is closed, before or meanwhile, the error wraps os.ErrClosed. Self is
// never gone.
func (h *Handle) Wait(ctx context.Context) error {
	switch h.ns.kind {
	case ofPID:
		return h.process.wait(ctx)
	case ofPath:
		return h.waitPath(ctx)
	default:
		<-ctx.Done()
		return ctx.Err()
	}
}

func (p *process) wait(ctx context.Context) error {
	// A descriptor of its own: the poller lets one reader wait on a file at a time.
	var fd int
	err := control(p.pidfd, func(pidfd int) (err error) {
		fd, err = unix.FcntlInt(uintptr(pidfd), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return fmt.Errorf("linx: pid %d: duplicating the pidfd: %w", p.pid, err)
	}
	file := os.NewFile(uintptr(fd), p.pidfd.Name())
	defer file.Close()
	err = wait(ctx, file, p.running)
	if err != nil && !errors.Is(err, ErrNamespaceGone) && ctx.Err() == nil {
		err = fmt.Errorf("linx: pid %d: waiting for its end: %w", p.pid, err)
	}
	return err
}

func (h *Handle) waitPath(ctx context.Context) error {
	held, err := h.hold()
	if err != nil {
		return err
	}
	// See proc_pid_mountinfo(5): a change of the mount table shows as POLLERR and POLLPRI, on a file
	// that is always readable. The poller is edge-triggered, so each change wakes once.
	file, err := os.Open("/proc/thread-self/mountinfo")
	if err != nil {
		return fmt.Errorf("linx: %s: watching mounts: %w", h.ns, err)
	}
	defer file.Close()

	open, cancel := context.WithCancel(ctx)
	defer cancel()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		select {
		case <-held.closed:
			cancel()
		case <-open.Done():
		}
	}()
	defer func() { cancel(); <-closed }()

	err = wait(open, file, func() error { return checkPath(h.ns.path, held.spaces[0]) })
	if _, closed := h.hold(); closed != nil && ctx.Err() == nil {
		return closed
	}
	return err
}

// wait calls check now and whenever file becomes readable, until it returns an error or ctx ends.
func wait(ctx context.Context, file *os.File, check func() error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		file.SetReadDeadline(time.Unix(1, 0))
	})
	defer func() {
		if !stop() {
			<-woken
		}
	}()
	var found error
	err = raw.Read(func(uintptr) bool {
		found = check()
		return found != nil
	})
	switch {
	case found != nil:
		return found
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return err
}
