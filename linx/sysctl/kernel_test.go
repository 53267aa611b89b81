package sysctl

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
)

// look reads a sysctl as anybody in the namespace would, with nothing of this package.
func look(t testing.TB, n *testns.Net, path string) string {
	t.Helper()
	var text []byte
	var err error
	n.Do(func() { text, err = os.ReadFile("/proc/sys/" + path) })
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// turn writes one, as anybody would.
func turn(t testing.TB, n *testns.Net, path, value string) {
	t.Helper()
	var err error
	n.Do(func() { err = os.WriteFile("/proc/sys/"+path, []byte(value), 0) })
	if err != nil {
		t.Fatal(err)
	}
}

func source(t testing.TB, ns linx.Namespace, opts Options) *Source {
	s := New(ns, opts)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func reconciled(t testing.TB, s *Source, desired Settings, last LastApplied) Report {
	t.Helper()
	report, err := s.Reconcile(t.Context(), desired, last, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report.Began.IsZero() || report.Took <= 0 || report.Observed.Before(report.Began) {
		t.Errorf("began %v, took %v, observed %v", report.Began, report.Took, report.Observed)
	}
	return report
}

// everywhere runs a test for a namespace that has a path, and one that has a process.
func everywhere(t *testing.T, test func(t *testing.T, n *testns.Net, ns linx.Namespace)) {
	t.Run("path", func(t *testing.T) {
		n := testns.New(t)
		test(t, n, n.Namespace())
	})
	t.Run("pid", func(t *testing.T) {
		n := testns.New(t)
		test(t, n, linx.PID(n.Process().PID()))
	})
}

func TestConvergeHealRelease(t *testing.T) {
	everywhere(t, func(t *testing.T, n *testns.Net, ns linx.Namespace) {
		outside := mustRead(t, linx.Self(), "net.ipv4.tcp_syncookies")
		s := source(t, ns, Options{})
		desired := Settings{
			"net.ipv4.tcp_syncookies":          "2",
			"net/ipv4/conf/lo/rp_filter":       Int(1),
			"net.ipv4.ip_local_port_range":     Ints(20000, 30000),
			"net.ipv4.ip_local_reserved_ports": "25000-25000",
		}
		r := reconciled(t, s, desired, LastApplied{})
		if !r.Converged || len(r.Applied) != 4 {
			t.Fatalf("%s: %v %v", ops(r), r.Failed, r.Pending)
		}
		for path, want := range map[string]string{
			"net/ipv4/tcp_syncookies": "2", "net/ipv4/conf/lo/rp_filter": "1",
			"net/ipv4/ip_local_port_range": "20000\t30000", "net/ipv4/ip_local_reserved_ports": "25000",
		} {
			if got := look(t, n, path); got != want {
				t.Errorf("%s is %q, want %q", path, got, want)
			}
		}
		if got := mustRead(t, linx.Self(), "net.ipv4.tcp_syncookies"); got != outside {
			t.Errorf("outside it became %q", got)
		}
		if r = reconciled(t, s, desired, r.LastApplied); !r.Converged || len(r.Applied) > 0 {
			t.Errorf("the second pass did %q", ops(r))
		}
		turn(t, n, "net/ipv4/conf/lo/rp_filter", "2")
		if r = reconciled(t, s, desired, r.LastApplied); ops(r) != "set net.ipv4.conf.lo.rp_filter = 1" || look(t, n, "net/ipv4/conf/lo/rp_filter") != "1" {
			t.Errorf("drift: %q", ops(r))
		}
		delete(desired, "net.ipv4.tcp_syncookies")
		if r = reconciled(t, s, desired, r.LastApplied); ops(r) != "release net.ipv4.tcp_syncookies = 2" || look(t, n, "net/ipv4/tcp_syncookies") != "2" {
			t.Errorf("leaving: %q", ops(r))
		}
	})
}

func mustRead(t testing.TB, ns linx.Namespace, name string) Value {
	t.Helper()
	v, err := Read(ns, name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// The ledger goes through JSON, to a source of another process, as it were.
func TestRevertByAnotherSource(t *testing.T) {
	everywhere(t, func(t *testing.T, n *testns.Net, ns linx.Namespace) {
		paths := []string{"net/ipv4/ip_forward", "net/ipv4/conf/lo/forwarding", "net/ipv4/neigh/lo/retrans_time_ms", "net/ipv4/ip_local_reserved_ports"}
		turn(t, n, "net/ipv4/conf/lo/forwarding", "1")
		var before []string
		for _, path := range paths {
			before = append(before, look(t, n, path))
		}
		desired := Settings{paths[0]: "1", paths[1]: "0", paths[2]: "1005", paths[3]: "80,8080-8080"}
		r := reconciled(t, source(t, ns, Options{}), desired, LastApplied{})
		text, err := json.Marshal(r.LastApplied)
		if err != nil || !r.Converged || look(t, n, paths[1]) != "0" {
			t.Fatalf("%v: %s %v", err, ops(r), r.Failed)
		}
		var ledger LastApplied
		if err := json.Unmarshal(text, &ledger); err != nil || !reflect.DeepEqual(ledger, r.LastApplied) {
			t.Fatalf("%v: %s", err, text)
		}
		s := source(t, ns, Options{RevertOnRelease: true})
		if r = reconciled(t, s, desired, ledger); !r.Converged || len(r.Applied) > 0 {
			t.Errorf("%s", ops(r))
		}
		r = reconciled(t, s, nil, r.LastApplied)
		for i, path := range paths {
			if got := look(t, n, path); got != before[i] {
				t.Errorf("%s is %q, was %q", path, got, before[i])
			}
		}
		if !r.Converged || len(r.LastApplied.Keys) > 0 {
			t.Errorf("%s: %v, owns %v", ops(r), r.Failed, r.LastApplied)
		}
	})
}

// One bad key holds up no other, and each says what is wrong with it.
func TestFailingKeys(t *testing.T) {
	n := testns.New(t)
	s := source(t, n.Namespace(), Options{})
	desired := Settings{
		"net.ipv4.tcp_syncookies":                   "2",
		"net.ipv4.conf.lo.nonsense":                 "1",
		"net.ipv4.conf.absent0.rp_filter":           "1",
		"net.mpls.conf.lo.input":                    "1",
		"net.ipv4.conf.lo":                          "1",
		"net.ipv4.ip_local_port_range":              "1 x",
		"net.ipv4.tcp_available_congestion_control": "cubic",
		"net.ipv6.conf.lo.stable_secret":            "2001:db8::1",
		"net.ipv4.tcp_congestion_control":           "nonsense",
		"net.ipv4.conf.lo.rp_filter":                "1 2",
	}
	r := reconciled(t, s, desired, LastApplied{})
	if r.Converged || look(t, n, "net/ipv4/tcp_syncookies") != "2" {
		t.Error(ops(r))
	}
	for name, want := range map[string]struct {
		errno error
		text  string
	}{
		"net.ipv4.conf.lo.nonsense":                 {unix.ENOENT, "this kernel does not have it"},
		"net.mpls.conf.lo.input":                    {unix.ENOENT, "kernel module mpls_router"},
		"net.ipv4.conf.lo":                          {unix.EISDIR, "a group of keys"},
		"net.ipv4.ip_local_port_range":              {unix.EINVAL, ""},
		"net.ipv4.tcp_available_congestion_control": {unix.EACCES, "read-only"},
		"net.ipv6.conf.lo.stable_secret":            {unix.EIO, "reading it"},
		"net.ipv4.tcp_congestion_control":           {unix.ENOENT, ""},
		"net.ipv4.conf.lo.rp_filter":                {nil, `wanted "1 2", got "1"`},
	} {
		found := false
		for _, f := range r.Failed {
			if f.Op.Object.(assignment).key.String() == name {
				found = true
				if want.errno != nil && !errors.Is(f.Err, want.errno) || !strings.Contains(f.Err.Error(), want.text) {
					t.Errorf("%s; want %v, %s", f, want.errno, want.text)
				}
				t.Log(f)
			}
		}
		if !found {
			t.Errorf("%s is not among the failed: %v", name, r.Failed)
		}
	}
	if len(r.Pending) != 1 || !strings.Contains(r.Pending[0].String(), "there is no interface absent0") {
		t.Errorf("pending %v", r.Pending)
	}
	text, err := json.Marshal(r)
	for _, want := range []string{
		`"applied":[{"verb":"set","object":"net.ipv4.tcp_syncookies = 2"}]`,
		`{"verb":"set","object":"net.ipv4.conf.lo.nonsense = 1","error":"`,
		`"errno":"EISDIR"`,
	} {
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s lacks %s (%v)", text, want, err)
		}
	}
	n.Veth("absent0", "other0")
	if r = reconciled(t, s, desired, r.LastApplied); len(r.Pending) > 0 || look(t, n, "net/ipv4/conf/absent0/rp_filter") != "1" {
		t.Error(ops(r))
	}
}

// A new interface of an old name is another one: its original is its own, though no pass saw the old one go.
func TestInterfaceIsReplaced(t *testing.T) {
	n := testns.New(t)
	n.Veth("v0", "v1")
	const path = "net/ipv4/conf/v0/rp_filter"
	s := source(t, n.Namespace(), Options{RevertOnRelease: true})
	desired := Settings{path: "1"}
	turn(t, n, path, "2")
	r := reconciled(t, s, desired, LastApplied{})
	if got := r.LastApplied.Keys["net.ipv4.conf.v0.rp_filter"].Original; got != "2" {
		t.Fatalf("original %q", got)
	}
	link, err := n.Netlink().LinkByName("v0")
	if err == nil {
		err = n.Netlink().LinkDel(link)
	}
	if err != nil {
		t.Fatal(err)
	}
	n.Veth("v0", "v1")
	fresh := look(t, n, path)
	if r = reconciled(t, s, desired, r.LastApplied); !r.Converged || look(t, n, path) != "1" {
		t.Fatalf("%s, %v", ops(r), r.Failed)
	}
	if got := r.LastApplied.Keys["net.ipv4.conf.v0.rp_filter"].Original; string(got) != fresh {
		t.Errorf("original %q, want %q", got, fresh)
	}
}

func TestNamespaceGone(t *testing.T) {
	n := testns.New(t)
	s := source(t, n.Namespace(), Options{})
	desired := Settings{"net.ipv4.tcp_syncookies": "2"}
	r := reconciled(t, s, desired, LastApplied{})
	n.Replace()
	gone, err := s.Reconcile(t.Context(), desired, r.LastApplied, nil)
	if !errors.Is(err, linx.ErrNamespaceGone) || !reflect.DeepEqual(gone.LastApplied, r.LastApplied) {
		t.Errorf("%v, owns %v", err, gone.LastApplied)
	}
	again := reconciled(t, s, desired, r.LastApplied) // in the new one, with empty ownership
	if !again.Converged || len(again.Applied) != 1 || again.LastApplied.Namespace == r.LastApplied.Namespace || look(t, n, "net/ipv4/tcp_syncookies") != "2" {
		t.Errorf("%s, owns %v", ops(again), again.LastApplied)
	}

	p := n.Process()
	s = source(t, linx.PID(p.PID()), Options{})
	r = reconciled(t, s, desired, LastApplied{})
	p.Kill()
	if _, err := s.Reconcile(t.Context(), desired, r.LastApplied, nil); !errors.Is(err, linx.ErrNamespaceGone) {
		t.Error(err)
	}
}

// A steady pass enters no namespace: it works with the handle closed under it.
func TestSteadyPassStaysOutside(t *testing.T) {
	n := testns.New(t)
	s := source(t, n.Namespace(), Options{})
	desired := Settings{"net.ipv4.tcp_syncookies": "2", "net.ipv4.conf.lo.rp_filter": "1"}
	r := reconciled(t, s, desired, LastApplied{})
	if err := s.tree.handle.Close(); err != nil {
		t.Fatal(err)
	}
	want, _ := desired.compile(s.ns)
	owned, _ := r.LastApplied.in(s.ns, s.tree.handle.ID())
	p := pass{tree: &s.tree, desired: want.exact, owned: owned, fights: &s.fights}
	if err := p.run(t.Context()); err != nil || !p.report.Converged {
		t.Errorf("%v: %v", err, p.failed)
	}
	s.tree.close()
	if err := p.run(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v: the test tests nothing", err)
	}
}
