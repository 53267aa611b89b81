package main

import (
	"errors"
	"fmt"
	"os"

	"go.uber.org/goleak"
)

// stock is what there was before the program: what it must not have more of at the end, and what look showed.
type stock struct {
	kernel     []string
	goroutines goleak.Option
	fds        map[string]string // what each number was open on
}

func takeStock() (stock, error) {
	// Go's poller keeps the descriptors that it opens at first use.
	r, w, err := os.Pipe()
	if err != nil {
		return stock{}, err
	}
	r.Close()
	w.Close()
	fds, err := descriptors()
	if err != nil {
		return stock{}, err
	}
	kernel, err := look()
	return stock{kernel, goleak.IgnoreCurrent(), fds}, err
}

// left is nil if nothing came in and stayed: goroutines, file descriptors, threads in other namespaces.
// (Threads of this one are the Go runtime's, which keeps them for later.)
func (s stock) left() error {
	var left []error
	if err := goleak.Find(s.goroutines); err != nil {
		left = append(left, err)
	}
	fds, err := descriptors()
	if err != nil {
		return err
	}
	for fd, target := range fds {
		if s.fds[fd] != target {
			left = append(left, fmt.Errorf("file descriptor %s: %s", fd, target))
		}
	}
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return err
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, thread := range threads {
		// One that has ended meanwhile gives an error, and is no longer left.
		if ns, err := os.Readlink("/proc/self/task/" + thread.Name() + "/ns/net"); err == nil && ns != here {
			left = append(left, fmt.Errorf("thread %s in %s", thread.Name(), ns))
		}
	}
	return errors.Join(left...)
}

func descriptors() (map[string]string, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	fds := map[string]string{}
	for _, fd := range entries {
		// The one that the directory was read through is closed by now.
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil {
			fds[fd.Name()] = target
		}
	}
	return fds, nil
}
