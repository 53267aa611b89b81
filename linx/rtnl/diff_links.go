package rtnl

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// newLink is a desired link that is to be made.
type newLink struct {
	at    int32 // position
	index int32 // that it is to get
}

// oldLink is an interface that is to be deleted.
type oldLink struct {
	at    int32 // position of the desired link that is to be made in its place, or -1
	index int32
	name  string
	kind  LinkKind
}

// takes says whether an interface goes with o.
func (o *oldLink) takes(l *seenLink) bool {
	return o.index == l.index || l.Kind == KindVeth && !l.apart && o.name == l.Veth.Peer
}

func (o *oldLink) String() string { return "link " + o.name + " type " + string(o.kind) }

// linkChange is the change of one attribute of an interface.
type linkChange struct {
	at        int32 // position of the desired link; -1: it is given back
	index     int32
	name      string
	attribute string // of linkAttributes, or one of those below
	from, to  string
}

const (
	nameOf     = "name"
	altNameOf  = "altname" // one is added, or with an empty to, from is removed
	settingsOf = "type"    // those of the kind; to holds their names
	portOf     = "bridge_slave"
)

// diffLinks decides about the interfaces themselves.
func (s *survey) diffLinks(d *difference, policy ConflictPolicy) {
	for _, i := range s.want.linkOrder {
		s.diffLink(d, i, policy)
	}
	old := make(map[int32]bool)
	for n := len(s.last.links) - 1; n >= 0; n-- { // ports before what they are in
		r := &s.last.links[n]
		_, desired := s.want.link[r.Name]
		l := s.seenLinks[r.Index]
		if !desired && l != nil && l.Name == r.Name && l.Kind == r.Kind && !old[r.Index] {
			old[r.Index] = true // after a crash there may be two records
			d.oldLinks = append(d.oldLinks, oldLink{at: -1, index: r.Index, name: r.Name, kind: r.Kind})
		}
	}
	s.diffAdjusted(d)
}

func (s *survey) diffLink(d *difference, i int32, policy ConflictPolicy) {
	want := &s.want.state.Links[i]
	seen := s.linkSeen(want.Name)
	switch {
	case seen == nil && want.Kind == "":
		d.wait(Update, want, s.noLink(want.Name))
	case seen == nil:
		s.diffAbsent(d, i)
	case want.Kind == "":
		s.change(d, i, seen, nil)
	case s.ownsLink(seen):
		s.diffOwn(d, i, seen)
	default:
		s.diffForeign(d, i, seen, policy)
	}
}

func (s *survey) noLink(name string) error {
	if index, ok := s.altNames[name]; ok {
		return fmt.Errorf("interface %s does not exist; it is an alternative name of %s", name, s.linkNames[index])
	}
	return fmt.Errorf("interface %s does not exist", name)
}

// diffAbsent is about a link that is to be made.
func (s *survey) diffAbsent(d *difference, i int32) {
	want := &s.want.state.Links[i]
	for n := range s.last.links {
		r := &s.last.links[n]
		if r.Name != want.Name || r.Kind != want.Kind {
			continue
		}
		if l := s.seenLinks[r.Index]; l != nil && l.Kind == r.Kind {
			if _, other := s.want.link[l.Name]; !other { // ours, which somebody has renamed
				d.linkChanges = append(d.linkChanges, linkChange{i, l.index, l.Name, nameOf, l.Name, want.Name})
				return
			}
		}
	}
	if s.ready(d, i, nil) {
		d.newLinks = append(d.newLinks, newLink{i, s.choose(i)})
	}
}

// ready says whether a link can be made, once old is gone (nil: there is none), and notes why not.
func (s *survey) ready(d *difference, i int32, old *oldLink) bool {
	want := &s.want.state.Links[i]
	names := []string{want.Name}
	if want.Kind == KindVeth && want.Veth.PeerNamespace == (linx.Namespace{}) {
		names = append(names, want.Veth.Peer)
	}
	for _, name := range names {
		index, taken := s.linkIndex[name]
		if !taken {
			index, taken = s.altNames[name]
		}
		if l := s.seenLinks[index]; taken && !(old != nil && l != nil && (old.takes(l) || s.passing(l))) {
			d.fail(Create, want, &ConflictError{Holder: s.describe(index, name), Reason: "it has the name " + name})
			return false
		}
	}
	for _, name := range want.needs() {
		if s.indexOf(d)(name) == 0 {
			d.wait(Create, want, s.noLink(name))
			return false
		}
	}
	return true
}

