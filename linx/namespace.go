package linx

import "fmt"

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

// Self is where this process itself lives.
func Self() Namespace { return Namespace{} }

// PID names the network, UTS and IPC namespaces of a running process, by its thread group's id.
// Which process that is gets settled once, by the first Find or Open: a pid that the kernel hands
// out again later is never mistaken for it.
func PID(pid int) Namespace { return Namespace{kind: ofPID, pid: pid} }

// Path names the network namespace that is bind-mounted at path, such as /run/netns/blue, as ip-netns(8)
// makes them. What the file names may change; see Handle.Refresh.
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
