package sysctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx"
)

// absentError says that there is no such key, and what is missing as far as can be told. It wraps ENOENT.
type absentError struct {
	what   string
	coming bool // it may come by itself: an interface
}

func (e *absentError) Error() string { return fmt.Sprintf("%v: %s", unix.ENOENT, e.what) }

func (e *absentError) waits() bool { return e.coming }

func (e *absentError) Unwrap() error { return unix.ENOENT }

// modules are the kernel modules that bring directories of keys.
var modules = []struct{ dir, module string }{
	{"net/bridge", "br_netfilter"},
	{"net/netfilter", "nf_conntrack"},
	{"net/mpls", "mpls_router"},
	{"net/ipv6", "ipv6"},
	{"net/sctp", "sctp"},
	{"net/rds", "rds"},
	{"net/vrf", "vrf"},
	{"net/mptcp", "mptcp"},
	{"net/ipv4/vs", "ip_vs"},
}

// explainAbsence finds out why k is not in the tree, on a thread that sees the tree.
func explainAbsence(tree *os.Root, ns linx.Namespace, k key) error {
	there := func(path string) bool { _, err := tree.Stat(path); return err == nil }
	if name, dir := k.device(); name != "" && !there(dir) && there(parent(dir)) {
		if other := "net/ipv4/conf/" + name; there(other) {
			return &absentError{fmt.Sprintf("interface %s has no %s", name, parent(dir)), true}
		}
		return &absentError{fmt.Sprintf("there is no interface %s", name), true}
	}
	for _, m := range modules {
		if strings.HasPrefix(string(k), m.dir+"/") && !there(m.dir) {
			what := fmt.Sprintf("there is no %s: kernel module %s is not loaded, or not to be had", key(m.dir), m.module)
			return &absentError{what, false}
		}
	}
	what := "this kernel does not have it, or a module is not loaded"
	if k.domain() == network && ns != linx.Self() {
		what += ", or it is there in the first network namespace alone"
	}
	return &absentError{what, false}
}

// explainRefusal says of a permission that was denied which one is missing, where that can be told from the
// mode.
func explainRefusal(k key, mode fs.FileMode, err error) error {
	switch {
	case !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EPERM):
		return err
	case mode&0o222 == 0 && k.domain() == network:
		return fmt.Errorf("%w: it is read-only, here or outside the first network namespace", err)
	case mode&0o222 == 0:
		return fmt.Errorf("%w: it is read-only", err)
	case mode&0o444 == 0:
		return fmt.Errorf("%w: it is write-only, so there is no state to be kept", err)
	case k.domain() == network:
		return fmt.Errorf("%w: it takes CAP_NET_ADMIN in the user namespace that owns the network namespace", err)
	default:
		return fmt.Errorf("%w: it takes root, or a capability, in the user namespace that owns the value", err)
	}
}
