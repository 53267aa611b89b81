package linx_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
)

func TestPathThatIsNoNetworkNamespace(t *testing.T) {
	nothingLeft(t)
	testns.Require(t)
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "absent"): "",
		file("empty", "") + "/below": "",
		file("empty", ""):            "",
		file("full", "text"):         "no namespace at all",
		dir:                          "a directory; want a network namespace",
		fifo:                         "no namespace at all",
		loop:                         "too many levels",
		"/dev/null":                  "no namespace at all",
		"/proc/self/ns/mnt":          "kind is mount",
		"/proc/self/ns/uts":          "kind is UTS",
		"/proc/self/ns/ipc":          "kind is IPC",
		"/proc/self/ns/pid":          "kind is pid",
		"/proc/self/ns/user":         "kind is user",
		"/proc/self/ns/cgroup":       "kind is cgroup",
		"/proc/self/ns/time":         "kind is time",
	} {
		_, err := linx.Path(path).Open()
		if want == "" {
			wantGone(t, path, err)
		} else {
			wantPlain(t, path, err, want)
		}
	}
	_, err := linx.Path(filepath.Join(dir, "absent")).Open()
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: %v does not wrap ENOENT", err)
	}
}

func TestPathIsRemovedAndComesBack(t *testing.T) {
	nothingLeft(t)
	n := testns.New(t)
	h := open(t, n.Namespace())
	id := h.ID()
	if !regexp.MustCompile(`^[0-9a-f-]{36}:[1-9][0-9]*$`).MatchString(string(id)) {
		t.Errorf("the id is %q, want the boot id and a cookie", id)
	}
	if err := h.Refresh(); err != nil {
		t.Fatal(err)
	}

	n.Unmount()
	wantGone(t, "removed", h.Refresh())
	if err := h.Do(func() error { return nil }); err != nil {
		t.Errorf("what is held cannot be used: %v", err)
	}
	h.Close()
	wantGone(t, "removed and closed", h.Refresh())
	if err := os.WriteFile(n.Path(), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	wantGone(t, "an empty file", h.Refresh())
	if h.ID() != id {
		t.Errorf("the closed handle has the id %q, want %q", h.ID(), id)
	}

	n.Remount()
	if err := h.Refresh(); err != nil {
		t.Fatal(err)
	}
	if h.ID() != id {
		t.Errorf("the same namespace has the id %q, had %q", h.ID(), id)
	}
}

func TestUmountLeavesAnEmptyFile(t *testing.T) {
	n := testns.New(t)
	h := open(t, n.Namespace())
	if err := unix.Unmount(n.Path(), unix.MNT_DETACH); err != nil {
		t.Fatal(err)
	}
	wantGone(t, "an open handle", h.Refresh())
	h.Close()
	wantGone(t, "a closed handle", h.Refresh())
}

// While a handle holds the old namespace, the new one cannot have its inode; once closed, only the
// cookie tells the two apart.
func TestPathIsReplacedAtOnce(t *testing.T) {
	nothingLeft(t)
	n := testns.New(t)
	h := open(t, n.Namespace())
	id := h.ID()
	n.Replace()
	wantGone(t, "replaced", h.Refresh())
	if err := errors.Join(h.Close(), h.Refresh()); err != nil {
		t.Fatal(err)
	}
	if h.ID() == id {
		t.Error("the new namespace has the old one's id")
	}

	// Until one comes along with the inode of a former one.
	inode := func() uint64 {
		var st unix.Stat_t
		if err := unix.Stat(n.Path(), &st); err != nil {
			t.Fatal(err)
		}
		return st.Ino
	}
	ids := make(map[uint64]linx.ID)
	eventually(t, "an inode is used again", func() bool {
		before := ids[inode()]
		ids[inode()] = h.ID()
		if before == h.ID() {
			t.Fatal("another namespace with the same inode has the same id")
		}
		h.Close()
		n.Replace()
		if err := h.Refresh(); err != nil {
			t.Fatal(err)
		}
		return before != ""
	})
}

func TestPathIsAnotherKindOfNamespaceNow(t *testing.T) {
	n := testns.New(t)
	h := open(t, n.Namespace())
	n.Unmount()
	if err := os.Symlink("/proc/self/ns/uts", n.Path()); err != nil {
		t.Fatal(err)
	}
	wantGone(t, "an open handle", h.Refresh())
	h.Close()
	wantPlain(t, "a closed handle", h.Refresh(), "kind is UTS")
}

// One namespace has one id, whatever it is called.
func TestOneNamespaceManyNames(t *testing.T) {
	nothingLeft(t)
	n := testns.New(t)
	file, err := os.Open(n.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	byPath := open(t, n.Namespace())
	for _, ns := range []linx.Namespace{
		linx.PID(n.Process().PID()),
		linx.Path(fmt.Sprintf("/proc/%d/ns/net", n.Process().PID())),
		linx.Path(fmt.Sprintf("/proc/self/fd/%d", file.Fd())),
	} {
		h := open(t, ns)
		if h.ID() != byPath.ID() {
			t.Errorf("%s: %s, but %s: %s", ns, h.ID(), byPath.Namespace(), byPath.ID())
		}
		if err := h.Refresh(); err != nil {
			t.Errorf("%s: %v", ns, err)
		}
	}
	if other := open(t, testns.New(t).Namespace()); other.ID() == byPath.ID() {
		t.Error("two namespaces have one id")
	}
}

// The file descriptor limit is no reason to believe that a namespace has gone.
func TestNoFileDescriptors(t *testing.T) {
	nothingLeft(t)
	n := testns.New(t)
	byPath, byPID := open(t, n.Namespace()), open(t, linx.PID(n.Process().PID()))
	closed, err := linx.PID(n.Process().PID()).Find()
	if err != nil {
		t.Fatal(err)
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	low := old
	low.Cur = 1 // what is open stays open
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	_, openErr := n.Namespace().Open()
	_, findErr := linx.PID(os.Getpid()).Find()
	refreshPath, refreshPID, refreshClosed := byPath.Refresh(), byPID.Refresh(), closed.Refresh()
	waitPath, waitPID := byPath.Wait(t.Context()), byPID.Wait(t.Context())
	do := byPath.Do(func() error { return nil })
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}

	if refreshPath != nil || do != nil {
		t.Errorf("what needs none: Refresh gave %v, Do %v", refreshPath, do)
	}
	for what, err := range map[string]error{"Open": openErr, "Find": findErr, "Refresh, open": refreshPID,
		"Refresh, closed": refreshClosed, "Wait for a path": waitPath, "Wait for a pid": waitPID} {
		wantPlain(t, what, err, "too many open files")
		if !errors.Is(err, unix.EMFILE) {
			t.Errorf("%s: %v does not wrap EMFILE", what, err)
		}
	}
	if err := closed.Refresh(); err != nil {
		t.Errorf("the handle does not recover: %v", err)
	}
	closed.Close()
}
