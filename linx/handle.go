package linx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
)

// ErrNamespaceGone says that a Namespace no longer names what it named: its process has exited, its
// file is gone, or it names another namespace now.
//
// The error of a process that has exited wraps suture.ErrDoNotRestart as well: it never comes
// back. A file may, so an error about a Path does not.
var ErrNamespaceGone = errors.New("namespace gone")

// Handle pins one namespace: it keeps meaning the same one after the pid or the path is reused.
// Its methods are safe for concurrent use.
//
// An open handle of a PID or a Path keeps the namespace alive, so Close it when there is nothing to do,
// and when the namespace is gone. All that a closed handle keeps is the pidfd of a PID, which goes with the
// garbage.
type Handle struct {
	ns      Namespace
	process *process // of a PID; as long as the handle

	refreshing sync.Mutex // one Refresh at a time; it may take long, and holds up nothing else

	mu   sync.Mutex
	held *held // nil: closed
	id   ID
}

// held is what an open handle holds.
type held struct {
	spaces []*space        // the network namespace first; none for Self
	ctx    context.Context // ends when the handle is closed
	end    func()
}

// Find settles which process a PID means and returns a closed Handle of it: one that holds the
// identity, but does not keep the namespace alive. Refresh opens it. For Self and Path there is
// nothing to settle. If no such process runs, the error wraps ErrNamespaceGone and
// suture.ErrDoNotRestart.
func (ns Namespace) Find() (*Handle, error) {
	if err := ns.Validate(); err != nil {
		return nil, err
	}
	h := &Handle{ns: ns}
	if ns.kind == ofPID {
		p, err := findProcess(ns.pid)
		if err != nil {
			return nil, err
		}
		h.process = p
	}
	return h, nil
}

// Open is Find and Refresh.
func (ns Namespace) Open() (*Handle, error) {
	h, err := ns.Find()
	if err != nil {
		return nil, err
	}
	if err := h.Refresh(); err != nil {
		if h.process != nil {
			h.process.pidfd.Close()
		}
		return nil, err
	}
	return h, nil
}

// Namespace is the name that the handle was made from.
func (h *Handle) Namespace() Namespace { return h.ns }

// Refresh makes the handle usable. A closed one is opened: for a PID, with the namespaces that the same
// process is in by now; for a Path, with the network namespace that the file names by now. So the ID may
// change. An open one is checked: the error wraps ErrNamespaceGone if the name no longer means what is held;
// Close and Refresh then look again.
//
// Any other error says that the namespace could not be had or looked at this time, and where a
// capability is missing, which. An error leaves the handle as it was.
func (h *Handle) Refresh() error {
	h.refreshing.Lock()
	defer h.refreshing.Unlock()
	if held, err := h.hold(); err == nil {
		return h.check(held.spaces)
	}
	spaces, err := h.open()
	if err != nil {
		return err
	}
	id, err := h.identify(spaces)
	if err != nil {
		closeAll(spaces)
		return err
	}
	ctx, end := context.WithCancel(context.Background())
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held, h.id = &held{spaces, ctx, end}, id
	return nil
}

func (h *Handle) open() ([]*space, error) {
	switch h.ns.kind {
	case ofPID:
		return h.process.spaces()
	case ofPath:
		return openPath(h.ns.path)
	default:
		return nil, nil
	}
}

// check tells whether the name still means what is held.
func (h *Handle) check(spaces []*space) error {
	switch h.ns.kind {
	case ofPID:
		return h.process.check(spaces)
	case ofPath:
		return checkPath(h.ns.path, spaces[0])
	default:
		return nil
	}
}

// ID identifies the network namespace of an open handle, or the one that it had when it was closed.
// Before the first Refresh it is empty.
func (h *Handle) ID() ID {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.id
}

// Close lets go of the namespace, so that the kernel can destroy it, once the calls of Do that are under
// way have ended. The identity is kept, pidfd included, and Refresh opens the handle again. Closing
// twice is fine.
func (h *Handle) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held == nil {
		return nil
	}
	h.held.end() // before the files: see Watch.Wait
	err := closeAll(h.held.spaces)
	h.held = nil
	return err
}

// hold gives what is held, or closed's error.
func (h *Handle) hold() (*held, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held == nil {
		return nil, h.closed()
	}
	return h.held, nil
}

func (h *Handle) closed() error {
	return fmt.Errorf("linx: %s: the handle is closed: %w", h.ns, os.ErrClosed)
}
