package sysctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx"
)

// root is where the kernel's own procfs is mounted. A lookup beneath it depends on the namespaces of the thread that
// makes it; the directory itself does not.
const root = "/proc/sys"

// maxText bounds what is read of a key. The longest, lists of ports, have some thousand bytes.
const maxText = 1 << 16

// openFile opens a key on a thread that sees it, and makes sure that it is one: a file of a procfs.
func openFile(tree *os.Root, ns linx.Namespace, k key, flag int) (*os.File, error) {
	f, err := tree.OpenFile(string(k), flag, 0)
	if err != nil {
		return nil, explainOpen(tree, ns, k, err)
	}
	if err := checkFile(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// explainOpen makes of an error of OpenFile one that says what is missing.
func explainOpen(tree *os.Root, ns linx.Namespace, k key, err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err // the operation and the key are the caller's to say
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return explainAbsence(tree, ns, k)
	}
	info, statErr := tree.Stat(string(k))
	switch {
	case statErr != nil:
		return err
	case info.IsDir():
		return errDirectory
	default:
		return explainRefusal(k, info.Mode(), err)
	}
}

var errDirectory = fmt.Errorf("%w: it is a group of keys; give one of them", unix.EISDIR)

func checkFile(f *os.File) error {
	var stat unix.Statfs_t
	info, err := f.Stat()
	if err == nil {
		err = control(f, func(fd int) error { return unix.Fstatfs(fd, &stat) })
	}
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return errDirectory
	case stat.Type != unix.PROC_SUPER_MAGIC, !info.Mode().IsRegular():
		return errors.New("is no file of a procfs: something is mounted over it")
	default:
		return nil
	}
}

// control runs fn on f's descriptor, and keeps f from being closed meanwhile.
func control(f *os.File, fn func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if controlErr := conn.Control(func(fd uintptr) { err = fn(int(fd)) }); controlErr != nil {
		return controlErr
	}
	return err
}

// pread reads a key in one call, as the kernel makes a value anew for each. buf is what it may use, and grow.
func pread(fd int, buf *[]byte) (Value, error) {
	for {
		n, err := unix.Pread(fd, *buf, 0)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return "", err
		case n < len(*buf):
			return Value(strings.TrimRight(string((*buf)[:n]), space)), nil
		case n >= maxText:
			return "", fmt.Errorf("%w: it holds more than %d bytes", unix.EFBIG, maxText)
		default:
			*buf = make([]byte, 2*len(*buf))
		}
	}
}

// write writes a value in one call, as the kernel takes a second one for nothing.
func write(fd int, v Value) error {
	text := []byte(v + "\n") // the newline makes a write of the empty value, too
	for {
		n, err := unix.Write(fd, text)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return err
		case n < len(text):
			return fmt.Errorf("%w: the kernel took %d of %d bytes", io.ErrShortWrite, n, len(text))
		default:
			return nil
		}
	}
}

// procfs is the tree of a namespace, with descriptors that stay open from pass to pass. It is not safe for concurrent use.
type procfs struct {
	ns      linx.Namespace
	handle  *linx.Handle
	kept    map[key]int
	seen    glances
	movers  []key    // of what is desired or owned
	watcher *watcher // nil: there is no monitor
	buf     []byte
}

// MaxKept is how many keys of a Source stay open between its passes, each with a file descriptor. Reading one costs a
// single system call, on any thread. The keys beyond are opened in each pass, on a thread that enters the namespace.
const MaxKept = 1024

// keepable tells whether a descriptor opened inside reads the same value from any thread. The kernel binds a net.* file to
// its namespace when it is opened; kernel.hostname follows the thread that reads.
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
	movers := t.unwatched(keys)
	if err := ctx.Err(); err != nil || len(rest)+len(movers) == 0 {
		return err
	}
	return t.inside(func(tree *os.Root) error {
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

// keepOpen keeps a descriptor of our own, as reading through os.File takes three times as long, and has the key watched.
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
		t.movers = append(t.movers, movers(k)...)
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

func annotate(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// inside runs fn on a thread in the namespace, with the tree as it is seen there.
func (t *procfs) inside(fn func(*os.Root) error) error { return inside(t.handle, fn) }

func inside(h *linx.Handle, fn func(*os.Root) error) error {
	return h.Do(func() error {
		tree, err := os.OpenRoot(root)
		if err != nil {
			return fmt.Errorf("sysctl: %w", err)
		}
		defer tree.Close()
		return fn(tree)
	})
}

func (t *procfs) drop(k key) {
	t.seen = nil
	t.watcher.forget(k)
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
