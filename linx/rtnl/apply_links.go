package rtnl

import (
	"cmp"
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// maximumShapings is how many rounds of a pass end with what was done about interfaces, so that addresses and
// routes are put where those are then. After that the rest must not wait.
const maximumShapings = 4

// shaping is what a pass has done about interfaces themselves.
type shaping struct {
	rounds  int    // that ended with it
	created []bool // by desired link: it was made,
	counted []bool // made or changed, which is one repair,
	retried []bool // refused, and is tried again
}

func newShaping(n int) shaping {
	return shaping{created: make([]bool, n), counted: make([]bool, n), retried: make([]bool, n)}
}

// addLinks makes links.
func (p *pass) addLinks(ctx context.Context, plan *difference) error {
	peers := make([]*os.File, 0, len(plan.newLinks))
	defer func() {
		for _, f := range peers {
			if f != nil {
				f.Close()
			}
		}
	}()
	var list []newLink
	for _, n := range plan.newLinks {
		if p.want.state.Links[n.at].Kind == KindTun {
			p.addTun(ctx, n)
			continue
		}
		peer, err := p.openPeer(&p.want.state.Links[n.at])
		if err != nil {
			p.skipped(p.linkOp(Create, n.at), err)
			continue
		}
		list, peers = append(list, n), append(peers, peer)
	}
	index := p.survey.indexOf(plan)
	err := p.send(ctx, len(list),
		func(b *rtnetlink.Batch, k int) {
			putNewLink(b, &p.want.state.Links[list[k].at], list[k].index, peers[k], index)
		},
		func(k int, err error) { p.doneLink(list[k], err) },
		func(k int, err error) { p.skipped(p.linkOp(Create, list[k].at), err) })
	return cmp.Or(err, ctx.Err()) // there may have been tuns alone
}

func (p *pass) doneLink(n newLink, err error) {
	switch {
	case err == nil:
		p.survey.madeLinks[n.index] = p.want.state.Links[n.at].Kind
		p.round.createdLinks = append(p.round.createdLinks, n)
		p.shaping.created[n.at] = true
		p.shaped(n.at)
	case !p.shaping.retried[n.at] && (errors.Is(err, unix.EEXIST) || errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENODEV)):
		p.shaping.retried[n.at], p.round.again = true, true
	}
	p.done(p.linkOp(Create, n.at), err)
}

// addTun makes a link of the one kind that rtnetlink does not make.
func (p *pass) addTun(ctx context.Context, n newLink) {
	if err := ctx.Err(); err != nil {
		p.skipped(p.linkOp(Create, n.at), err)
		return
	}
	l := &p.want.state.Links[n.at]
	p.doneLink(n, p.source.handle.Do(func() error { return l.Tun.create(l.Name, n.index) }))
}

// openPeer opens the namespace that a veth's other end is made in; nil: its own.
func (p *pass) openPeer(l *Link) (*os.File, error) {
	if l.Veth.PeerNamespace == (linx.Namespace{}) {
		return nil, nil
	}
	return p.source.peers.open(l.Veth.PeerNamespace, p.source.id)
}

// changeLinks changes interfaces in place, an attribute a request: so it is known what is refused, and the
// rest is done.
func (p *pass) changeLinks(ctx context.Context, plan *difference) error {
	return p.putLinkChanges(ctx, plan, plan.linkChanges)
}

// restoreLinks gives back what interfaces had.
func (p *pass) restoreLinks(ctx context.Context, plan *difference) error {
	return p.putLinkChanges(ctx, plan, plan.restores)
}

func (p *pass) putLinkChanges(ctx context.Context, plan *difference, list []linkChange) error {
	index := p.survey.indexOf(plan)
	return p.send(ctx, len(list),
		func(b *rtnetlink.Batch, k int) {
			c := &list[k]
			if c.attribute != settingsOf && c.attribute != portOf {
				putLinkChange(b, c, index)
				return
			}
			p.putSettings(b, c, index)
		},
		func(k int, err error) {
			c := &list[k]
			switch {
			case err == nil:
				p.shaped(c.at)
				if c.at >= 0 && p.shaping.created[c.at] {
					p.round.applied++ // part of the creation, which is reported
					return
				}
			case errors.Is(err, unix.ENODEV):
				p.round.again = true
			}
			p.done(p.changeOp(c), err)
		},
		func(k int, err error) { p.skipped(p.changeOp(&list[k]), err) })
}

