package rtnl

import (
	"fmt"
	"strings"

	"github.com/linx-go/linx-go/linx"
)

// addLinks makes the state's links ready.
func (x *index) addLinks(wrong *faults) {
	list := x.state.Links
	x.link = make(map[string]int32, len(list))
	for i := range list {
		if j, ok := x.link[list[i].Name]; ok {
			wrong.add("links", i, fmt.Errorf("%v: links[%d] has the same name, %v; an interface is there once", list[i], j, list[j]))
			continue
		}
		x.link[list[i].Name] = int32(i)
	}
	x.peer, x.farPeers = make(map[string]int32), make(map[linx.Namespace]bool)
	others := make(map[string]int) // alternative names
	for i := range list {
		wrong.add("links", i, x.addPeer(int32(i)))
		for _, name := range list[i].AltNames {
			if j, ok := x.link[name]; ok {
				wrong.add("links", i, fmt.Errorf("%v: its alternative name %s is the name of links[%d]", list[i], name, j))
			} else if j, ok := others[name]; ok {
				wrong.add("links", i, fmt.Errorf("%v: links[%d] has the alternative name %s too", list[i], j, name))
			}
			others[name] = i
		}
		x.position(list[i].Name)
		for _, name := range x.before(int32(i)) {
			x.position(name)
		}
	}
	if len(*wrong) == 0 {
		x.orderLinks(wrong)
	}
}

// addPeer notes the other end that a veth makes.
func (x *index) addPeer(i int32) error {
	l := &x.state.Links[i]
	if l.Kind != KindVeth {
		return nil
	}
	if ns := l.Veth.PeerNamespace; ns != (linx.Namespace{}) {
		x.farPeers[ns] = true
		return nil
	}
	name := l.Veth.Peer
	if j, ok := x.peer[name]; ok {
		return fmt.Errorf("%v: links[%d] makes %s too", l, j, name)
	}
	if j, ok := x.link[name]; ok && x.state.Links[j].Kind != "" {
		return fmt.Errorf("%v: it makes %s, which links[%d] is to make too; leave out the Kind there", l, name, j)
	}
	x.peer[name] = i
	x.position(name)
	return nil
}

// before gives the interfaces that a link is made of or put into.
func (x *index) before(i int32) []string {
	l := &x.state.Links[i]
	names := l.needs()
	if l.Master != "" && l.Master != NoMaster {
		names = append(names, l.Master)
	}
	return names
}

// orderLinks fills in linkOrder, in which each link comes behind what it needs.
func (x *index) orderLinks(wrong *faults) {
	const (
		unknown = iota
		open    // what it needs is being ordered
		done
	)
	state := make([]int8, len(x.state.Links))
	x.linkOrder = make([]int32, 0, len(state))
	var path []string
	var visit func(i int32) bool
	visit = func(i int32) bool {
		name := x.state.Links[i].Name
		path = append(path, name)
		defer func() { path = path[:len(path)-1] }()
		switch state[i] {
		case open:
			wrong.add("links", int(i), fmt.Errorf("%v: it needs itself: %s", x.state.Links[i], strings.Join(path, " needs ")))
			return false
		case done:
			return true
		}
		state[i] = open
		needs := x.before(i)
		if j, ok := x.peer[name]; ok && x.state.Links[i].Kind == "" {
			needs = append(needs, x.state.Links[j].Name)
		}
		for _, need := range needs {
			j, ok := x.link[need]
			if !ok {
				j, ok = x.peer[need]
			}
			if ok && !visit(j) {
				return false
			}
		}
		state[i] = done
		x.linkOrder = append(x.linkOrder, i)
		return true
	}
	for i := range x.state.Links {
		if !visit(int32(i)) {
			return
		}
	}
}
