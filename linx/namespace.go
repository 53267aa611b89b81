package linx

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// Namespace says where to act: in the process's own namespaces, in those of another process, or
// in a network namespace that a file names. It is a name and no more: making one opens nothing and
// checks nothing. Namespaces are comparable; the zero value is Self.
type Namespace struct {
	kind kind
	pid  int
	path string
}

type kind uint8

const (
	self kind = iota
	ofPID
	ofPath
)

// maxPID is the kernel's PID_MAX_LIMIT on 64 bits. What is above it, pidfd_open(2) would cut off
// to 32 bits and so take for another process.
const maxPID = 1 << 22

// Self is where this process itself lives.
func Self() Namespace { return Namespace{} }

// PID names the network, UTS and IPC namespaces of a running process, by its thread group's id.
// Which process that is gets settled once, by the first Find or Open: a pid that the kernel hands
// out again later is never mistaken for it.
func PID(pid int) Namespace { return Namespace{kind: ofPID, pid: pid} }

// Path names the network namespace that is bind-mounted at path, such as /run/netns/blue, as ip-netns(8)
// makes them. The path is absolute: a relative one would change its meaning with the working directory.
// What the file names may change; see Handle.Refresh.
func Path(path string) Namespace { return Namespace{kind: ofPath, path: path} }

// String gives "self", "pid 4711" or "/run/netns/blue".
func (ns Namespace) String() string {
	switch ns.kind {
	case ofPID:
		return fmt.Sprintf("pid %d", ns.pid)
	case ofPath:
		return ns.path
	default:
		return "self"
	}
}

// MarshalText gives what String gives. A Namespace that Validate refuses is an error.
func (ns Namespace) MarshalText() ([]byte, error) {
	if err := ns.Validate(); err != nil {
		return nil, err
	}
	return []byte(ns.String()), nil
}

// UnmarshalText takes what MarshalText gives.
func (ns *Namespace) UnmarshalText(text []byte) error {
	var named Namespace
	switch pid, isPID := strings.CutPrefix(string(text), "pid "); {
	case isPID:
		n, err := strconv.Atoi(pid)
		if err != nil {
			return fmt.Errorf("linx: no namespace: %q; want a pid, as in \"pid 4711\"", text)
		}
		named = PID(n)
	case string(text) != "self":
		if !strings.HasPrefix(string(text), "/") {
			return fmt.Errorf("linx: no namespace: %q; want \"self\", \"pid 4711\" or \"/run/netns/blue\"", text)
		}
		named = Path(string(text))
	}
	if err := named.Validate(); err != nil {
		return err
	}
	*ns = named
	return nil
}

// Validate reports what is wrong with the name itself, without asking the kernel: a pid that no process
// can have, a path that is empty, relative or holds a NUL. Find and Open begin with it.
func (ns Namespace) Validate() error {
	switch {
	case ns.kind == ofPID && (ns.pid < 1 || ns.pid > maxPID):
		return fmt.Errorf("linx: PID(%d): a pid is between 1 and %d", ns.pid, maxPID)
	case ns.kind == ofPath && ns.path == "":
		return fmt.Errorf("linx: Path(%q): want the path of a network namespace, as /run/netns/blue", ns.path)
	case ns.kind == ofPath && strings.ContainsRune(ns.path, 0):
		return fmt.Errorf("linx: Path(%q): a path cannot hold a NUL", ns.path)
	case ns.kind == ofPath && !filepath.IsAbs(ns.path):
		return fmt.Errorf("linx: Path(%q): want an absolute path, as /run/netns/%[1]s", ns.path)
	}
	return nil
}
