package sysctl

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/reconcile"
)

func TestSettingsRefused(t *testing.T) {
	self, pid, path := linx.Self(), linx.PID(os.Getpid()), linx.Path("/run/netns/blue")
	for _, c := range []struct {
		ns      linx.Namespace
		desired Settings
		names   string // the entry
		why     string
	}{
		{self, Settings{"": "1"}, `settings[""]`, "is empty"},
		{self, Settings{"net": "1"}, `settings["net"]`, "give the whole name"},
		{self, Settings{"net..ipv4": "1"}, `settings["net..ipv4"]`, "empty part"},
		{self, Settings{"/net/ipv4/ip_forward": "1"}, `settings["/net/ipv4/ip_forward"]`, "give the name beneath /proc/sys"},
		{self, Settings{"net/../../etc/passwd": "1"}, `settings["net/../../etc/passwd"]`, "without going up"},
		{self, Settings{"net.ipv4.//.//.x": "1"}, `settings["net.ipv4.//.//.x"]`, "without going up"},
		{self, Settings{"net/./ipv4/ip_forward": "1"}, `settings["net/./ipv4/ip_forward"]`, "without going up"},
		{self, Settings{"net.ipv4.ip_forward\n": "1"}, `settings["net.ipv4.ip_forward\n"]`, "a newline"},
		{self, Settings{"net.ipv4\x00.ip_forward": "1"}, `settings["net.ipv4\x00.ip_forward"]`, "a NUL"},
		{self, Settings{"net.ipv4.ip_forward": "1\n"}, `settings["net.ipv4.ip_forward"]`, "give one line"},
		{self, Settings{"net.ipv4.ip_forward": "1\n0"}, `settings["net.ipv4.ip_forward"]`, "give one line"},
		{self, Settings{"kernel.hostname": "a\x00b"}, `settings["kernel.hostname"]`, "has a NUL"},
		{self, Settings{"kernel.hostname": longest + "x"}, `settings["kernel.hostname"]`, "at most 4095"},
		{self, Settings{"net.ipv4.ip_forward": "1", "net/ipv4/ip_forward": "1"}, `settings["net/ipv4/ip_forward"]`, "give it once"},
		{self, Settings{"vm.drop_caches": "3"}, `settings["vm.drop_caches"]`, "call Write"},
		{self, Settings{"vm.compact_memory": "1"}, `settings["vm.compact_memory"]`, "call Write"},
		{self, Settings{"net.ipv4.route.flush": "1"}, `settings["net.ipv4.route.flush"]`, "call Write"},
		{self, Settings{"kernel.ns_last_pid": "1"}, `settings["kernel.ns_last_pid"]`, "changes with every process"},
		{self, Settings{"vm.overcommit_ratio": "50", "vm.overcommit_kbytes": "1"}, `settings["vm.overcommit_ratio"]`, "give one of them"},
		{self, Settings{"vm.dirty_ratio": "50", "vm.dirty_bytes": "1"}, `settings["vm.dirty_ratio"]`, "give one of them"},
		{self, Settings{"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.forwarding": "0"}, `settings["net.ipv4.conf.all.forwarding"]`, "one switch"},
		{self, Settings{"net.ipv4.neigh.lo.retrans_time": "1", "net.ipv4.neigh.lo.retrans_time_ms": "10"}, `settings["net.ipv4.neigh.lo.retrans_time"]`, "another unit"},
		{self, Settings{"net.ipv4.conf.eth0.100.rp_filter": "1"}, `settings["net.ipv4.conf.eth0.100.rp_filter"]`, "as a slash"},
		{pid, Settings{"vm.swappiness": "1"}, `settings["vm.swappiness"]`, "set it for linx.Self"},
		{pid, Settings{"user.max_net_namespaces": "1"}, `settings["user.max_net_namespaces"]`, "cannot enter"},
		{path, Settings{"kernel.hostname": "a"}, `settings["kernel.hostname"]`, "linx.Self or linx.PID"},
		{path, Settings{"fs.mqueue.msg_max": "1"}, `settings["fs.mqueue.msg_max"]`, "linx.Self or linx.PID"},
		{path, Settings{"kernel.shmmax": "1"}, `settings["kernel.shmmax"]`, "linx.Self or linx.PID"},
		{path, Settings{"fs.file-max": "1"}, `settings["fs.file-max"]`, "set it for linx.Self"},
		{linx.PID(0), nil, "pid", ""},
		{linx.Path(""), nil, "path", ""},
	} {
		src := New(c.ns, Options{})
		_, err := reconcile.New(src, c.desired, Config{})
		if err == nil || !strings.Contains(err.Error(), c.names) || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%v in %s: %v; want an error with %s and %q", c.desired, c.ns, err, c.names, c.why)
		}
		if _, err := src.Reconcile(t.Context(), c.desired, LastApplied{}, nil); err == nil {
			t.Errorf("%v in %s: a pass took it", c.desired, c.ns)
		}
	}
}

