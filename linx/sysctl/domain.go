package sysctl

import (
	"fmt"
	"strings"

	"github.com/linx-go/linx-go/linx"
)

// domain is the kind of namespace whose value a key shows.
type domain uint8

const (
	global  domain = iota // one value for the whole machine, or one that the process's other namespaces decide
	network               // net.*
	uts                   // kernel.hostname and kernel.domainname
	ipc                   // System V IPC and POSIX message queues
	user                  // user.*
)

func (k key) domain() domain {
	top, rest, _ := strings.Cut(string(k), "/")
	switch top {
	case "net":
		return network
	case "user":
		return user
	case "fs":
		if strings.HasPrefix(rest, "mqueue/") {
			return ipc
		}
	case "kernel":
		switch {
		case rest == "hostname", rest == "domainname":
			return uts
		case rest == "auto_msgmni", hasAnyPrefix(rest, "shm", "msg", "sem"):
			return ipc
		}
	}
	return global
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// isPath tells whether ns is a linx.Path. Namespaces are comparable, and a Path's String is its path.
func isPath(ns linx.Namespace) bool { return ns == linx.Path(ns.String()) }

// checkDomain refuses keys whose value in ns is not to be had: what a thread would read there is another
// namespace's.
func checkDomain(ns linx.Namespace, k key) error {
	if ns == linx.Self() {
		return nil
	}
	switch d := k.domain(); {
	case d == network:
		return nil
	case d == user:
		return fmt.Errorf("belongs to a user namespace, which a Go program cannot enter: "+
			"it can be set for linx.Self alone, not for %s", ns)
	case d == global:
		return fmt.Errorf("is one for the whole machine: set it for linx.Self, not for %s", ns)
	case isPath(ns):
		return fmt.Errorf("belongs to a UTS or IPC namespace, and %s names a network namespace: "+
			"set it for linx.Self or linx.PID", ns)
	default:
		return nil
	}
}
