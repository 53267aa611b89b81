package rtnl

import (
	"cmp"
	"context"
	"slices"
)

// nexthops reads the nexthop objects, but those that stand for a gateway and an interface by
// Options.NexthopObjects: routes that follow one of these say both themselves.
func (i *importer) nexthops(ctx context.Context) error {
	var all []nexthop
	askNexthops(&i.batch)
	err := i.conn.Dump(ctx, &i.batch, func(_ uint16, body []byte) error {
		if o, ok := decodeNexthop(body); ok && !(automaticID(o.id) && o.leadsTo()) {
			all = append(all, o)
		}
		return nil
	})
	if err != nil {
		return i.explain("reading nexthop objects", err)
	}
	slices.SortFunc(all, func(a, b nexthop) int { // groups last
		return cmp.Or(cmp.Compare(len(a.members), len(b.members)), cmp.Compare(a.id, b.id))
	})
	i.objects = make(map[uint32]bool)
	for n := range all {
		o := &all[n]
		u := o.unpack(i.name)
		lacks := slices.ContainsFunc(o.members, func(m member) bool { return !i.objects[m.id] })
		if o.strange || lacks || u.fault() != nil {
			i.unsay(u, beyond)
			continue
		}
		i.objects[o.id] = true
		i.state.Nexthops = append(i.state.Nexthops, u)
	}
	return nil
}
