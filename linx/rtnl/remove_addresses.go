package rtnl

import (
	"context"
	"errors"
	"net/netip"
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
	at      int32 // position of the desired address that waits for its place: half of op is still to come. Or -1
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
	now, victims, err := p.lookOnceMore(ctx, olds[0].link)
	if err != nil {
		return err
	}
	var going []*doomed
	for k := range olds {
		old := &olds[k]
		seen, there := now[old.bare()]
		switch {
		case !there:
			p.round.again, old.dropped = true, true
			continue
		case seen.protocol != old.protocol:
			p.round.again, old.settled = true, true // somebody made it theirs
			continue
		}
		victim, any := victims[seen.network()]
		if any && !seen.v6 && !seen.is(unix.IFA_F_SECONDARY) && !p.promotes(ctx, old.link) {
			old.settled = true
			p.done(old.op, &ConflictError{Holder: victim.holder(p.name), Protocol: int(victim.protocol),
				Reason: "it is a secondary address of the one to be deleted, and would go with it; promote_secondaries is off"})
			continue
		}
		going = append(going, old)
	}
	if err := p.standIn(ctx, now, going); err != nil {
		return err
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

// standIn keeps an interface from losing its last IPv4 address for a moment, with which the kernel would take
// all IPv4 routes over it, others' too: fib_disable_ip. So it is where ours that stay are secondaries that
// fall with their primary. One of them is put there alone, of length 32, until the next round has brought
// them back. Where the kernel keeps no IFA_PROTO it could be left behind, and is not made.
func (p *pass) standIn(ctx context.Context, now map[address]address, going []*doomed) error {
	falls, goes := make(map[netip.Prefix]bool), make(map[address]bool)
	for _, old := range going {
		goes[old.bare()] = true
		if !old.v6 && !old.is(unix.IFA_F_SECONDARY) {
			falls[old.network()] = true
		}
	}
	var one address
	for bare, a := range now {
		switch {
		case a.v6, goes[bare]:
		case a.is(unix.IFA_F_SECONDARY) && falls[a.network()]:
			one = a
		default:
			return nil // it stays
		}
	}
	if one.link == 0 || !p.survey.tags || p.survey.untagged || p.promotes(ctx, one.link) {
		return nil
	}
	one.bits, one.flags, one.metric, one.protocol = 32, 0, 0, p.survey.protocol
	return p.send(ctx, 1,
		func(b *rtnetlink.Batch, _ int) { putAddress(b, unix.NLM_F_EXCL, &one) },
		func(int, error) {}, // refused: what it is to prevent will happen
		func(int, error) {})
}

// bare is what tells addresses of one interface apart.
func (a *address) bare() address {
	return address{local: a.local, peer: a.peer, link: a.link, bits: a.bits, v6: a.v6}
}

// lookOnceMore reads the addresses of one interface. victims are others' IPv4 secondaries, one for each
// network, which would be deleted with its primary: __inet_del_ifa in the kernel's net/ipv4/devinet.c.
func (p *pass) lookOnceMore(ctx context.Context, link int32) (now map[address]address, victims map[netip.Prefix]address, err error) {
	for range maximumDumps {
		now, victims = make(map[address]address), make(map[netip.Prefix]address)
		var a address
		askAddresses(&p.batch, link)
		err = p.conn.Dump(ctx, &p.batch, func(_ uint16, body []byte) error {
			if decodeAddress(body, &a) && a.link == link {
				now[a.bare()] = a
			}
			return nil
		})
		if !errors.Is(err, rtnetlink.ErrInterrupted) {
			break
		}
	}
	if errors.Is(err, unix.ENODEV) {
		return nil, nil, nil
	}
	for _, a := range now {
		if !a.v6 && a.is(unix.IFA_F_SECONDARY) && !p.owns(&a) {
			victims[a.network()] = a
		}
	}
	return now, victims, err
}

// promotes says whether the kernel makes a secondary the primary when that goes, by the interface's own
// setting or the one for all, which is in no message.
func (p *pass) promotes(ctx context.Context, index int32) bool {
	on := false
	askLinkAt(&p.batch, index)
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
