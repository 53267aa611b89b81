package linx

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openPath opens the network namespace that path names.
func openPath(path string) ([]*space, error) {
	// O_NONBLOCK: whatever the path names, a FIFO too, opening it must not hang.
	file, err := os.OpenFile(path, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, pathError(path, err)
	}
	if err := wantNet(path, file); err != nil {
		file.Close()
		return nil, err
	}
	s, err := newSpace(file, unix.CLONE_NEWNET)
	if err != nil {
		return nil, fmt.Errorf("linx: %s: %w", path, err)
	}
	return []*space{s}, nil
}

// wantNet says what is at path if it is no network namespace.
func wantNet(path string, file *os.File) error {
	var kind int
	err := control(file, func(fd int) (err error) {
		kind, err = unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
		return err
	})
	if err == nil && kind != unix.CLONE_NEWNET {
		return fmt.Errorf("linx: %s: want a network namespace; this one's kind is %s", path, kindName(kind))
	}
	if err == nil {
		return nil
	}
	info, statErr := file.Stat()
	switch {
	case statErr != nil:
		return fmt.Errorf("linx: %s: %w", path, statErr)
	case info.Mode().IsRegular() && info.Size() == 0:
		// What ip-netns(8) binds a namespace to, and what is seen again after umount(8).
		return fmt.Errorf("linx: %s: an empty file, with no namespace bound to it: %w", path, ErrNamespaceGone)
	case info.IsDir():
		return fmt.Errorf("linx: %s: a directory; want a network namespace", path)
	default:
		return fmt.Errorf("linx: %s: no namespace at all; want a network namespace: %w", path, err)
	}
}

// checkPath tells whether path names the namespace that is held. Comparing inodes will do here, and only
// here: the kernel cannot use an inode again while it is held.
func checkPath(path string, held *space) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return pathError(path, &os.PathError{Op: "stat", Path: path, Err: err})
	}
	if held.node != (node{st.Dev, st.Ino}) {
		return fmt.Errorf("linx: %s: not the namespace that is open, any more: %w", path, ErrNamespaceGone)
	}
	return nil
}

func pathError(path string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return fmt.Errorf("linx: %s: %w: %w", path, ErrNamespaceGone, err)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("linx: %s: %w (needs CAP_DAC_READ_SEARCH, or other file modes)", path, err)
	default:
		return fmt.Errorf("linx: %s: %w", path, err)
	}
}
