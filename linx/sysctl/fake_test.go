package sysctl

import (
	"context"
	"log/slog"
	"maps"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx"
)

// fake is a tree of a few keys that behave as the kernel's do, each after its kind.
type fake struct {
	values map[key]Value
	gone   map[key]bool
	writes []change
	crash  int // panic before this write, counted from 1; 0: never
	cancel func()
	fights fights
}

const (
	forward    = key("net/ipv4/ip_forward")                 // moves all of forwarding
	forwardAll = key("net/ipv4/conf/all/forwarding")        // is the same
	forwardIf  = key("net/ipv4/conf/eth0/forwarding")       // waits for its interface
	jiffies    = key("net/ipv4/neigh/eth0/retrans_time_ms") // rounds up to 4; waits for its interface
	plain      = key("net/ipv4/tcp_syncookies")
	clamped    = key("net/core/clamped")  // to 6
	ignoring   = key("net/core/ignoring") // takes nothing
	refusing   = key("net/core/refusing") // EINVAL above 5
	ports      = key("net/ipv4/ip_local_reserved_ports")
)

func newFake() *fake {
	f := &fake{values: map[key]Value{}, gone: map[key]bool{}, fights: fights{log: slog.New(slog.DiscardHandler)}}
	for _, k := range []key{forward, forwardAll, forwardIf, jiffies, plain, clamped, ignoring, refusing} {
		f.values[k] = "0"
	}
	f.values[ports] = ""
	return f
}

func (f *fake) read(ctx context.Context, keys []key, into map[key]reading) error {
	for _, k := range keys {
		v, ok := f.values[k]
		switch {
		case f.gone[k]:
			into[k] = reading{err: &absentError{"there is no interface", true}}
		case !ok:
			into[k] = reading{err: &absentError{"there is no key", false}}
		default:
			into[k] = reading{value: v}
		}
	}
	return ctx.Err()
}

func (f *fake) write(ctx context.Context, changes []change, done func(change, outcome)) error {
	for _, c := range changes {
		if f.crash > 0 && len(f.writes)+1 == f.crash {
			panic("crash")
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		f.writes = append(f.writes, c)
		if err := f.put(c.key, c.value); err != nil {
			done(c, outcome{refused: err, got: f.values[c.key]})
			continue
		}
		done(c, outcome{got: f.values[c.key]})
		if f.cancel != nil {
			f.cancel()
		}
	}
	return nil
}

// put is a write by anybody.
func (f *fake) put(k key, v Value) error {
	n, _ := strconv.Atoi(string(v))
	switch k {
	case forward, forwardAll:
		for _, moved := range []key{forward, forwardAll, forwardIf} {
			f.values[moved] = v
		}
	case jiffies:
		v = Int((n + 3) / 4 * 4)
	case clamped:
		v = Int(min(n, 6))
	case ignoring:
		return nil
	case refusing:
		if n > 5 {
			return unix.EINVAL
		}
	case ports:
		if v == "8080-8080" {
			v = "8080"
		}
	}
	f.values[k] = v
	return nil
}

const fakeID = linx.ID("fake")

// pass runs one pass over the fake. A crash gives nothing but what was claimed.
func (f *fake) pass(ctx context.Context, desired Settings, last LastApplied, revert bool, claim func(LastApplied) error) (report Report, err error) {
	want, err := desired.compile(linx.Self())
	if err != nil {
		return Report{LastApplied: last}, err
	}
	owned, err := last.in(linx.Self(), fakeID)
	if err != nil {
		return Report{LastApplied: last}, err
	}
	f.writes = nil
	p := pass{tree: f, revert: revert, desired: want.exact, owned: owned, claim: claim, fights: &f.fights}
	err = p.run(ctx)
	report.Began = time.Now()
	p.conclude(&report)
	return report, err
}

func (f *fake) snapshot() map[key]Value { return maps.Clone(f.values) }
