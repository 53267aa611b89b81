package linx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Watch is a wait for a namespace's end that has got all that it needs: it cannot fail for want of
// anything any more. It is used once: Wait and Close both end it.
type Watch struct {
	h     *Handle
	file  *os.File     // that becomes ready when it is worth checking; nil: never
	check func() error // says that the namespace is gone
	held  *held        // of a Path: whose closing ends the wait
}

// Watch prepares a wait. It costs one fd until the Watch is waited for or closed. Any number of them may be
// held. The handle of a Path must be open. The error says that waiting is not possible, for want of a file
// descriptor or of /proc, or, wrapping os.ErrClosed, with this handle.
func (h *Handle) Watch() (*Watch, error) {
	w := &Watch{h: h}
	switch h.ns.kind {
	case ofPID:
		// A descriptor of its own: the poller lets one reader at a time wait on a file.
		p := h.process
		var fd int
		err := control(p.pidfd, func(pidfd int) (err error) {
			fd, err = unix.FcntlInt(uintptr(pidfd), unix.F_DUPFD_CLOEXEC, 0)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("linx: pid %d: duplicating the pidfd: %w", p.pid, err)
		}
		w.file, w.check = os.NewFile(uintptr(fd), p.pidfd.Name()), p.running
	case ofPath:
		held, err := h.hold()
		if err != nil {
			return nil, err
		}
		// proc_pid_mountinfo(5): a change of the mount table shows as POLLERR and POLLPRI, on a file that is
		// always readable. The poller is edge-triggered, so it wakes once for each.
		file, err := os.Open("/proc/thread-self/mountinfo")
		if err != nil {
			return nil, fmt.Errorf("linx: %s: watching mounts: %w", h.ns, err)
		}
		w.file, w.held = file, held
		w.check = func() error { return checkPath(h.ns.path, held.spaces[0]) }
	}
	return w, nil
}

// Close gives up a watch that is not to be waited for.
func (w *Watch) Close() error {
	if w.file == nil {
		return nil
	}
	return w.file.Close()
}

// Wait returns when Refresh would say that the namespace is gone, with that error, or when ctx ends,
// with ctx.Err(). It costs no thread, and no wakeup until then, but that a change of the mount table wakes
// those of a Path, to compare once more.
//
// Of a PID it sees the process exit, whether the handle is open or not; that a process moved to another
// namespace, only Refresh sees. Of a Path it sees mounts come and go, in this process's mount namespace;
// what is no mount point (/proc/4711/ns/net, a symbolic link) may change its meaning without a mount, and
// then again only Refresh sees it. When the handle of a Path is closed meanwhile, the error wraps
// os.ErrClosed. Self is never gone.
func (w *Watch) Wait(ctx context.Context) error {
	if w.file == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	defer w.file.Close()
	ends := []context.Context{ctx}
	if w.held != nil {
		ends = append(ends, w.held.ctx)
	}
	gone, err := wait(w.file, w.check, ends...)
	switch {
	case w.held != nil && w.held.ctx.Err() != nil: // first: once closed, the comparison is worth nothing
		return w.h.closed()
	case gone != nil:
		return gone
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("linx: %s: waiting for its end: %w", w.h.ns, err)
}

// Wait is Watch and its Wait.
func (h *Handle) Wait(ctx context.Context) error {
	w, err := h.Watch()
	if err != nil {
		return err
	}
	return w.Wait(ctx)
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
