package linx

import (
	"context"
	"errors"
)

// ErrNamespaceGone says that a Namespace no longer names what it named: its process has exited, its
// file is gone, or the file names another namespace now.
//
// The error of a process that has exited wraps suture.ErrDoNotRestart as well: it never comes
// back. A file may, so an error about a Path does not.
var ErrNamespaceGone = errors.New("namespace gone")

// ID tells namespaces apart for as long as the machine runs, and across its reboots: it is made of the
// kernel's boot id and the network namespace's cookie (SO_NETNS_COOKIE). It is opaque, comparable, and
// may be stored. The empty ID names no namespace. (Device and inode would not do: the kernel uses an
// inode again as soon as it is free.)
type ID string

// Handle pins one namespace: it keeps meaning the same one after the pid or the path is reused.
// Its methods are safe for concurrent use.
type Handle struct {
	ns Namespace
}

// Find settles which process a PID means and returns a closed Handle of it: one that holds the
// identity, but does not keep the namespace alive. Refresh opens it. For Self and Path there is
// nothing to settle.
func (ns Namespace) Find() (*Handle, error) { panic("not yet") }

// Open is Find and Refresh.
func (ns Namespace) Open() (*Handle, error) { panic("not yet") }

// Validate reports what is wrong with the name itself: a pid below 1, an empty path.
func (ns Namespace) Validate() error { panic("not yet") }

// Namespace is the name that the handle was made from.
func (h *Handle) Namespace() Namespace { return h.ns }

// Refresh makes the handle usable. A closed one is opened: for a PID, the same process's namespaces
// as ever; for a Path, whatever network namespace the file names by now, so that ID may change. An open
// one is checked: the error wraps ErrNamespaceGone if the name no longer means what is held.
func (h *Handle) Refresh() error { panic("not yet") }

// ID identifies the network namespace of an open handle, or the one that it had when it was closed.
func (h *Handle) ID() ID { panic("not yet") }

// Do runs fn on a thread inside the namespace and returns its error.
func (h *Handle) Do(fn func() error) error { panic("not yet") }

// Wait returns when Refresh would say that the namespace is gone, with that error, or when ctx ends,
// with its error. It costs no thread and no wakeup until then.
func (h *Handle) Wait(ctx context.Context) error { panic("not yet") }

// Close lets go of the namespace, so that the kernel can destroy it. The identity is kept, pidfd
// included, and Refresh opens the handle again. Closing twice is fine.
func (h *Handle) Close() error { panic("not yet") }