// passing says that an interface was made here, or is the other end of one that was: it may go, too.
func (s *survey) passing(l *seenLink) bool {
	if l.Kind == KindVeth && !l.apart {
		if other := s.seenLinks[s.linkIndex[l.Veth.Peer]]; other != nil && s.ownsLink(other) {
			return true
		}
	}
	return s.ownsLink(l)
}

// remake has what differs from a desired link, and cannot be changed, deleted, unless nothing could be made in
// its place.
func (s *survey) remake(d *difference, i int32, seen *seenLink) {
	if old := seen.old(i); s.ready(d, i, &old) {
		d.remakes = append(d.remakes, old)
	}
}

// diffOwn is about a link that was made here.
func (s *survey) diffOwn(d *difference, i int32, seen *seenLink) {
	want := &s.want.state.Links[i]
	last := s.lastOf(seen)
	fixed := s.fixed(i, seen, last)
	switch {
	case len(fixed) > 0 && want.Recreate:
		s.remake(d, i, seen)
		return
	case len(fixed) > 0:
		d.fail(Update, want, fmt.Errorf("%w: %s", errFixed, strings.Join(fixed, ", ")))
	}
	if seen.Kind == want.Kind {
		s.change(d, i, seen, last)
	}
}

var errFixed = errors.New("what differs cannot be changed without making the interface anew, which takes Recreate")

// diffForeign is about an interface that has the name of a link to be made.
func (s *survey) diffForeign(d *difference, i int32, seen *seenLink, policy ConflictPolicy) {
	want := &s.want.state.Links[i]
	fixed := s.fixed(i, seen, nil)
	changes := new(difference)
	if seen.Kind == want.Kind {
		s.change(changes, i, seen, nil)
	}
	switch {
	case len(fixed) == 0 && len(changes.linkChanges)+len(changes.pending) == 0:
		if policy != Refuse {
			s.madeLinks[seen.index] = seen.Kind
		}
	case policy == TakeOver && len(fixed) == 0:
		// What is not given back, should the rest be refused, comes last.
		others := without(changes.linkChanges, func(c linkChange) bool { return c.attribute == settingsOf || c.attribute == portOf })
		if len(others) == 0 {
			others = changes.linkChanges
		}
		d.linkChanges = append(d.linkChanges, others...)
		d.pending = append(d.pending, changes.pending...)
	case policy == TakeOver && want.Recreate:
		s.remake(d, i, seen)
	default:
		conflict := &ConflictError{Holder: s.describe(seen.index, seen.Name)}
		if policy == TakeOver {
			conflict.Reason = errFixed.Error() + ": " + strings.Join(fixed, ", ")
		} else {
			for _, c := range changes.linkChanges {
				fixed = append(fixed, c.attribute)
			}
			for _, f := range changes.pending {
				fixed = append(fixed, f.Op.Object.String())
			}
			conflict.Reason = "it differs in " + strings.Join(fixed, ", ")
		}
		d.fail(Create, want, conflict)
	}
}

// fixed names what differs and cannot be changed.
func (s *survey) fixed(i int32, seen *seenLink, last *Link) []string {
	want := &s.want.state.Links[i]
	if seen.Kind != want.Kind {
		return []string{settingsOf}
	}
	_, fixed := want.kindDiff(&seen.Link, last)
	if want.Kind != KindVeth {
		return fixed
	}
	here := want.Veth.PeerNamespace == (linx.Namespace{})
	if here == seen.apart || seen.elsewhere || here && seen.Veth.Peer != want.Veth.Peer {
		fixed = append(fixed, "peer")
	}
	return fixed
}

