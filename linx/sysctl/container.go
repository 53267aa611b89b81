package sysctl

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx"
)

// A container has a procfs of its own, and what is written through it inotify sees there alone. So the
// monitor of a PID watches that one, too. It belongs to whoever is in the container, and may be anything:
// so it is looked at only if the kernel's list of mounts says that it is a procfs, by ways that follow no
// link, cross no mount beneath it and ask no file system that might never answer (a FUSE one).
//
// Nothing of it is kept open, as that would keep the container from unmounting it. So if the kernel drops
// its cache of names, that watch goes deaf, and the timer is left.

// procOf opens, as a mere path, the procfs that is mounted on /proc for the process of h, on any thread.
// nil: there is none, it is the one that we have ourselves, or we may not look.
func procOf(h *linx.Handle) (*os.File, error) {
	pid, ok := strings.CutPrefix(h.Namespace().String(), "pid ")
	if !ok {
		return nil, nil
	}
	dir, err := openPath(unix.AT_FDCWD, "/proc/"+pid+"/root", 0)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	mounts, err := os.ReadFile("/proc/" + pid + "/mountinfo")
	if err != nil {
		return nil, err
	}
	if err := h.Refresh(); err != nil { // still there: so the pid has been its own all along
		return nil, err
	}
	proc, err := openPath(int(dir.Fd()), "proc",
		unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_MAGICLINKS|resolveCached)
	if err != nil {
		return nil, err
	}
	id, err := mountID(proc)
	if err == nil && !isProcMount(mounts, id) {
		err = errors.New("sysctl: no procfs is mounted on /proc there")
	}
	if err != nil || sameDevice(proc, "/proc") {
		proc.Close()
		return nil, err
	}
	return proc, nil
}

// resolveCached is RESOLVE_CACHED of linux/openat2.h (since Linux 5.12): fail where a file system would
// have to be asked.
const resolveCached = 0x20

func openPath(dir int, path string, resolve uint64) (*os.File, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: resolve}
	fd, err := unix.Openat2(dir, path, &how)
	if err != nil {
		return nil, &os.PathError{Op: "openat2", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// mountID tells of which mount a descriptor is, as proc_pid_fdinfo(5) has it.
func mountID(f *os.File) (string, error) {
	info, err := os.ReadFile("/proc/thread-self/fdinfo/" + strconv.Itoa(int(f.Fd())))
	if err != nil {
		return "", err
	}
	for line := range strings.SplitSeq(string(info), "\n") {
		if id, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			return strings.TrimSpace(id), nil
		}
	}
	return "", errors.New("sysctl: the kernel does not tell the mount of a descriptor")
}

// isProcMount tells whether a mount is of a whole procfs, by the text of proc_pid_mountinfo(5).
func isProcMount(mountinfo []byte, id string) bool {
	for line := range bytes.Lines(mountinfo) {
		mount, fs, _ := strings.Cut(string(line), " - ")
		fields := strings.Fields(mount)
		if len(fields) > 3 && fields[0] == id {
			return fields[3] == "/" && strings.HasPrefix(fs, "proc ")
		}
	}
	return false
}

// sameDevice tells whether f, which is of a procfs, is of the one at path.
func sameDevice(f *os.File, path string) bool {
	var a, b unix.Stat_t
	return unix.Fstat(int(f.Fd()), &a) == nil && unix.Stat(path, &b) == nil && a.Dev == b.Dev
}

// watchThere watches keys in the container's procfs, if it has one, on a thread inside its network namespace.
func (t *procfs) watchThere(keys []key) {
	proc, err := procOf(t.handle)
	t.apart = err != nil || proc != nil
	if err != nil || proc == nil {
		return // nothing is lost but hints of what the timer finds
	}
	defer proc.Close()
	for _, k := range keys {
		how := unix.OpenHow{
			Flags:   unix.O_RDONLY | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
		}
		fd, err := unix.Openat2(int(proc.Fd()), "sys/"+string(k), &how)
		if err != nil {
			continue
		}
		t.watcher.watch(there(k), fd)
		unix.Close(fd)
	}
}

// there is the name under which a watcher has a key's watch in a container's procfs.
func there(k key) key { return "there:" + k }

// unwatchedThere gives the keys, and their movers, that are not watched in the procfs of a container that
// has one.
func (t *procfs) unwatchedThere(keys []key) (rest []key) {
	if t.watcher == nil || t.ns == linx.Self() || isPath(t.ns) {
		return nil
	}
	for _, k := range append(keys[:len(keys):len(keys)], t.movers...) {
		if k.domain() == network && !t.watcher.has(there(k)) {
			rest = append(rest, k)
		}
	}
	return rest
}
