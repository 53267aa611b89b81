package linx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Wait returns when Refresh would say that the namespace is gone, with that error, or when ctx ends,
// with ctx.Err(). Any number may wait. Each costs one fd, and no thread, and no wakeup until then, but
// that a change of the mount table wakes those of a Path, to compare once more.
//
// Of a PID it sees the process exit, whether the handle is open or not; that a process moved to another
// namespace, only Refresh sees. Of a Path it sees mounts come and go, in this process's mount namespace;
// what is no mount point (/proc/4711/ns/net, a symbolic link) may change its meaning without a mount, and
// then again only Refresh sees it. The handle of a Path must be open: when it is closed, before
// or meanwhile, the error wraps os.ErrClosed. Self is never gone.
//
// Any other error says that waiting is not possible, for want of a file descriptor or of /proc.
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
	// A descriptor of its own: the poller lets one reader at a time wait on a file.
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
	gone, err := wait(file, p.running, ctx)
	switch {
	case gone != nil:
		return gone
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("linx: pid %d: waiting for its end: %w", p.pid, err)
}

func (h *Handle) waitPath(ctx context.Context) error {
	held, err := h.hold()
	if err != nil {
		return err
	}
	// proc_pid_mountinfo(5): a change of the mount table shows as POLLERR and POLLPRI, on a file that is
	// always readable. The poller is edge-triggered, so it wakes once for each.
	file, err := os.Open("/proc/thread-self/mountinfo")
	if err != nil {
		return fmt.Errorf("linx: %s: watching mounts: %w", h.ns, err)
	}
	defer file.Close()
	gone, err := wait(file, func() error { return h.check(held.spaces) }, ctx, held.ctx)
	switch {
	case held.ctx.Err() != nil: // first: once closed, the comparison is worth nothing
		return h.closed()
	case gone != nil:
		return gone
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("linx: %s: watching mounts: %w", h.ns, err)
}

// wait calls check now and whenever file becomes ready, until that says that the namespace is gone, or until
// one of ctxs ends, which is an error too.
func wait(file *os.File, check func() error, ctxs ...context.Context) (gone, err error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	for _, ctx := range ctxs {
		ended := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			defer close(ended)
			file.SetReadDeadline(time.Unix(1, 0)) // fails only where Read fails by itself
		})
		defer func() {
			if !stop() {
				<-ended
			}
		}()
	}
	look := func(uintptr) bool {
		if err := check(); errors.Is(err, ErrNamespaceGone) {
			gone = err
		}
		return gone != nil
	}
	err = raw.Read(look)
	if err != nil {
		look(0) // a context that had ended before keeps Read from looking at all
	}
	return gone, err
}
