package sysctl

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx"
)

func ops(r Report) string {
	var s []string
	for _, op := range r.Applied {
		s = append(s, op.String())
	}
	for _, f := range r.Failed {
		s = append(s, "failed: "+f.Op.String())
	}
	for _, f := range r.Pending {
		s = append(s, "pending: "+f.Op.String())
	}
	return strings.Join(s, "; ")
}

func mustPass(t *testing.T, f *fake, desired Settings, last LastApplied, revert bool) Report {
	t.Helper()
	report, err := f.pass(t.Context(), desired, last, revert, nil)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func want(t *testing.T, r Report, converged bool, does string) {
	t.Helper()
	if got := ops(r); got != does || r.Converged != converged {
		t.Errorf("converged %v, did %q; want %v, %q (failed %v, pending %v)", r.Converged, got, converged, does, r.Failed, r.Pending)
	}
}

func TestSetThenNothing(t *testing.T) {
	f := newFake()
	desired := Settings{"net.ipv4.tcp_syncookies": "1", "net.core.refusing": "0"}
	r := mustPass(t, f, desired, LastApplied{}, false)
	want(t, r, true, "set net.ipv4.tcp_syncookies = 1")
	again := mustPass(t, f, desired, r.LastApplied, false)
	want(t, again, true, "")
	if !reflect.DeepEqual(again.LastApplied, r.LastApplied) {
		t.Errorf("ownership moved: %v, then %v", r.LastApplied, again.LastApplied)
	}
	if got := r.LastApplied.Keys; !reflect.DeepEqual(got, map[string]Owned{
		"net.ipv4.tcp_syncookies": {Applied: "1", Original: "0"},
		"net.core.refusing":       {Applied: "0", Original: "0"},
	}) {
		t.Errorf("owns %+v", got)
	}
}

func TestDriftIsHealedAndTheOriginalKept(t *testing.T) {
	f := newFake()
	desired := Settings{"net.ipv4.tcp_syncookies": "1"}
	r := mustPass(t, f, desired, LastApplied{}, false)
	f.values[plain] = "2"
	r = mustPass(t, f, desired, r.LastApplied, false)
	want(t, r, true, "set net.ipv4.tcp_syncookies = 1")
	r = mustPass(t, f, Settings{"net.ipv4.tcp_syncookies": "3"}, r.LastApplied, false)
	want(t, r, true, "set net.ipv4.tcp_syncookies = 3")
	r = mustPass(t, f, nil, r.LastApplied, true)
	want(t, r, true, "revert net.ipv4.tcp_syncookies = 0")
	if len(r.LastApplied.Keys) != 0 || f.values[plain] != "0" {
		t.Errorf("%v, owns %v", f.values[plain], r.LastApplied.Keys)
	}
}

func TestReleaseLeavesTheValue(t *testing.T) {
	f := newFake()
	r := mustPass(t, f, Settings{"net.ipv4.tcp_syncookies": "1"}, LastApplied{}, false)
	r = mustPass(t, f, nil, r.LastApplied, false)
	want(t, r, true, "release net.ipv4.tcp_syncookies = 1")
	if len(r.LastApplied.Keys) != 0 || f.values[plain] != "1" {
		t.Errorf("%v, owns %v", f.values[plain], r.LastApplied.Keys)
	}
}

// What one key moves is set again in the same pass, and the report is about what is there at its end.
func TestOneKeyMovesOthers(t *testing.T) {
	f := newFake()
	f.values[forwardIf] = "1"
	desired := Settings{"net.ipv4.conf.eth0.forwarding": "1", "net.ipv4.ip_forward": "2"}
	r := mustPass(t, f, desired, LastApplied{}, false)
	want(t, r, true, "set net.ipv4.ip_forward = 2; set net.ipv4.conf.eth0.forwarding = 1")
	want(t, mustPass(t, f, desired, r.LastApplied, false), true, "")
	r = mustPass(t, f, nil, r.LastApplied, true)
	want(t, r, true, "revert net.ipv4.ip_forward = 0; revert net.ipv4.conf.eth0.forwarding = 1")
	if f.values[forward] != "0" || f.values[forwardIf] != "1" {
		t.Errorf("not restored: %v", f.values)
	}
}

// A form of the kernel's own is remembered, across processes, and not written in every pass.
func TestReadBackForm(t *testing.T) {
	f := newFake()
	desired := Settings{"net.ipv4.neigh.eth0.retrans_time_ms": "5", "net.ipv4.ip_local_reserved_ports": "8080-8080"}
	r := mustPass(t, f, desired, LastApplied{}, true)
	want(t, r, true, "set net.ipv4.ip_local_reserved_ports = 8080-8080; set net.ipv4.neigh.eth0.retrans_time_ms = 5")
	if got := r.LastApplied.Keys["net.ipv4.neigh.eth0.retrans_time_ms"]; got.ReadBack != "8" {
		t.Errorf("owns %+v", got)
	}
	want(t, mustPass(t, f, desired, r.LastApplied, true), true, "")
	lost := mustPass(t, f, desired, LastApplied{}, true) // ownership lost: written once more, and found to be right
	if !lost.Converged || len(lost.Applied) != 2 {
		t.Errorf("%v, did %q", lost.Converged, ops(lost))
	}
	f.values[jiffies] = "12"
	r = mustPass(t, f, desired, r.LastApplied, true)
	want(t, r, true, "set net.ipv4.neigh.eth0.retrans_time_ms = 5")
	// The form that is read back may hide another value.
	desired["net.ipv4.neigh.eth0.retrans_time_ms"] = "8"
	want(t, mustPass(t, f, desired, r.LastApplied, true), true, "set net.ipv4.neigh.eth0.retrans_time_ms = 8")
}

func TestIgnoredClampedAndRefused(t *testing.T) {
	f := newFake()
	desired := Settings{"net.core.ignoring": "3", "net.core.clamped": "9", "net.core.refusing": "7", "net.ipv4.tcp_syncookies": "1", "net.core.absent": "1"}
	r := mustPass(t, f, desired, LastApplied{}, true)
	want(t, r, false, "set net.ipv4.tcp_syncookies = 1; failed: set net.core.absent = 1; failed: set net.core.clamped = 9; "+
		"failed: set net.core.ignoring = 3; failed: set net.core.refusing = 7")
	for i, got := range []Value{2: "0", 1: "6"} {
		var not *NotTakenError
		if got != "" && (!errors.As(r.Failed[i].Err, &not) || not.Got != got) {
			t.Errorf("%v", r.Failed[i])
		}
	}
	if !errors.Is(r.Failed[3].Err, unix.EINVAL) || !errors.Is(r.Failed[0].Err, unix.ENOENT) {
		t.Errorf("errno is lost: %v", r.Failed)
	}
	// Owned is what was written: clamped, too, has something to give back.
	if got := r.LastApplied.Keys; len(got) != 2 || got["net.core.clamped"].Original != "0" || got["net.core.clamped"].Claimed {
		t.Errorf("owns %+v", got)
	}
	r = mustPass(t, f, nil, r.LastApplied, true)
	want(t, r, true, "revert net.core.clamped = 0; revert net.ipv4.tcp_syncookies = 0")
}

// A key whose interface is gone takes its original with it, and gets another one when it is back.
func TestInterfaceGoesAndComesBack(t *testing.T) {
	f := newFake()
	f.gone[jiffies] = true
	desired := Settings{"net.ipv4.neigh.eth0.retrans_time_ms": "8", "net.ipv4.tcp_syncookies": "1"}
	r := mustPass(t, f, desired, LastApplied{}, true)
	want(t, r, false, "set net.ipv4.tcp_syncookies = 1; pending: set net.ipv4.neigh.eth0.retrans_time_ms = 8")
	f.gone[jiffies] = false
	r = mustPass(t, f, desired, r.LastApplied, true)
	want(t, r, true, "set net.ipv4.neigh.eth0.retrans_time_ms = 8")
	f.gone[jiffies] = true
	r = mustPass(t, f, desired, r.LastApplied, true)
	if _, owned := r.LastApplied.Keys[jiffies.String()]; owned || len(r.Pending) != 1 {
		t.Errorf("owns %v, did %q", r.LastApplied.Keys, ops(r))
	}
	f.gone[jiffies] = false
	f.values[jiffies] = "100"
	r = mustPass(t, f, desired, r.LastApplied, true)
	if got := r.LastApplied.Keys[jiffies.String()].Original; got != "100" {
		t.Errorf("original %q", got)
	}
	f.gone[jiffies] = true
	want(t, mustPass(t, f, nil, r.LastApplied, true), true, "revert net.ipv4.tcp_syncookies = 0")
}

func TestFailedRevertIsRetried(t *testing.T) {
	f := newFake()
	f.values[refusing] = "9"
	r := mustPass(t, f, Settings{"net.core.refusing": "1"}, LastApplied{}, true)
	want(t, r, true, "set net.core.refusing = 1")
	for range 2 {
		r = mustPass(t, f, nil, r.LastApplied, true)
		want(t, r, false, "failed: revert net.core.refusing = 9")
	}
	if got := r.LastApplied.Keys["net.core.refusing"]; got.Original != "9" {
		t.Errorf("owns %+v", r.LastApplied)
	}
}

func TestClaimRefused(t *testing.T) {
	f := newFake()
	refusal := errors.New("disk full")
	before := f.snapshot()
	r, err := f.pass(t.Context(), Settings{"net.ipv4.tcp_syncookies": "1"}, LastApplied{}, false, func(LastApplied) error { return refusal })
	if !errors.Is(err, refusal) || len(f.writes) > 0 || !reflect.DeepEqual(before, f.values) || len(r.LastApplied.Keys) > 0 || r.Converged {
		t.Errorf("%v, wrote %v, owns %v", err, f.writes, r.LastApplied)
	}
}

// Killed between the claim and the end of the pass, at each possible point: what was claimed is enough to
// give the true originals back, and nothing is reverted that was not written.
func TestCrash(t *testing.T) {
	desired := Settings{"net.ipv4.ip_forward": "1", "net.ipv4.conf.eth0.forwarding": "0", "net.core.clamped": "9", "net.ipv4.tcp_syncookies": "1", "net.core.refusing": "2"}
	crashed := 0
	for at := 1; at < 10; at++ {
		for _, foreign := range []bool{false, true} {
			f := newFake()
			f.values[plain] = "4"
			before := f.snapshot()
			f.crash = at
			var ledger LastApplied
			func() {
				defer func() {
					if recover() != nil {
						crashed++
					}
				}()
				r, err := f.pass(t.Context(), desired, LastApplied{}, true, func(l LastApplied) error { ledger = l; return nil })
				if err != nil {
					t.Fatal(err)
				}
				ledger = r.LastApplied
			}()
			f.crash = 0
			if foreign && f.values[refusing] == "0" { // claimed at most: somebody else's from now on
				f.values[refusing], before[refusing] = "4", "4"
			}
			r := mustPass(t, f, nil, ledger, true)
			if !r.Converged || len(r.LastApplied.Keys) > 0 {
				t.Errorf("crash at %d: %q, owns %v", at, ops(r), r.LastApplied)
			}
			if f.values[clamped] == "6" && ledger.Keys[clamped.String()].Claimed {
				f.values[clamped] = "0" // nobody can know that 6 is what the kernel made of 9
			}
			if !reflect.DeepEqual(f.values, before) {
				t.Errorf("crash at %d: %v, want %v", at, f.values, before)
			}
		}
	}
	if crashed < 8 {
		t.Errorf("only %d crashes", crashed)
	}
}

func TestCancelledBetweenWrites(t *testing.T) {
	f := newFake()
	ctx, cancel := context.WithCancel(t.Context())
	f.cancel = cancel
	r, err := f.pass(ctx, Settings{"net.core.refusing": "1", "net.ipv4.tcp_syncookies": "1"}, LastApplied{}, false, nil)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	want(t, r, false, "set net.core.refusing = 1; pending: set net.ipv4.tcp_syncookies = 1")
	if got := r.LastApplied.Keys; len(got) != 1 || got["net.core.refusing"].Claimed {
		t.Errorf("owns %+v", got)
	}
}

// A writer that undoes each write at once is told about, and ends the pass.
func TestSomethingElseMovesIt(t *testing.T) {
	f := newFake()
	fight := fightTree{f}
	p := pass{tree: fight, desired: map[key]Value{plain: "1"}, owned: ownership{fakeID, map[key]Owned{}}, fights: &f.fights}
	if err := p.run(t.Context()); err != nil || p.report.Converged || len(p.failed) != 1 || len(f.writes) != maxRounds {
		t.Errorf("%v, %d writes, failed %v", err, len(f.writes), p.failed)
	}
}

type fightTree struct{ *fake }

func (t fightTree) read(ctx context.Context, keys []key, into map[key]reading) error {
	t.values[plain] = "0"
	return t.fake.read(ctx, keys, into)
}

func TestOwnershipOfAnotherNamespace(t *testing.T) {
	f := newFake()
	last := LastApplied{Namespace: "other", Keys: map[string]Owned{plain.String(): {Applied: "1", Original: "7"}}}
	f.values[plain] = "1"
	r := mustPass(t, f, nil, last, true)
	want(t, r, true, "")
	if f.values[plain] != "1" || r.LastApplied.Namespace != fakeID || len(r.LastApplied.Keys) != 0 {
		t.Errorf("%v, owns %v", f.values[plain], r.LastApplied)
	}
	if _, err := f.pass(t.Context(), nil, LastApplied{Namespace: fakeID, Keys: map[string]Owned{"../x": {}}}, true, nil); err == nil {
		t.Error("a ledger with a bad key was believed")
	}
	ledger := LastApplied{Namespace: fakeID, Keys: map[string]Owned{"kernel.hostname": {Applied: "a", Original: "b"}}}
	if _, err := ledger.in(linx.Path("/run/netns/blue"), fakeID); err == nil {
		t.Error("a host name would be reverted for a network namespace")
	}
}

func TestOrder(t *testing.T) {
	keys := []string{
		"net.ipv4.ip_forward", "net.core.somaxconn", "net.ipv4.tcp_syncookies",
		"net.ipv4.conf.all.forwarding", "net.ipv4.conf.all.accept_redirects", "net.ipv6.conf.all.disable_ipv6",
		"net.ipv4.conf.default.rp_filter", "net.ipv4.conf.eth0.rp_filter",
		"net.ipv6.conf.eth0.disable_ipv6", "net.ipv6.conf.eth0.forwarding", "net.ipv6.conf.eth0.accept_ra",
	}
	for i := range keys {
		for j := range keys {
			a, _ := parseKey(keys[i])
			b, _ := parseKey(keys[j])
			if got := compareKeys(a, b); (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%s and %s: %d", a, b, got)
			}
		}
	}
}

func ExampleNotTakenError() {
	fmt.Println(&NotTakenError{Wanted: "100000", Got: "65535"})
	// Output: the kernel took the write without an error and holds another value: wanted "100000", got "65535"
}
