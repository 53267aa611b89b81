package sysctl

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx"
)

// root is where the kernel's own procfs is mounted. A lookup beneath it depends on the namespaces of the
// thread that makes it; the directory itself does not.
const root = "/proc/sys"

// maxText bounds what is read of a key. The longest, lists of ports, have some thousand bytes.
const maxText = 1 << 16

// inside runs fn on a thread in the namespace, with the tree as it is seen there.
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

func annotate(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
