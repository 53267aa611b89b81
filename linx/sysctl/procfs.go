package sysctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx"
)

// procfs is the tree of a namespace, with descriptors that stay open from pass to pass. It is not safe for
// concurrent use.
type procfs struct {
	ns      linx.Namespace
	handle  *linx.Handle
	kept    map[key]int
	seen    glances
	movers  []key    // of what is desired or owned
	watcher *watcher // nil: there is no monitor
	apart   bool     // the container was not seen to have the procfs that we have
	buf     []byte
}

// MaxKept is how many keys of a Source stay open between its passes, each with a file descriptor: those
// that are desired or owned and, where there is a monitor, those that move them. Reading one costs a single
// system call, on any thread. The keys beyond are opened in each pass, on a thread that enters the
// namespace.
const MaxKept = 1024

// keepable tells whether a descriptor opened inside reads the same value from any thread. The kernel binds
// a net.* file to its namespace when it is opened; kernel.hostname follows the thread that reads.
func (t *procfs) keepable(k key) bool { return k.domain() == network || t.ns == linx.Self() }

func (t *procfs) read(ctx context.Context, keys []key, into map[key]reading) error {
	var rest []key
	for _, k := range keys {
		fd, open := t.kept[k]
		if !open {
			rest = append(rest, k)
			continue
		}
		t.watcher.watch(k, fd) // before it is read, so that no write is missed
		v, err := pread(fd, &t.buf)
		if err == unix.ENOENT { // the interface is gone, or has another name
			t.drop(k)
			rest = append(rest, k)
		}
		into[k] = reading{v, annotate("reading it", err), err == unix.ENOENT}
	}
	movers, elsewhere := t.unwatched(keys), t.unwatchedThere(keys)
	if err := ctx.Err(); err != nil || len(rest)+len(movers)+len(elsewhere) == 0 {
		return err
	}
	return t.inside(func(tree *os.Root) error {
		if len(elsewhere) > 0 {
			t.watchThere(elsewhere)
		}
		for _, k := range movers {
			t.keep(tree, k)
		}
		for _, k := range rest {
			if err := ctx.Err(); err != nil {
				return err
			}
			v, err := t.openAndRead(tree, k)
			into[k] = reading{v, err, into[k].renewed}
		}
		return nil
	})
}

func (t *procfs) openAndRead(tree *os.Root, k key) (v Value, err error) {
	f, err := openFile(tree, t.ns, k, os.O_RDONLY)
	if err != nil {
		return "", err
	}
	defer f.Close()
	err = control(f, func(fd int) error {
		t.keepOpen(k, fd)
		v, err = pread(fd, &t.buf)
		return annotate("reading it", err)
	})
	return v, err
}

// keepOpen keeps a descriptor of our own, as reading through os.File takes three times as long, and has the
// key watched.
func (t *procfs) keepOpen(k key, fd int) {
	if len(t.kept) >= MaxKept || !t.keepable(k) {
		return
	}
	kept, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return // EMFILE: opened anew in each pass then
	}
	t.kept[k] = kept
	t.watcher.watch(k, kept)
}

// unwatched gives the movers of keys that are not watched yet.
func (t *procfs) unwatched(keys []key) (rest []key) {
	t.movers = t.movers[:0]
	if t.watcher == nil {
		return nil
	}
	for _, k := range keys {
		t.movers = append(t.movers, k.movers()...)
	}
	slices.Sort(t.movers)
	t.movers = slices.Compact(t.movers)
	for _, k := range t.movers {
		if fd, open := t.kept[k]; open {
			t.watcher.watch(k, fd)
		} else {
			rest = append(rest, k)
		}
	}
	return rest
}

// keep opens a key to have it watched. Many movers are not there.
func (t *procfs) keep(tree *os.Root, k key) {
	f, err := openFile(tree, t.ns, k, os.O_RDONLY)
	if err != nil {
		return
	}
	defer f.Close()
	_ = control(f, func(fd int) error { t.keepOpen(k, fd); return nil })
}

// find gives the keys that match.
func (t *procfs) find(globs []key) (found []key, err error) {
	err = t.inside(func(tree *os.Root) error {
		for _, glob := range globs {
			paths, err := fs.Glob(tree.FS(), string(glob))
			if err != nil {
				return fmt.Errorf("sysctl: looking for %s: %w", glob, err)
			}
			for _, path := range paths {
				if info, err := tree.Lstat(path); err == nil && info.Mode().IsRegular() {
					found = append(found, key(path))
				}
			}
		}
		return nil
	})
	return found, err
}

func (t *procfs) write(ctx context.Context, changes []change, done func(change, outcome)) error {
	return t.inside(func(tree *os.Root) error {
		for _, c := range changes {
			if err := ctx.Err(); err != nil {
				return err
			}
			done(c, t.writeOne(tree, c))
		}
		return nil
	})
}

func (t *procfs) writeOne(tree *os.Root, c change) (o outcome) {
	f, err := openFile(tree, t.ns, c.key, os.O_RDWR)
	if err != nil {
		return outcome{refused: err}
	}
	defer f.Close()
	err = control(f, func(fd int) error {
		o.refused = write(fd, c.value)
		if errors.Is(o.refused, io.ErrShortWrite) {
			o.refused = nil // what it took is there to be read
		}
		o.got, err = pread(fd, &t.buf)
		o.unread = annotate("reading it back", err)
		return nil
	})
	if err != nil {
		return outcome{refused: err}
	}
	return o
}

func (t *procfs) inside(fn func(*os.Root) error) error { return inside(t.handle, fn) }

func (t *procfs) drop(k key) {
	t.seen = nil
	t.watcher.forget(k)
	t.watcher.forget(there(k))
	unix.Close(t.kept[k])
	delete(t.kept, k)
}

// keepOnly closes what is kept of keys that are neither in the list, nor move those that are.
func (t *procfs) keepOnly(keys []key) {
	if len(t.kept) <= len(keys) {
		return // they are the same, but for what is absent
	}
	wanted := make(map[key]bool, len(keys))
	for _, k := range keys {
		wanted[k] = true
	}
	for _, k := range t.movers {
		wanted[k] = true
	}
	for k := range t.kept {
		if !wanted[k] {
			t.drop(k)
		}
	}
}

// close closes what is kept.
func (t *procfs) close() {
	for k := range t.kept {
		t.drop(k)
	}
}
