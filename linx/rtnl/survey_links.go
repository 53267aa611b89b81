package rtnl

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

// linkSurvey is what an observation has found of interfaces, besides what addresses and routes need, where
// there are desired or recorded ones.
type linkSurvey struct {
	linkNames map[int32]string    // of all interfaces
	linkIndex map[string]int32    // by name
	altNames  map[string]int32    // by alternative name
	seenLinks map[int32]*seenLink // those that the state names, or that are ours

	// What lasts for a pass.
	linkRecords map[linkRecord]*Link // what LastApplied says was asked for of what was made here
	recorded    map[int32]bool       // the interfaces that this, or adjustment, has something on
	madeLinks   map[int32]LinkKind   // made in it, or adopted
	choices     map[int32]int32      // by desired link: the index that it is to get
	adjustment  []adjustment         // what LastApplied has, and what was claimed since
}

// linkRecord is what an interface that was made here is known by.
type linkRecord struct {
	index int32
	kind  LinkKind
}

// begin prepares for a pass that has to do with interfaces themselves.
func (s *linkSurvey) begin(last *LastApplied) {
	s.madeLinks, s.choices = make(map[int32]LinkKind), make(map[int32]int32)
	s.linkRecords, s.recorded = make(map[linkRecord]*Link, len(last.links)), make(map[int32]bool)
	for i := range last.links {
		r := &last.links[i]
		at := linkRecord{r.Index, r.Kind}
		s.linkRecords[at], s.recorded[r.Index] = r.Link.with(s.linkRecords[at]), true
	}
	for i := range last.adjusted {
		s.recorded[last.adjusted[i].Index] = true
	}
}

// shapes says whether the pass has to do with interfaces themselves.
func (p *pass) shapes() bool {
	return len(p.want.state.Links)+len(p.last.links)+len(p.last.adjusted) > 0
}

// readAllLinks reads all interfaces, and the settings of those that matter.
func (p *pass) readAllLinks(ctx context.Context) error {
	s := p.survey
	s.linkNames, s.linkIndex = make(map[int32]string), make(map[string]int32)
	s.altNames, s.seenLinks = make(map[string]int32), make(map[int32]*seenLink)
	var bodies [][]byte
	askLinks(&p.batch)
	err := p.conn.Dump(ctx, &p.batch, func(_ uint16, body []byte) error {
		name, l, ok := decodeLink(body)
		if !ok {
			return nil
		}
		s.seeLink(name, l)
		s.linkNames[l.index], s.linkIndex[string(name)] = string(name), l.index
		for typ, v := range rtnetlink.Attributes(body[unix.SizeofIfInfomsg:]) {
			if typ == unix.IFLA_PROP_LIST {
				for _, other := range altNames(v) {
					s.altNames[other] = l.index
				}
			}
		}
		if _, named := p.want.positions[string(name)]; named || s.concerns(l.index) {
			bodies = append(bodies, slices.Clone(body)) // what others are called is known at the end
		}
		return nil
	})
	for _, body := range bodies {
		l := decodeLinkFully(body, func(index int32) string { return s.linkNames[index] })
		s.seenLinks[l.index] = &l
		err = cmp.Or(err, p.checkPeer(ctx, &l))
	}
	return err
}

// concerns says whether LastApplied, or this pass, has something on that interface.
func (s *linkSurvey) concerns(index int32) bool {
	_, made := s.madeLinks[index]
	return made || s.recorded[index]
}

// linkSeen gives the interface of that name, if there is one and the state names it.
func (s *survey) linkSeen(name string) *seenLink { return s.seenLinks[s.linkIndex[name]] }

// ownsLink says whether an interface was made here, by its index and kind.
func (s *survey) ownsLink(l *seenLink) bool {
	if kind, made := s.madeLinks[l.index]; made {
		return kind == l.Kind
	}
	return s.lastOf(l) != nil
}

// lastOf gives what was asked for last of an interface that was made here, or nil.
func (s *survey) lastOf(l *seenLink) *Link { return s.linkRecords[linkRecord{l.index, l.Kind}] }

// with adds the settings of another record of the same interface, if there is one: after a crash, what was
// applied is one and what was claimed is another, and what either asks for may be there.
func (l *Link) with(other *Link) *Link {
	if other == nil {
		return l
	}
	both := *l
	adopt(l.Kind.of().in(&both), l.Kind.of().in(other))
	adopt(both.Port.settings(), other.Port.settings())
	return &both
}

// adopt sets what is not asked for to what others have.
func adopt(list, others []setting) {
	for i, s := range list {
		if !s.asked() && others[i].asked() {
			s.set(others[i].value)
		}
	}
}

// indexOf gives the index of an interface that is there, or is about to be made; 0: neither.
func (s *survey) indexOf(d *difference) func(name string) int32 {
	return func(name string) int32 {
		if index, ok := s.linkIndex[name]; ok {
			return index
		}
		for _, n := range d.newLinks {
			if s.want.state.Links[n.at].Name == name {
				return n.index
			}
		}
		return 0
	}
}

// Where indices of ours are from: beyond those that the kernel gives out on most machines, and within the 16
// bits that some have room for.
const firstChoice, choiceRange = 1 << 15, 1 << 15

// choose gives the index that a desired link is to be made with. It is a random one, so that a claim which
// was carried out can be told from another's interface of the same name and kind, also after a crash.
func (s *survey) choose(i int32) int32 {
	index, ok := s.choices[i]
	for ; !ok || s.linkNames[index] != "" || s.chosen(index, i); ok = true {
		if !ok {
			index = firstChoice + rand.Int32N(choiceRange)
		} else {
			index++
		}
	}
	s.choices[i] = index
	return index
}

// chosen says whether another desired link is to get that index.
func (s *survey) chosen(index, but int32) bool {
	for i, other := range s.choices {
		if i != but && other == index {
			return true
		}
	}
	return false
}