// putSettings adds a request that changes what is particular to an interface's kind, or to a bridge's port.
func (p *pass) putSettings(b *rtnetlink.Batch, c *linkChange, index func(name string) int32) {
	want, seen := &p.want.state.Links[c.at], p.survey.seenLinks[c.index]
	last := p.survey.lastOf(seen)
	b.Begin(unix.RTM_NEWLINK, 0)
	putIfinfomsg(b, c.index, 0, 0)
	if c.attribute == portOf {
		putPortChange(b, &want.Port, &seen.Port, last.port())
		return
	}
	putKindChange(b, want, &seen.Link, last, index)
}

// shaped notes that an interface was made or changed: all that falls with that comes back in this pass, and
// is no repair of its own. at is the position of the desired link, or -1.
func (p *pass) shaped(at int32) {
	p.round.shaped = true
	if at < 0 {
		return
	}
	p.source.fights.excused = true
	if !p.shaping.counted[at] {
		p.shaping.counted[at] = true
		p.source.fights.done(place{aLink, at}, p.began)
	}
}

// remakeLinks deletes what is to be made anew: what differs cannot be changed. One stays as long as there is
// no namespace for the new one's other end.
func (p *pass) remakeLinks(ctx context.Context, plan *difference) error {
	return p.dropLinks(ctx, without(plan.remakes, func(o oldLink) bool {
		peer, err := p.openPeer(&p.want.state.Links[o.at])
		if err != nil {
			p.skipped(p.linkOp(Create, o.at), err)
		}
		if peer != nil {
			peer.Close()
		}
		return err != nil
	}))
}

// removeLinks deletes ours that are not desired.
func (p *pass) removeLinks(ctx context.Context, plan *difference) error {
	return p.dropLinks(ctx, plan.oldLinks)
}

// dropLinks deletes interfaces by index. Each is looked at once more at once before: what remains is the
// time between two messages.
func (p *pass) dropLinks(ctx context.Context, list []oldLink) error {
	for k := range list {
		still, err := p.stillLink(ctx, &list[k])
		if err == nil && still {
			err = p.send(ctx, 1,
				func(b *rtnetlink.Batch, _ int) { dropLink(b, list[k].index) },
				func(_ int, err error) {
					switch {
					case err == nil:
						p.round.shaped = true
						p.round.removedLinks = append(p.round.removedLinks, list[k].index)
					case errors.Is(err, unix.ENODEV): // it went with another
						p.round.again = true
						return
					}
					p.done(op(Delete, &list[k]), err)
				},
				func(int, error) {})
		}
		if err != nil {
			for ; k < len(list); k++ {
				p.skipped(op(Delete, &list[k]), err)
			}
			return err
		}
	}
	return nil
}

// stillLink says whether an interface still is what it was.
func (p *pass) stillLink(ctx context.Context, old *oldLink) (still bool, err error) {
	askLinkAt(&p.batch, old.index)
	err = p.conn.Get(ctx, &p.batch, func(_ uint16, body []byte) error {
		if _, _, ok := decodeLink(body); ok {
			l := decodeLinkFully(body, func(int32) string { return "" })
			still = l.index == old.index && l.Name == old.name && l.Kind == old.kind
		}
		return nil
	})
	if errors.Is(err, unix.ENODEV) {
		err = nil
	}
	p.round.again = p.round.again || !still
	return still, err
}

func (p *pass) linkOp(verb reconcile.Verb, i int32) reconcile.Op {
	return op(verb, &p.want.state.Links[i])
}

// changeOp gives "update link eth0 mtu 1400", or "create link property dev eth0 altname lan".
func (p *pass) changeOp(c *linkChange) reconcile.Op {
	switch c.attribute {
	case nameOf:
		return op(Update, described("link "+c.from+" name "+c.to))
	case settingsOf:
		return op(Update, described("link "+c.name+p.want.state.Links[c.at].settings()))
	case portOf:
		return op(Update, described("link "+c.name+p.want.state.Links[c.at].Port.words()))
	case altNameOf:
		verb, name := Create, c.to
		if c.to == "" {
			verb, name = Delete, c.from
		}
		return op(verb, described("link property dev "+c.name+" altname "+quoted(name)))
	}
	return op(Update, described("link "+c.name+attributeNamed(c.attribute).words(c.to)))
}
