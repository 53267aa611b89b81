package rtnl

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// addAddresses creates what is not there, and marks as ours what is there and is adopted.
func (p *pass) addAddresses(ctx context.Context, plan *difference) error {
	err := p.putAddresses(ctx, plan.newAddresses)
	if err != nil {
		for _, i := range plan.marks {
			p.skipped(p.addressOp(Update, i), err)
		}
		return err
	}
	return p.send(ctx, len(plan.marks),
		func(b *rtnetlink.Batch, k int) {
			a := p.survey.seen[p.survey.places[plan.marks[k]].seen-1]
			a.protocol = p.survey.protocol
			// Like the lifetimes, flags are replaced as a whole. These are not for us to set.
			a.flags &^= unix.IFA_F_SECONDARY | unix.IFA_F_TENTATIVE | unix.IFA_F_DADFAILED | unix.IFA_F_DEPRECATED
			putAddress(b, unix.NLM_F_REPLACE, &a)
		},
		func(k int, err error) { p.done(p.addressOp(Update, plan.marks[k]), err) },
		func(k int, err error) { p.skipped(p.addressOp(Update, plan.marks[k]), err) })
}

func (p *pass) putAddresses(ctx context.Context, list []int32) error {
	return p.send(ctx, len(list),
		func(b *rtnetlink.Batch, k int) {
			a := p.survey.wantedAddress(list[k])
			if !p.survey.untagged {
				a.protocol = p.survey.protocol
			}
			putAddress(b, unix.NLM_F_EXCL, &a)
		},
		func(k int, err error) {
			switch {
			case err == nil:
				a := p.survey.wantedAddress(list[k])
				p.made[a.key()] = struct{}{}
				p.source.fights.done(place{anAddress, list[k]}, p.began)
			case errors.Is(err, unix.EEXIST), errors.Is(err, unix.ENODEV):
				p.round.again = true
			}
			p.done(p.addressOp(Create, list[k]), err)
		},
		func(k int, err error) { p.skipped(p.addressOp(Create, list[k]), err) })
}

// replaceAddresses is for addresses that must go before the desired ones can come: the kernel has room for
// one. There is a moment without either.
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
	return p.putAddresses(ctx, free)
}