// change finds what is to be changed in place. last is what was asked for before, or nil.
func (s *survey) change(d *difference, i int32, seen *seenLink, last *Link) {
	want := &s.want.state.Links[i]
	change := func(attribute, from, to string) {
		d.linkChanges = append(d.linkChanges, linkChange{i, seen.index, seen.Name, attribute, from, to})
	}
	for n := range linkAttributes {
		a := &linkAttributes[n]
		from, to := a.value(&seen.Link), a.value(want)
		if to == "" || to == from {
			continue
		}
		if a.name == "master" && to != NoMaster {
			if slices.ContainsFunc(d.remakes, func(o oldLink) bool { return o.name == to }) {
				continue // to be had once it is there again
			}
			if s.linkIndex[to] == 0 {
				d.wait(Update, described("link "+seen.Name+a.words(to)), s.noLink(to))
				continue
			}
			if master := s.linkSeen(to); master != nil && master.Kind == KindBond && seen.Admin == Up {
				change("state", Up.String(), Down.String()) // a bond takes no others, and sets them up itself
			}
		}
		change(a.name, from, to)
	}
	if settings, _ := want.kindDiff(&seen.Link, last); len(settings) > 0 {
		change(settingsOf, "", strings.Join(settings, ", "))
	}
	if !seen.bridged {
		if want.Port != (BridgePort{}) {
			d.wait(Update, described("link "+seen.Name+want.Port.words()), errNoPort)
		}
	} else if settings := want.Port.portDiff(&seen.Port, last.port()); len(settings) > 0 {
		change(portOf, "", strings.Join(settings, ", "))
	}
	for _, name := range want.AltNames {
		if !slices.Contains(seen.AltNames, name) {
			change(altNameOf, "", name)
		}
	}
}

var errNoPort = errors.New("it is no port of a bridge")

// port gives what was asked for of a bridge's port; nil: nothing is known.
func (l *Link) port() *BridgePort {
	if l == nil {
		return nil
	}
	return &l.Port
}

// diffAdjusted gives back what is not asked for any more, where it still is as it was made.
func (s *survey) diffAdjusted(d *difference) {
	for n := range s.adjustment {
		a := &s.adjustment[n]
		l := s.seenLinks[a.Index]
		if l == nil || l.Name != a.Name || s.asks(a) || !s.holds(l, a) || s.original(a) == a.Applied {
			continue
		}
		if slices.ContainsFunc(d.oldLinks, func(o oldLink) bool { return o.takes(l) }) {
			continue // it goes altogether
		}
		// What it is a port of by our doing goes later: it would be let go by that, and not given back.
		d.remakes = without(d.remakes, func(o oldLink) bool { return a.Attribute == "master" && o.name == a.Applied })
		d.restores = append(d.restores, linkChange{-1, a.Index, a.Name, a.Attribute, a.Applied, s.original(a)})
	}
}

// asks says whether an attribute that was adjusted is still asked for.
func (s *survey) asks(a *adjustment) bool {
	i, desired := s.want.link[a.Name]
	if !desired {
		return false
	}
	want := &s.want.state.Links[i]
	if a.Attribute == altNameOf {
		return slices.Contains(want.AltNames, a.Applied)
	}
	return attributeNamed(a.Attribute).value(want) != ""
}

// has says whether an attribute still is as it was made.
func (l *seenLink) has(a *adjustment) bool {
	if a.Attribute == altNameOf {
		return slices.Contains(l.AltNames, a.Applied)
	}
	return attributeNamed(a.Attribute).value(&l.Link) == a.Applied
}

// holds says likewise, or that it has no master because that which it was given is gone, or was refused: the
// kernel takes the one from it before it looks at the other.
func (s *survey) holds(l *seenLink, a *adjustment) bool {
	orphan := a.Attribute == "master" && l.Master == NoMaster && (a.Claimed || s.linkIndex[a.Applied] == 0)
	return l.has(a) || orphan && s.original(a) != NoMaster
}

// original gives what is to be given back: a master may be gone by then.
func (s *survey) original(a *adjustment) string {
	if original := string(a.Original); a.Attribute != "master" || s.linkIndex[original] != 0 {
		return original
	}
	return NoMaster
}

func (l *seenLink) old(at int32) oldLink { return oldLink{at, l.index, l.Name, l.Kind} }

// describe says what interface holds a name.
func (s *survey) describe(index int32, name string) fmt.Stringer {
	l := s.seenLinks[index]
	switch {
	case l == nil && s.linkNames[index] != name:
		return described("link " + s.linkNames[index] + " altname " + name)
	case l == nil || l.Kind == "":
		return described("link " + name)
	}
	return described("link " + name + " type " + string(l.Kind))
}

func (d *difference) fail(verb reconcile.Verb, object fmt.Stringer, err error) {
	d.failed = append(d.failed, reconcile.Failure{Op: op(verb, object), Err: err})
}

func (d *difference) wait(verb reconcile.Verb, object fmt.Stringer, err error) {
	d.pending = append(d.pending, reconcile.Failure{Op: op(verb, object), Err: err})
}
