package rtnl

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
)

// ownedLink is an interface that we made.
type ownedLink struct {
	Link          // as it was asked for
	Index   int32 `json:"index"`
	Claimed bool  `json:"claimed,omitempty"`
}

// adjustment is an attribute that we changed, and what it was.
type adjustment struct {
	Name      string `json:"name"`  // of the interface
	Index     int32  `json:"index"` // of the interface
	Attribute string `json:"attribute"`
	Applied   string `json:"applied"`
	Original  octets `json:"original,omitempty"`
	Claimed   bool   `json:"claimed,omitempty"`
}

// octets is a string of others, which may be no UTF-8, as JSON's must. In JSON it is escaped as in Go.
type octets string

func (o octets) MarshalText() ([]byte, error) {
	quoted := strconv.Quote(string(o))
	return []byte(quoted[1 : len(quoted)-1]), nil
}

func (o *octets) UnmarshalText(text []byte) error {
	s, err := strconv.Unquote(`"` + string(text) + `"`)
	*o = octets(s)
	return err
}

// fault finds what is wrong with a record.
func (r *ownedLink) fault() error {
	switch {
	case r.Kind == "":
		return errors.New("no Kind: what was made has one")
	case r.Index <= 0:
		return fmt.Errorf("index %d: an interface's is above 0", r.Index)
	}
	return r.Link.fault()
}

func (a *adjustment) fault() error {
	switch {
	case a.Attribute != altNameOf && attributeNamed(a.Attribute) == nil:
		return fmt.Errorf("no attribute of an interface: %q", a.Attribute)
	case a.Index <= 0:
		return fmt.Errorf("index %d: an interface's is above 0", a.Index)
	}
	return nil
}

// claimLinks notes what a plan is about to make and change, and says whether there is more than was claimed.
func (p *pass) claimLinks(plan *difference) (more bool) {
	claim := func(n newLink) {
		if !slices.Contains(p.claims.links, n) {
			p.claims.links = append(p.claims.links, n)
			more = true
		}
	}
	for _, n := range plan.newLinks {
		claim(n)
	}
	for _, c := range plan.linkChanges {
		switch c.attribute {
		case nameOf:
			continue
		case settingsOf, portOf:
			if p.want.state.Links[c.at].Kind != "" && p.survey.ownsLink(p.survey.seenLinks[c.index]) {
				claim(newLink{c.at, c.index}) // there are two records of it then
			}
			continue
		}
		a := adjustment{Name: c.name, Index: c.index, Attribute: c.attribute, Applied: c.to, Original: octets(c.from), Claimed: true}
		more = p.survey.adjust(a) || more
	}
	return more
}

// adjust notes that an attribute is about to be changed, and says whether that is to be claimed. What will be
// given back is what was there before the first change of ours.
func (s *survey) adjust(a adjustment) (more bool) {
	known, now := -1, a.Original
	for i := range s.adjustment {
		other := &s.adjustment[i]
		if other.about(&a) && (!other.Claimed || other.Applied == string(now) || now == NoMaster && a.Attribute == "master") {
			a.Original = other.Original // before all of our changes
		}
		if other.about(&a) && other.Applied == a.Applied {
			known = i
		}
	}
	switch {
	case known < 0:
		s.adjustment = append(s.adjustment, a)
		s.recorded[a.Index] = true
	case s.adjustment[known].Original == a.Original:
		return false
	default: // it was claimed, and others have changed it since
		s.adjustment[known] = a
	}
	return true
}

// about says whether a and b are about the same thing.
func (a *adjustment) about(b *adjustment) bool {
	return a.Index == b.Index && a.Attribute == b.Attribute && a.Name == b.Name &&
		(a.Attribute != altNameOf || a.Applied == b.Applied)
}

func (p *pass) claimedLinks() []ownedLink {
	out := slices.Clone(p.last.links)
	for _, n := range p.claims.links {
		out = append(out, ownedLink{Link: p.want.state.Links[n.at], Index: n.index, Claimed: true})
	}
	return out
}

// ownedLinks gives those that are there and ours: what others come to need first.
func (p *pass) ownedLinks() []ownedLink {
	s := p.survey
	var out []ownedLink
	listed := make(map[int32]bool)
	list := func(r ownedLink) { out, listed[r.Index] = append(out, r), true }
	gone := func(index int32) bool { return !p.fresh && slices.Contains(p.round.removedLinks, index) }
	for _, i := range p.want.linkOrder {
		want := &p.want.state.Links[i]
		if l := s.linkSeen(want.Name); l != nil && !gone(l.index) && s.ownsLink(l) {
			if last := s.lastOf(l); last == nil || l.settled(want, last) {
				list(ownedLink{Link: *want, Index: l.index})
				continue
			}
			for _, r := range p.last.links { // of which there is still something to undo
				if r.Index == l.index && r.Kind == l.Kind {
					list(r)
				}
			}
		}
	}
	for _, r := range p.last.links { // not desired, or renamed
		l := s.seenLinks[r.Index]
		if l == nil || l.Kind != r.Kind || listed[r.Index] || gone(r.Index) {
			continue
		}
		if _, desired := p.want.link[r.Name]; desired || l.Name == r.Name {
			list(r)
		}
	}
	if !p.fresh {
		for _, n := range p.round.createdLinks { // and not seen since
			if !listed[n.index] {
				list(ownedLink{Link: p.want.state.Links[n.at], Index: n.index, Claimed: true})
			}
		}
	}
	if reflect.DeepEqual(out, p.last.links) {
		return p.last.links
	}
	return out
}

// settled says whether nothing is left to do about the settings of a kind, after last.
func (l *seenLink) settled(want, last *Link) bool {
	if want.Kind != l.Kind {
		return false
	}
	changeable, fixed := want.kindDiff(&l.Link, last)
	return len(changeable)+len(fixed) == 0 && (!l.bridged || len(want.Port.portDiff(&l.Port, &last.Port)) == 0)
}

// ownedAdjustments gives what is to be given back one day.
func (p *pass) ownedAdjustments() []adjustment {
	s := p.survey
	var out []adjustment
	for _, a := range s.adjustment {
		l := s.seenLinks[a.Index]
		switch {
		case l == nil: // gone, or in another namespace for a while
			if s.linkIndex[a.Name] != 0 || !s.asks(&a) {
				continue
			}
		case !p.fresh, l.Name != a.Name:
		case s.holds(l, &a):
			if a.Applied == string(a.Original) || !s.asks(&a) && a.Applied == s.original(&a) {
				continue
			}
			a.Claimed = a.Claimed && !l.has(&a)
		case a.Claimed && a.Attribute == "master" && s.asks(&a): // refused, it may have cost the one before
		case a.Claimed, !s.asks(&a), s.superseded(&a): // not done, or others have changed it, or we have
			continue
		}
		out = append(out, a)
	}
	if slices.Equal(out, p.last.adjusted) {
		return p.last.adjusted
	}
	return out
}

// superseded says that what was applied first was changed by what was applied then.
func (s *survey) superseded(a *adjustment) bool {
	return slices.ContainsFunc(s.adjustment, func(other adjustment) bool {
		return other.about(a) && other.Applied != a.Applied && s.seenLinks[a.Index].has(&other)
	})
}
