package rtnl

// claimedAddresses drops the record of what is to be replaced: it will be gone, and what is there next need
// not be ours. Where that would show, the record may stay.
func (p *pass) claimedAddresses() []ownedAddress {
	var out []ownedAddress
	for _, rec := range p.last.addresses {
		i, ok := p.want.address[p.keyOf(&rec.Address)]
		if !ok || !p.claims.addresses[i] || rec.Tagged {
			out = append(out, rec)
		}
	}
	for i, covered := range p.claims.addresses {
		if covered {
			index := p.survey.links[p.want.addresses[i].link].index
			out = append(out, ownedAddress{Address: p.want.state.Addresses[i], Index: index, Claimed: true})
		}
	}
	return out
}

// keyOf gives the key of an address in the desired state's index; its interface may not be in there.
func (p *pass) keyOf(a *Address) addressKey {
	position, ok := p.want.positions[a.Interface]
	if !ok {
		position = -1
	}
	packed := packAddress(a, position)
	return packed.key()
}

func (p *pass) ownedAddresses() []ownedAddress {
	s := p.survey
	out := collection[ownedAddress]{last: p.last.addresses}
	kept := make([]bool, len(s.seen))
	for i, place := range s.places {
		want := &p.want.state.Addresses[i]
		switch {
		case place.right:
			kept[place.seen-1] = true
			if a := &s.seen[place.seen-1]; p.stillOwns(a) {
				out.add(ownedAddress{Address: *want, Index: a.link, Tagged: a.protocol == s.protocol})
			}
		case p.madeAddress(int32(i)):
			if place.seen != 0 {
				kept[place.seen-1] = true
			}
			out.add(ownedAddress{Address: *want, Index: s.links[s.want.addresses[i].link].index, Tagged: s.tags})
		}
	}
	for i := range s.seen {
		if a := &s.seen[i]; !kept[i] && p.stillOwns(a) {
			out.add(p.recordOf(a))
		}
	}
	return out.list()
}

func (p *pass) stillOwns(a *address) bool {
	_, removed := p.round.removed[a.bare()]
	return !removed && p.owns(a)
}

// madeAddress says that a desired address was made and not seen since.
func (p *pass) madeAddress(i int32) bool {
	if p.fresh {
		return false
	}
	a := p.survey.wantedAddress(i)
	_, made := p.made[a.bare()]
	return made && a.link != 0
}

// recordOf gives what is known of one that is ours, and not as desired: what it was once asked to be.
func (p *pass) recordOf(a *address) ownedAddress {
	if rec, ok := p.record(a); ok && !rec.Claimed {
		return rec
	}
	return ownedAddress{Address: a.named(p.name(a.link)), Index: a.link, Tagged: a.protocol == p.survey.protocol}
}

// record looks up what LastApplied has of an address, on an interface that is still that one.
func (p *pass) record(a *address) (ownedAddress, bool) {
	if p.records == nil {
		p.records = make(map[bareAddress]ownedAddress, len(p.last.addresses))
		for _, rec := range p.last.addresses {
			if p.name(rec.Index) != rec.Interface {
				continue
			}
			packed := packAddress(&rec.Address, rec.Index)
			if known, ok := p.records[packed.bare()]; !ok || known.Claimed {
				p.records[packed.bare()] = rec
			}
		}
	}
	rec, ok := p.records[a.bare()]
	return rec, ok
}
