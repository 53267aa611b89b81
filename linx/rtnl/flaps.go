package rtnl

// carrier is what tells that an interface has been down: how often its carrier came or went. Not all drivers
// count; then a fall goes unnoticed that is over before the next look.
type carrier struct {
	index   int32
	changes uint32
}

// excuse notes which interfaces are down, or have been since the last look, or are others of that name. What
// goes with them (IPv6 addresses, routes, neighbours) is made again without being fought over.
func (f *fights) excuse(links []link) {
	if len(f.carriers) != len(links) {
		f.carriers = make([]carrier, len(links))
	}
	var fell []bool // by position; nil: none
	for position := range links {
		l, was := &links[position], &f.carriers[position]
		now := carrier{l.index, l.changes}
		if *was != (carrier{}) && *was != now || l.index != 0 && !l.up {
			if fell == nil {
				fell = make([]bool, len(links))
			}
			fell[position] = true
		}
		*was = now
	}
	if fell != nil {
		f.fell(fell)
	}
}

func (f *fights) fell(links []bool) {
	for i := range f.want.addresses {
		if a := &f.want.addresses[i]; a.v6 && links[a.link] {
			f.waited(place{anAddress, int32(i)})
		}
	}
	for i := range f.want.routes {
		if r := &f.want.routes[i]; r.link == 0 || links[r.link] { // 0: it may have led there
			f.waited(place{aRoute, int32(i)})
		}
	}
	for i := range f.want.neighbors {
		if links[f.want.neighbors[i].link] {
			f.waited(place{aNeighbor, int32(i)})
		}
	}
}
