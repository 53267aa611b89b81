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
			p.done(old.op, &ConflictError{Holder: victim.named(p.name(victim.link)), Protocol: int(victim.protocol),
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
				p.round.removed[old.bare()] = struct{}{}
				delete(p.made, old.bare())
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

// standIn keeps what the kernel would take along with an IPv4 address that is gone for a moment only: the
// routes that have it for a source, and, if it is the last one of an interface, all IPv4 routes over that,
// others' too: fib_disable_ip. For each address that comes back there is one of the same host meanwhile. Where
// ours that stay are secondaries that fall with their primary, one of them stands in until the next round has
// brought them back. Where the kernel keeps no IFA_PROTO it could be left behind, and is not made.
func (p *pass) standIn(ctx context.Context, now map[bareAddress]address, going []*doomed) error {
	if !p.survey.tags || p.survey.untagged {
		return nil
	}
	var extras []address
	for _, old := range going {
		if old.at >= 0 && !old.v6 {
			extras = append(extras, old.address)
		}
	}
	swaps := len(extras)
	if one := lastToFall(now, going); swaps == 0 && one.link != 0 && !p.promotes(ctx, one.link) {
		extras = append(extras, one)
	}
	taken := make(map[netip.Prefix]bool) // by what goes too, which is none to lean on
	for _, a := range now {
		if !a.v6 {
			taken[a.network()] = true
		}
	}
	for k := range extras {
		extras[k] = extras[k].standIn(p.survey.protocol, taken)
	}
	return p.send(ctx, len(extras),
		func(b *rtnetlink.Batch, k int) { putAddress(b, unix.NLM_F_EXCL, &extras[k]) },
		func(k int, err error) { // refused: what it is to prevent will happen
			if err == nil && k < swaps {
				p.round.stoodIn = append(p.round.stoodIn, extras[k])
			}
		},
		func(int, error) {})
}

// standIn gives an address of the same host, alone in its network, that makes no route.
func (a *address) standIn(protocol uint8, taken map[netip.Prefix]bool) address {
	s := address{
		local: a.local, link: a.link, bits: 32, scope: a.scope, protocol: protocol,
		flags: unix.IFA_F_NOPREFIXROUTE, valid: forever, preferred: forever,
	}
	for taken[s.network()] && s.bits > 1 {
		s.bits--
	}
	return s
}

// lastToFall gives one of the IPv4 addresses that fall with those that go, if none stays.
func lastToFall(now map[bareAddress]address, going []*doomed) (one address) {
	falls, goes := make(map[netip.Prefix]bool), make(map[bareAddress]bool)
	for _, old := range going {
		goes[old.bare()] = true
		if !old.v6 && !old.is(unix.IFA_F_SECONDARY) {
			falls[old.network()] = true
		}
	}
	for bare, a := range now {
		switch {
		case a.v6, goes[bare]:
		case a.is(unix.IFA_F_SECONDARY) && falls[a.network()]:
			one = a
		default:
			return address{}
		}
	}
	return one
}

// lookOnceMore reads the addresses of one interface. victims are others' IPv4 secondaries, one for each
// network, which would be deleted with its primary: __inet_del_ifa in the kernel's net/ipv4/devinet.c.
func (p *pass) lookOnceMore(ctx context.Context, link int32) (now map[bareAddress]address, victims map[netip.Prefix]address, err error) {
	for range maximumDumps {
		now, victims = make(map[bareAddress]address), make(map[netip.Prefix]address)
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
