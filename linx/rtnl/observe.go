package rtnl

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// maximumDumps is how often what others keep changing is read before the pass gives up for now.
const maximumDumps = 10

// observe reads what the kernel has, as far as it can matter, into the survey. Dumps are filtered by the
// kernel, and what comes is checked all the same.
func (p *pass) observe(ctx context.Context) error {
	p.report.Observed = time.Now()
	return p.undisturbed(func() error {
		p.survey.reset()
		clear(p.names)
		return p.read(ctx)
	})
}

// undisturbed reads again what others have changed meanwhile.
func (p *pass) undisturbed(read func() error) error {
	for range maximumDumps {
		if err := read(); !errors.Is(err, rtnetlink.ErrInterrupted) {
			return err
		}
	}
	return fmt.Errorf("rtnl: observing %v: others changed it during each of %d tries: %w", p.source.ns, maximumDumps, rtnetlink.ErrInterrupted)
}

func (p *pass) read(ctx context.Context) error {
	if err := p.readLinks(ctx); err != nil {
		return err
	}
	if err := p.readAddresses(ctx); err != nil {
		return err
	}
	if err := p.readNeighbors(ctx); err != nil {
		return err
	}
	if err := p.readNexthops(ctx); err != nil {
		return err
	}
	for _, v6 := range []bool{false, true} {
		if err := p.readRoutes(ctx, v6); err != nil {
			return err
		}
		if err := p.readRules(ctx, v6); err != nil {
			return err
		}
	}
	return nil
}

// readLinks reads the interfaces that are named. A host may have thousands, and a state name one.
func (p *pass) readLinks(ctx context.Context) error {
	if p.shapes() {
		return p.explain("reading interfaces", p.readAllLinks(ctx))
	}
	see := func(_ uint16, body []byte) error {
		if name, l, ok := decodeLink(body); ok {
			p.survey.seeLink(name, l)
		}
		return nil
	}
	var err error
	switch len(p.want.names) {
	case 1:
	case 2:
		askLinkNamed(&p.batch, p.want.names[1])
		if err = p.conn.Get(ctx, &p.batch, see); errors.Is(err, unix.ENODEV) {
			err = nil // no such interface
		}
	default:
		askLinks(&p.batch)
		err = p.conn.Dump(ctx, &p.batch, see)
	}
	return p.explain("reading interfaces", err)
}

func (p *pass) readAddresses(ctx context.Context) error {
	if !p.sweep && len(p.want.addresses)+len(p.last.addresses) == 0 {
		return nil
	}
	only := p.onlyLink()
	askAddresses(&p.batch, only)
	var a address
	err := p.conn.Dump(ctx, &p.batch, func(_ uint16, body []byte) error {
		if decodeAddress(body, &a) && (only == 0 || a.link == only) {
			p.survey.seeAddress(&a)
		}
		return nil
	})
	if only != 0 && errors.Is(err, unix.ENODEV) {
		return nil // gone since the interfaces were read
	}
	return p.explain("reading addresses", err)
}

func (p *pass) readNexthops(ctx context.Context) error {
	n := &p.survey.nexthops
	if !n.wanted && !p.sweep && !p.source.objects && !p.want.usesObjects() {
		return nil
	}
	askNexthops(&p.batch)
	err := p.conn.Dump(ctx, &p.batch, func(_ uint16, body []byte) error {
		if o, ok := decodeNexthop(body); ok {
			p.survey.seeNexthop(&o)
		}
		return nil
	})
	if err == nil {
		p.source.objects = len(n.ours)+len(p.survey.oldObjects) > 0
	}
	return p.explain("reading nexthop objects", err)
}

// onlyLink gives the index of the interface that all addresses are on, those that are wanted and those that
// are ours; else 0.
func (p *pass) onlyLink() int32 {
	if p.sweep || len(p.want.addresses) == 0 {
		return 0
	}
	position := p.want.addresses[0].link
	for i := range p.want.addresses {
		if p.want.addresses[i].link != position {
			return 0
		}
	}
	only := p.survey.links[position].index
	for i := range p.last.addresses {
		if p.last.addresses[i].Index != only {
			return 0
		}
	}
	return only
}

// readRoutes reads our routes and then, if some that are desired were not among them, all in their tables:
// another's may be in the way, or as good, or an IPv6 route of another that ours has been merged into.
func (p *pass) readRoutes(ctx context.Context, v6 bool) error {
	f := which(v6)
	mine := p.want.reach[f].both(p.hold[f])
	if p.sweep {
		mine = reach{any: true}
	}
	if mine.any {
		if err := p.dumpRoutes(ctx, v6, mine.table, p.survey.protocol); err != nil {
			return err
		}
	}
	var all reach
	if p.hidden && v6 {
		all = p.hold[f]
	}
	for i := range p.want.routes {
		if p.survey.missing[f] == 0 {
			break
		}
		if r := &p.want.routes[i]; r.v6 == v6 && p.survey.routes[i] == absent {
			all.add(r.table)
		}
	}
	if !all.any {
		return nil
	}
	p.survey.reread = true
	defer func() { p.survey.reread = false }()
	return p.dumpRoutes(ctx, v6, all.table, 0)
}

func (p *pass) dumpRoutes(ctx context.Context, v6 bool, table uint32, protocol uint8) error {
	askRoutes(&p.batch, v6, table, protocol)
	var r route
	err := p.conn.Dump(ctx, &p.batch, func(_ uint16, body []byte) error {
		if !p.source.decoder.decode(body, &r) {
			return nil
		}
		if r.v6 == v6 && (table == 0 || r.table == table) && (protocol == 0 || r.protocol == protocol) {
			p.survey.seeRoute(&r, p.source.decoder.hops)
		}
		return nil
	})
	if errors.Is(err, unix.ENOENT) {
		return nil // no such table
	}
	return p.explain("reading "+familyName(v6)+" routes", err)
}

// name gives the name of an interface, by asking the kernel once a round. In a callback of the connection,
// which is busy then, only what was asked for before can be named. No context ends that: what is left by a
// pass that was cancelled is named in its report.
func (p *pass) name(index int32) string {
	if index == 0 {
		return ""
	}
	if position, ok := p.survey.at[index]; ok {
		return p.want.names[position]
	}
	if name, ok := p.names[index]; ok {
		return name
	}
	name := "if" + strconv.Itoa(int(index)) // should it be gone
	askLinkAt(&p.batch, index)
	_ = p.conn.Get(context.Background(), &p.batch, func(_ uint16, body []byte) error {
		if n, l, ok := decodeLink(body); ok && l.index == index {
			name = string(n)
		}
		return nil
	})
	p.names[index] = name
	return name
}

// explain says what was being done, and where.
func (p *pass) explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("rtnl: %s in %v: %w", doing, p.source.ns, capability(err))
}

// capability names what an EPERM lacks.
func capability(err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%w: it takes CAP_NET_ADMIN in the user namespace that the network namespace belongs to", err)
	}
	return err
}
