package linx

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openPath opens the network namespace that path names.
func openPath(path string) (*space, error) {
	// O_NONBLOCK: whatever the path names, a FIFO too, opening it must not hang.
	file, err := os.OpenFile(path, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, pathError(path, err)
	}
	if err := checkKind(path, file); err != nil {
		file.Close()
		return nil, err
	}
	s, err := newSpace(file, unix.CLONE_NEWNET)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("linx: %s: %w", path, err)
	}
	return s, nil
}

func checkKind(path string, file *os.File) error {
	var kind int
	err := control(file, func(fd int) (err error) {
		kind, err = unix.IoctlRetInt(fd, unix.NS_GET_NSTYPE)
		return err
	})
	switch {
	case err == nil && kind == unix.CLONE_NEWNET:
		return nil
	case err == nil:
		return fmt.Errorf("linx: %s: a %s namespace, want a network namespace", path, kindName(kind))
	}
	info, statErr := file.Stat()
	if statErr == nil && info.Mode().IsRegular() && info.Size() == 0 {
		// What ip-netns(8) mounts on, and what umount(8) leaves.
		return fmt.Errorf("linx: %s: an empty file, no network namespace is mounted on it: %w", path, ErrNamespaceGone)
	}
	return fmt.Errorf("linx: %s: want a network namespace, this is none: %w", path, err)
}

// checkPath tells whether path names the namespace that is held. Comparing inodes is good enough here, and only here:
// the kernel cannot use the inode again while it is held.
func checkPath(path string, held *space) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return pathError(path, &os.PathError{Op: "stat", Path: path, Err: err})
	}
	if held.node != (node{st.Dev, st.Ino}) {
		return fmt.Errorf("linx: %s: it no longer names the network namespace that is open: %w", path, ErrNamespaceGone)
	}
	return nil
}

func pathError(path string, err error) error {
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return fmt.Errorf("linx: %s: %w: %w", path, ErrNamespaceGone, err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		return fmt.Errorf("linx: %s: %w (needs CAP_DAC_OVERRIDE, or the file's owner)", path, err)
	default:
		return fmt.Errorf("linx: %s: %w", path, err)
	}
}