func TestSettingsAccepted(t *testing.T) {
	for _, c := range []struct {
		ns      linx.Namespace
		desired Settings
	}{
		{linx.Self(), nil},
		{linx.Self(), Settings{"vm.swappiness": "1", "user.max_net_namespaces": "1", "kernel.hostname": "", "net.ipv4.ip_forward": "1", "net.ipv4.conf.all.forwarding": "1 "}},
		{linx.PID(os.Getpid()), Settings{"kernel.hostname": "a", "kernel.sem": "1 2 3 4", "kernel.auto_msgmni": "0", "fs.mqueue.msg_max": "1", "net.core.somaxconn": "1"}},
		{linx.Path("/pid 1"), Settings{"net.core.somaxconn": "1"}},
	} {
		if err := New(c.ns, Options{}).Validate(c.desired); err != nil {
			t.Errorf("%v in %s: %v", c.desired, c.ns, err)
		}
	}
}

// What only the kernel can tell, the first pass does.
func TestNamespaceThatIsNone(t *testing.T) {
	testns.Require(t)
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, ns := range []linx.Namespace{linx.Path(file), linx.Path(file + "/absent"), linx.PID(1 << 22)} {
		s := source(t, ns, Options{})
		r, err := s.Reconcile(t.Context(), Settings{"net.ipv4.tcp_syncookies": "1"}, LastApplied{}, nil)
		if err == nil || !strings.Contains(err.Error(), ns.String()) || len(r.Applied) > 0 || r.Converged {
			t.Errorf("%s: %v", ns, err)
		}
	}
}

func TestHostnameOfAProcess(t *testing.T) {
	n := testns.New(t)
	outside := mustRead(t, linx.Self(), "kernel.hostname")
	ns := linx.PID(n.Process(unix.CLONE_NEWUTS, unix.CLONE_NEWIPC).PID())
	s := source(t, ns, Options{RevertOnRelease: true})
	desired := Settings{"kernel.hostname": "inside.example", "kernel.sem": "100 3200 10 12", "net.ipv4.tcp_syncookies": "2"}
	r := reconciled(t, s, desired, LastApplied{})
	if len(r.Failed) == 1 && errors.Is(r.Failed[0].Err, unix.EACCES) && strings.HasPrefix(r.Failed[0].Op.String(), "set kernel.hostname") {
		t.Log(r.Failed) // an ordinary user's user namespace does not own the host name's file
		delete(desired, "kernel.hostname")
		r = reconciled(t, s, desired, r.LastApplied)
	}
	if !r.Converged || mustRead(t, linx.Self(), "kernel.hostname") != outside {
		t.Fatalf("%s: %v; outside %q", ops(r), r.Failed, mustRead(t, linx.Self(), "kernel.hostname"))
	}
	for name, value := range desired {
		if got := mustRead(t, ns, name); !got.is(value) {
			t.Errorf("%s is %q", name, got)
		}
	}
	if r = reconciled(t, s, desired, r.LastApplied); !r.Converged || len(r.Applied) > 0 {
		t.Errorf("the second pass did %s", ops(r))
	}
	if r = reconciled(t, s, nil, r.LastApplied); !r.Converged || mustRead(t, ns, "kernel.hostname") != outside {
		t.Errorf("%s: %v", ops(r), r.Failed)
	}
	if err := Write(ns, "vm.swappiness", "1"); err == nil || !strings.Contains(err.Error(), "set it for linx.Self") {
		t.Errorf("a global key through a process: %v", err)
	}
}
