package sysctl

import (
	"maps"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/linxtest"
)

// A pass counts as steady if it finds just what the one before has left, and nothing less.
func TestSteady(t *testing.T) {
	n := testns.New(t)
	s := source(t, n.Namespace(), Options{})
	desired := Settings{"net.ipv4.tcp_syncookies": "2", "net/ipv4/ip_local_port_range": "20000 30000", "net.ipv4.neigh.lo.retrans_time_ms": "1005"}
	r := reconciled(t, s, desired, LastApplied{})
	steady := func(desired Settings, last LastApplied) bool { return s.tree.steady(desired, last) }
	if !steady(desired, r.LastApplied) {
		t.Fatal("the pass after is not steady")
	}
	with := func(name string, value Value) Settings {
		changed := maps.Clone(desired)
		changed[name] = value
		return changed
	}
	owning := func(change func(*LastApplied, *Owned)) LastApplied {
		last := LastApplied{r.LastApplied.Namespace, maps.Clone(r.LastApplied.Keys)}
		owned := last.Keys["net.ipv4.tcp_syncookies"]
		change(&last, &owned)
		last.Keys["net.ipv4.tcp_syncookies"] = owned
		return last
	}
	for what, is := range map[string]bool{
		"another value":      steady(with("net.ipv4.tcp_syncookies", "1"), r.LastApplied),
		"one key more":       steady(with("net.ipv4.tcp_sack", "1"), r.LastApplied),
		"a key twice":        steady(with("net/ipv4/tcp_syncookies", "2"), r.LastApplied),
		"one key less":       steady(Settings{"net.ipv4.tcp_syncookies": "2"}, r.LastApplied),
		"another namespace":  steady(desired, owning(func(l *LastApplied, o *Owned) { l.Namespace = "other" })),
		"a claim":            steady(desired, owning(func(l *LastApplied, o *Owned) { o.Claimed = true })),
		"something else put": steady(desired, owning(func(l *LastApplied, o *Owned) { o.Applied = "1" })),
		"no ownership":       steady(desired, LastApplied{}),
	} {
		if is {
			t.Errorf("steady with %s", what)
		}
	}
	for path, value := range map[string]string{"net/ipv4/tcp_syncookies": "0", "net/ipv4/neigh/lo/retrans_time_ms": "1004"} {
		before := look(t, n, path)
		turn(t, n, path, value)
		if steady(desired, r.LastApplied) {
			t.Errorf("steady with drift of %s", path)
		}
		turn(t, n, path, before)
	}
	if !steady(desired, r.LastApplied) {
		t.Error("not steady any more")
	}
	if allocs := testing.AllocsPerRun(100, func() { steady(Settings{}, LastApplied{}) }); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// A steady pass allocates nothing per key.
func TestSteadyAllocates(t *testing.T) {
	count := func(keys int) float64 {
		n := testns.New(t)
		s := source(t, n.Namespace(), Options{})
		desired := many(t, n, keys)
		r := reconciled(t, s, desired, LastApplied{})
		if !r.Converged {
			t.Fatal(r.Failed)
		}
		return testing.AllocsPerRun(20, func() { reconciled(t, s, desired, r.LastApplied) })
	}
	if few, most := count(25), count(250); most > few {
		t.Errorf("%v allocations for 25 keys, %v for 250", few, most)
	}
}

// Descriptors are kept of what is desired, of MaxKept keys at most, and of no other.
func TestKept(t *testing.T) {
	linxtest.CheckLeaks(t)
	n := testns.New(t)
	s := source(t, n.Namespace(), Options{})
	desired := many(t, n, MaxKept+100)
	r := reconciled(t, s, desired, LastApplied{})
	if !r.Converged || len(s.tree.kept) != MaxKept {
		t.Errorf("%d kept, failed %v", len(s.tree.kept), r.Failed)
	}
	if r = reconciled(t, s, desired, r.LastApplied); !r.Converged || len(r.Applied) > 0 {
		t.Errorf("the second pass did %d", len(r.Applied))
	}
	few := Settings{"net.ipv4.tcp_syncookies": "2"}
	for range 3 { // let go, make room, keep
		r = reconciled(t, s, few, r.LastApplied)
	}
	if len(s.tree.kept) != 1 {
		t.Errorf("%d kept, of one", len(s.tree.kept))
	}
}

// What is mounted over a key is not written, whatever it is.
func TestMountedOver(t *testing.T) {
	testns.Require(t) // Self is a private namespace then
	const path = "/proc/sys/net/ipv4/tcp_syncookies"
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, []byte("0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(file, path, "", unix.MS_BIND, ""); err != nil {
		testns.Skip(t, err)
	}
	defer unix.Unmount(path, unix.MNT_DETACH)
	r := reconciled(t, source(t, linx.Self(), Options{}), Settings{"net.ipv4.tcp_syncookies": "2"}, LastApplied{})
	if text, err := os.ReadFile(file); string(text) != "0\n" {
		t.Errorf("the file has %q, %v", text, err)
	}
	if len(r.Failed) != 1 || !strings.Contains(r.Failed[0].Err.Error(), "mounted over") {
		t.Errorf("applied %v, failed %v", r.Applied, r.Failed)
	}
}
