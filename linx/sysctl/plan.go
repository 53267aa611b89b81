package sysctl

import (
	"errors"
	"maps"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx/reconcile"
)

// The verbs of a report's ops.
const (
	// Set writes a desired value.
	Set reconcile.Verb = "set"
	// Revert gives back the original value of a key that is no longer desired.
	Revert reconcile.Verb = "revert"
	// Release lets go of a key that is no longer desired, and leaves its value.
	Release reconcile.Verb = "release"
)

// change is a write to be made.
type change struct {
	verb   reconcile.Verb
	key    key
	value  Value // to write
	before Value // as last seen
}

func (c change) op() reconcile.Op {
	return reconcile.Op{Verb: c.verb, Object: assignment{c.key, c.value}}
}

// assignment prints as sysctl(8) does: "net.ipv4.ip_forward = 1".
type assignment struct {
	key   key
	value Value
}

func (a assignment) String() string { return a.key.String() + " = " + string(a.value) }

// reading is what looking at a key gave.
type reading struct {
	value   Value
	err     error
	renewed bool // the file that was there before is gone, and this is another one of its name
}

// gone tells whether what the key was about, when it was last written, is there no longer.
func (r reading) gone() bool { return r.renewed || errors.Is(r.err, unix.ENOENT) }

// plan compares what is seen with what is desired. It returns the writes that are to be made, in order, and
// notes all that needs none: what can be neither read nor written, what is in place, what is let go.
func (p *pass) plan() []change {
	p.failed, p.pending = nil, nil
	p.confirm()
	var changes, leaving []change
	for k, want := range p.desired {
		r := p.seen[k]
		owned, mine := p.owned.keys[k]
		if mine && r.gone() {
			mine = false // the value to give back was that of a thing which is no more
			delete(p.owned.keys, k)
		}
		switch {
		case r.err != nil:
			p.refuse(change{verb: Set, key: k, value: want}, r.err)
		case mine && owned.Applied == want && !owned.Claimed && owned.holds(r.value):
		case want.is(r.value) && !owned.hides(want):
			if !mine {
				owned.Original = r.value
			}
			p.owned.keys[k] = Owned{Applied: want, Original: owned.Original}
		default:
			c := change{Set, k, want, r.value}
			if fight := p.holdBack(c); fight != nil {
				p.refuse(c, fight)
			} else {
				changes = append(changes, c)
			}
		}
	}
	for k, owned := range p.owned.keys {
		if _, wanted := p.desired[k]; wanted {
			continue
		}
		r := p.seen[k]
		switch {
		case r.gone():
			delete(p.owned.keys, k)
		case p.revert && r.err != nil:
			p.refuse(change{verb: Revert, key: k, value: owned.Original}, r.err)
		case p.revert && owned.revertible(k, r.value) && !(p.reverted[k] && owned.Original.is(r.value)):
			changes = append(changes, change{Revert, k, owned.Original, r.value})
		default:
			leaving = append(leaving, change{verb: Release, key: k, value: r.value})
		}
	}
	// A key that holds its original may be moved by a revert that is still to come.
	if !slices.ContainsFunc(changes, func(c change) bool { return c.verb == Revert }) {
		p.letGo(leaving)
	}
	slices.SortFunc(changes, byKey)
	return changes
}

func byKey(a, b change) int { return compareKeys(a.key, b.key) }

// letGo gives up the ownership of keys that hold what they are to hold from now on.
func (p *pass) letGo(leaving []change) {
	slices.SortFunc(leaving, byKey)
	for _, c := range leaving {
		delete(p.owned.keys, c.key)
		if !p.reverted[c.key] {
			p.report.Applied = append(p.report.Applied, c.op())
		}
	}
}

// confirm takes away the mark of claims that were carried out: the key holds what was to be written, and
// did not before.
func (p *pass) confirm() {
	for k, owned := range p.owned.keys {
		if r := p.seen[k]; owned.Claimed && r.err == nil && owned.revertible(k, r.value) {
			owned.Claimed = false
			p.owned.keys[k] = owned
		}
	}
}

// taking gives the ownership that the changes will have led to, if they are made.
func (o ownership) taking(changes []change) ownership {
	keys := maps.Clone(o.keys)
	for _, c := range changes {
		if c.verb != Set {
			continue
		}
		owned, mine := keys[c.key]
		if !mine {
			owned = Owned{Original: c.before, Claimed: true}
		}
		if owned.Applied != c.value {
			owned.Applied, owned.ReadBack = c.value, ""
		}
		keys[c.key] = owned
	}
	return ownership{o.namespace, keys}
}
