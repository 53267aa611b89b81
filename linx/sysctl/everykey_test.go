package sysctl

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
)

// writableKeys gives the keys of a namespace that hold a state and may be written. Those that are not the
// namespace's own, the kernel makes read-only in it.
func writableKeys(t testing.TB, ns linx.Namespace) []string {
	t.Helper()
	names, err := List(ns, "net")
	if err != nil {
		t.Fatal(err)
	}
	var writable []string
	for _, name := range names {
		k, _ := parseKey(name)
		// disable_ipv6 and forwarding move other keys. The last one is one switch for all, and cannot be
		// turned off again.
		if checkState(k) != nil || strings.HasSuffix(name, ".disable_ipv6") || name == "net.ipv6.conf.all.forwarding" || name == "net.netfilter.nf_hooks_lwtunnel" {
			continue
		}
		v, err := Read(ns, name)
		if err == nil && Write(ns, name, v) == nil {
			writable = append(writable, name)
		}
	}
	return writable
}

// candidates are values that a key may take, by what it holds.
func candidates(now Value) []Value {
	fields := strings.Fields(string(now))
	if n, err := strconv.Atoi(string(now)); err == nil && len(fields) == 1 {
		return []Value{Int(n + 1), Int(n - 1), Int(n + 1005), "0", "1", "2", Value(fmt.Sprintf("0x%x", uint32(n+1)))}
	}
	if numbers := fields; len(numbers) > 1 && isInts(string(now)) {
		last, _ := strconv.Atoi(numbers[len(numbers)-1])
		numbers[len(numbers)-1] = strconv.Itoa(last + 1)
		return []Value{Value(strings.Join(numbers, " "))}
	}
	return []Value{"", "8080-8080,80", "reno", "00000003", "pfifo_fast"}
}

// TestEveryKey takes each writable key of a namespace to other values, through a source: what the kernel
// accepts converges and stays, what it does not is reported, and reverting restores what was there, all of
// it.
func TestEveryKey(t *testing.T) {
	n := testns.New(t)
	n.Veth("v0", "v1")
	ns := n.Namespace()
	s := source(t, ns, Options{RevertOnRelease: true})
	names := writableKeys(t, ns)
	before := map[string]Value{}
	for _, name := range names {
		before[name] = mustRead(t, ns, name)
	}
	var exercised, forms, notTaken, refused int
	for _, name := range names {
		moved := false
		for _, value := range candidates(before[name]) {
			if value.is(before[name]) {
				continue
			}
			desired := Settings{name: value}
			r := reconciled(t, s, desired, LastApplied{})
			if r.Converged {
				moved = true
				owned := r.LastApplied.Keys[name]
				if owned.ReadBack != "" {
					forms++
					t.Logf("%s: %q reads back as %q", name, value, owned.ReadBack)
				}
				if again := reconciled(t, s, desired, r.LastApplied); !again.Converged || len(again.Applied) > 0 {
					t.Errorf("%s = %q: the second pass did %q", name, value, ops(again))
				}
			} else {
				var not *NotTakenError
				var errno unix.Errno
				switch err := r.Failed[0].Err; {
				case errors.As(err, &not):
					notTaken++
					t.Logf("%s = %q: %v", name, value, err)
				case errors.As(err, &errno):
					refused++
				default:
					t.Errorf("%s = %q: %v", name, value, err)
				}
			}
			r = reconciled(t, s, nil, r.LastApplied)
			if got := mustRead(t, ns, name); !r.Converged || !got.is(before[name]) {
				t.Errorf("%s = %q: afterwards it is %q, was %q; %s %v", name, value, got, before[name], ops(r), r.Failed)
			}
		}
		if moved {
			exercised++
		} else {
			t.Logf("%s holds %q, and took none of the values", name, before[name])
		}
	}
	for _, name := range names {
		if got := mustRead(t, ns, name); !got.is(before[name]) {
			t.Errorf("%s is %q in the end, was %q", name, got, before[name])
		}
	}
	t.Logf("%d writable keys, %d exercised; %d values read back in another form, %d not taken, %d refused with an errno",
		len(names), exercised, forms, notTaken, refused)
	if exercised < 200 {
		t.Errorf("only %d keys were exercised", exercised)
	}
}

// TestManyKeys has random sets of keys desired together and in turn: what is reported as converged is
// there, and in the end all is as it was.
func TestManyKeys(t *testing.T) {
	n := testns.New(t)
	n.Veth("v0", "v1")
	ns := n.Namespace()
	names := writableKeys(t, ns)
	s := source(t, ns, Options{RevertOnRelease: true})
	rapid.Check(t, func(t *rapid.T) {
		before := map[string]Value{}
		var last LastApplied
		for range rapid.IntRange(1, 3).Draw(t, "states") {
			desired := Settings{}
			for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 20, rapid.ID).Draw(t, "keys") {
				if movesOthers(name, names) {
					continue // their originals are then what they were moved to
				}
				now, err := Read(ns, name)
				if err != nil {
					t.Fatal(err)
				}
				if _, seen := before[name]; !seen {
					before[name] = now
				}
				desired[name] = rapid.SampledFrom(candidates(now)).Draw(t, name)
			}
			r, err := s.Reconcile(t.Context(), desired, last, nil)
			if err != nil {
				t.Fatal(err)
			}
			last = r.LastApplied
			for name, value := range desired {
				owned, mine := last.Keys[name]
				now, err := Read(ns, name)
				if ok := mine && owned.Applied == value && owned.holds(now); err != nil || r.Converged && !ok {
					t.Fatalf("%v: converged, and %s is %q, wanted %q", err, name, now, value)
				}
			}
			again, err := s.Reconcile(t.Context(), desired, last, nil)
			if err != nil || len(again.Applied) > 0 || again.Converged != r.Converged {
				t.Fatalf("%v: the pass again did %q", err, ops(again))
			}
			last = again.LastApplied
		}
		r, err := s.Reconcile(t.Context(), nil, last, nil)
		if err != nil || !r.Converged {
			t.Fatalf("%v: %v", err, r.Failed)
		}
		for name, value := range before {
			if now, err := Read(ns, name); err != nil || !now.is(value) {
				t.Fatalf("%v: %s is %q, was %q", err, name, now, value)
			}
		}
	})
}

func movesOthers(name string, names []string) bool {
	for _, group := range []string{".conf.all.", ".conf.default.", "forward"} {
		if strings.Contains(name, group) {
			return true
		}
	}
	return slices.Contains(names, name+"_ms") || slices.Contains(names, name+"_bytes")
}
