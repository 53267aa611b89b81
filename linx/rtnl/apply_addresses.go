package rtnl

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// addAddresses creates what is not there.
func (p *pass) addAddresses(ctx context.Context, plan *difference) error {
	return p.putAddresses(ctx, Create, plan.newAddresses)
}

func (p *pass) putAddresses(ctx context.Context, verb reconcile.Verb, list []int32) error {
	return p.send(ctx, len(list),
		func(b *rtnetlink.Batch, k int) {
			a := p.survey.wantedAddress(list[k])
			a.protocol = p.survey.tag()
			putAddress(b, unix.NLM_F_EXCL, &a)
		},
		func(k int, err error) {
			switch {
			case err == nil:
				a := p.survey.wantedAddress(list[k])
				p.made[a.bare()] = struct{}{}
				p.source.fights.done(place{anAddress, list[k]}, p.began)
			case errors.Is(err, unix.EEXIST), errors.Is(err, unix.ENODEV):
				p.round.again = true
			}
			p.done(p.addressOp(verb, list[k]), err)
		},
		func(k int, err error) { p.skipped(p.addressOp(verb, list[k]), err) })
}

// replaceAddresses is for addresses that must go before the desired ones can come: the kernel has room for
// one. There is a moment without either, but for what stands in.
func (p *pass) replaceAddresses(ctx context.Context, plan *difference) error {
	if len(plan.swaps) == 0 {
		return nil
	}
	olds := make([]doomed, len(plan.swaps))
	for k, s := range plan.swaps {
		olds[k] = doomed{address: s.old, op: p.addressOp(Update, s.at), at: s.at}
	}
	if err := p.dropAddresses(ctx, olds); err != nil {
		return err
	}
	var free []int32
	for k := range olds {
		if olds[k].dropped {
			free = append(free, olds[k].at)
		}
	}
	if err := p.putAddresses(ctx, Update, free); err != nil {
		return err
	}
	stood := p.round.stoodIn
	p.round.stoodIn = nil
	return p.send(ctx, len(stood),
		func(b *rtnetlink.Batch, k int) { dropAddress(b, &stood[k]) },
		func(int, error) {}, // refused, it is found in the next round
		func(int, error) {})
}

// updateAddresses changes what is there, in place: what is to be ours with all that it has. The kernel would
// change whoever's it is by then, and take the mark away: so each interface is read once more at once before,
// and what is no longer as it was seen is left to the next round.
func (p *pass) updateAddresses(ctx context.Context, plan *difference) error {
	list := slices.SortedStableFunc(slices.Values(plan.addressUpdates), func(a, b addressUpdate) int { return cmp.Compare(a.old.link, b.old.link) })
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].old.link == list[0].old.link {
			n++
		}
		if err := p.updateOn(ctx, list[:n]); err != nil {
			for _, u := range list[n:] {
				p.skipped(p.addressOp(Update, u.at), err)
			}
			return err
		}
		list = list[n:]
	}
	return nil
}

// updateOn changes addresses of one interface.
func (p *pass) updateOn(ctx context.Context, list []addressUpdate) error {
	skip := func(u *addressUpdate, err error) {
		if !u.again {
			p.skipped(p.addressOp(Update, u.at), err)
		}
	}
	now, _, err := p.lookOnceMore(ctx, list[0].old.link)
	if err != nil {
		for i := range list {
			skip(&list[i], err)
		}
		return err
	}
	list = without(list, func(u addressUpdate) bool {
		seen, there := now[u.old.bare()]
		moved := !there || seen.lasting() != u.old.lasting()
		p.round.again = p.round.again || moved
		return moved
	})
	for i := len(list) - 1; i >= 0; i-- {
		if u := list[i]; u.expires() {
			u.again = true
			list = slices.Insert(list, i+1, u)
		}
	}
	return p.send(ctx, len(list),
		func(b *rtnetlink.Batch, k int) {
			a := list[k].to
			a.flags &^= passing
			a.protocol = cmp.Or(p.survey.tag(), a.protocol)
			putAddress(b, unix.NLM_F_REPLACE, &a)
		},
		func(k int, err error) {
			u := &list[k]
			if u.again {
				return
			}
			if gone(err) {
				p.round.again = true
				return
			}
			if err == nil {
				p.made[u.to.bare()] = struct{}{}
			}
			if err == nil && !u.renewal {
				p.source.fights.done(place{anAddress, u.at}, p.began)
			}
			p.done(p.addressOp(Update, u.at), err)
		},
		func(k int, err error) { skip(&list[k], err) })
}

// tag is what marks our addresses.
func (s *survey) tag() uint8 {
	if s.untagged {
		return 0
	}
	return s.protocol
}
