package rtnl

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// doomed is an address that is to be deleted.
type doomed struct {
	address
	op      reconcile.Op
	at      int32 // position of the desired address that waits for its place, and for which deletion is but half of op; -1
	settled bool  // op is reported
	dropped bool  // it is not there any more
}

// removeAddresses deletes ours that are not desired.
func (p *pass) removeAddresses(ctx context.Context, plan *difference) error {
	olds := make([]doomed, len(plan.oldAddresses))
	for k, a := range plan.oldAddresses {
		olds[k] = doomed{address: a, op: op(Delete, p.oldAddress(&a)), at: -1}
	}
	return p.dropAddresses(ctx, olds)
}

// dropAddresses deletes addresses. The kernel has no guard for that: it deletes who has the address,
// whoever made it. So each interface is read once more at once before; what remains is the time between two
// messages.
func (p *pass) dropAddresses(ctx context.Context, olds []doomed) error {
	// An IPv4 primary takes its secondaries along: ours go first, by themselves.
	slices.SortStableFunc(olds, func(a, b doomed) int {
		if a.link != b.link {
			return int(a.link - b.link)
		}
		return int(b.flags&unix.IFA_F_SECONDARY) - int(a.flags&unix.IFA_F_SECONDARY)
	})
	for from := 0; from < len(olds); {
		to := from
		for to < len(olds) && olds[to].link == olds[from].link {
			to++
		}
		if err := p.dropOn(ctx, olds[from:to]); err != nil {
			for k := range olds {
				if !olds[k].settled && (!olds[k].dropped || olds[k].at >= 0) {
					p.skipped(olds[k].op, err)
				}
			}
			return err
		}
		from = to
	}
	return nil
}

// dropOn deletes addresses of one interface, secondaries before primaries.
func (p *pass) dropOn(ctx context.Context, olds []doomed) error {
	now, err := p.addressesOn(ctx, olds[0].link)
	if err != nil {
		return err
	}
	var going []*doomed
	for k := range olds {
		old := &olds[k]
		n := slices.IndexFunc(now, func(a address) bool { return a.same(&old.address) })
		switch {
		case n < 0:
			old.dropped = true
			p.round.again = true
			continue
		case now[n].protocol != old.protocol:
			p.round.again, old.settled = true, true // somebody made it theirs
			continue
		}
		old.flags = now[n].flags
		if victim := p.victim(old, now); victim != nil && !p.promotes(ctx, old.link) {
			old.settled = true
			p.done(old.op, &ConflictError{Holder: victim.holder(p.name), Protocol: int(victim.protocol),
				Reason: "it is a secondary address of the one to be deleted, and would go with it; promote_secondaries is off"})
			continue
		}
		going = append(going, old)
	}
	return p.send(ctx, len(going),
		func(b *rtnetlink.Batch, k int) { dropAddress(b, &going[k].address) },
		func(k int, err error) {
			old := going[k]
			switch {
			case err == nil:
				old.dropped = true
				p.round.removed[old.key()] = struct{}{}
				delete(p.made, old.key())
				if old.at >= 0 {
					return
				}
			case gone(err):
				old.dropped = true
				p.round.again = true
				return
			}
			old.settled = true
			p.done(old.op, err)
		},
		func(int, error) {}) // the caller's
}

// same says that a and b are one address of one interface.
func (a *address) same(b *address) bool {
	return a.link == b.link && a.local == b.local && a.peer == b.peer && a.bits == b.bits && a.v6 == b.v6
}

// addressesOn reads the addresses of one interface.
func (p *pass) addressesOn(ctx context.Context, link int32) ([]address, error) {
	for range maximumDumps {
		var list []address
		var a address
		askAddresses(&p.batch, link)
		err := p.conn.Dump(ctx, &p.batch, func(_ uint16, body []byte) error {
			if decodeAddress(body, &a) && a.link == link {
				list = append(list, a)
			}
			return nil
		})
		switch {
		case errors.Is(err, unix.ENODEV):
			return nil, nil
		case !errors.Is(err, rtnetlink.ErrInterrupted):
			return list, err
		}
	}
	return nil, rtnetlink.ErrInterrupted
}

// victim finds another's address that would be deleted with old: a secondary in its network, by
// __inet_del_ifa.
func (p *pass) victim(old *doomed, now []address) *address {
	if old.v6 || old.is(unix.IFA_F_SECONDARY) {
		return nil
	}
	for i := range now {
		a := &now[i]
		if a.is(unix.IFA_F_SECONDARY) && !a.v6 && a.bits == old.bits && a.network() == old.network() && !p.owns(a) {
			return a
		}
	}
	return nil
}

// promotes says whether the kernel makes a secondary the primary when that goes, by the interface's own
// setting or the one for all, which is in no message.
func (p *pass) promotes(ctx context.Context, index int32) bool {
	on := false
	askLinks(&p.batch, index)
	_ = p.conn.Get(ctx, &p.batch, func(_ uint16, body []byte) error {
		if _, l, ok := decodeLink(body); ok {
			on = l.promote
		}
		return nil
	})
	if on {
		return true
	}
	var value []byte
	_ = p.source.handle.Do(func() (err error) {
		value, err = os.ReadFile("/proc/sys/net/ipv4/conf/all/promote_secondaries")
		return err
	})
	return strings.TrimSpace(string(value)) == "1" // unreadable: off, which errs on the side of others
}
