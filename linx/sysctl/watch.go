package sysctl

import (
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// watcher is an inotify instance that tells of writes to keys. A watch sees what is written through the
// same mount of procfs, in the same namespace, for as long as the key is kept open: without a descriptor,
// the kernel may forget the inode that is watched, and make another one for the next writer.
type watcher struct {
	file *os.File // on the netpoller

	mu      sync.Mutex
	watches map[key]int
	closed  bool
}

func newWatcher() (*watcher, error) {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("sysctl: making an inotify instance (fs.inotify.max_user_instances bounds them): %w", err)
	}
	return &watcher{file: os.NewFile(uintptr(fd), "inotify"), watches: map[key]int{}}, nil
}

// watch watches a key that is open as fd, from now on. It reports whether it could:
// fs.inotify.max_user_watches bounds them.
func (w *watcher) watch(k key, fd int) bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, done := w.watches[k]; done || w.closed {
		return done && !w.closed
	}
	var wd int
	err := control(w.file, func(inotify int) (err error) {
		// By the descriptor, so that it is the file of the right namespace, whatever thread this is.
		wd, err = unix.InotifyAddWatch(inotify, "/proc/self/fd/"+strconv.Itoa(fd), unix.IN_MODIFY)
		return err
	})
	if err != nil {
		return false
	}
	w.watches[k] = wd
	return true
}

// forget ends the watch of a key, if there is one.
func (w *watcher) forget(k key) {
	if w == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	wd, watched := w.watches[k]
	if !watched || w.closed {
		return
	}
	delete(w.watches, k)
	_ = control(w.file, func(inotify int) error {
		_, err := unix.InotifyRmWatch(inotify, uint32(wd)) // fails if the inode is gone, and the watch with it
		return err
	})
}

// has tells whether a key is watched.
func (w *watcher) has(k key) bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_, watched := w.watches[k]
	return watched && !w.closed
}

func (w *watcher) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	return w.file.Close()
}

// wait waits until something was written, or so much that the kernel lost count.
func (w *watcher) wait() error {
	var buf [1024]byte
	for {
		n, err := w.file.Read(buf[:])
		if err != nil {
			return err
		}
		if written(buf[:n]) {
			return nil
		}
	}
}

// written tells whether events are about anything but the end of watches.
func written(events []byte) bool {
	for len(events) >= unix.SizeofInotifyEvent {
		if binary.NativeEndian.Uint32(events[4:])&^unix.IN_IGNORED != 0 {
			return true
		}
		events = events[min(unix.SizeofInotifyEvent+int(binary.NativeEndian.Uint32(events[12:])), len(events)):]
	}
	return false
}
