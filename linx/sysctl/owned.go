package sysctl

import (
	"fmt"

	"github.com/linx-go/linx-go/linx"
)

// LastApplied is what a Source owns: the keys that it holds, each with the value to give back. The zero
// value owns nothing. It marshals to JSON: a consumer may keep it. It is not modified once a report or a
// claim has given it, and must not be: a pass that finds everything in place gives the same one again.
//
// Its fields are public, as nothing in the kernel says what a key held before, or who wrote it: this record
// alone lets a consumer show that, or give it back with Write.
type LastApplied struct {
	// Namespace is the network namespace in which it was applied. Elsewhere, and after a reboot, it counts
	// as empty.
	Namespace linx.ID `json:"namespace,omitempty"`
	// Keys has what is owned, by key in dot form.
	Keys map[string]Owned `json:"keys,omitempty"`
}

// Owned is one key that a Source holds.
type Owned struct {
	// Applied is the value that the key was to hold, as it was asked for.
	Applied Value `json:"applied"`
	// ReadBack is the form in which the kernel gives Applied, where that is another: 8080 for 8080-8080,
	// 1008 for 1005.
	ReadBack Value `json:"readBack,omitempty"`
	// Original is what the key held before the first write.
	Original Value `json:"original"`
	// Claimed says that Applied was about to be written, and nobody knows whether it was. Such a key is
	// reverted only if it holds Applied, and Original was something else.
	Claimed bool `json:"claimed,omitempty"`
}

// holds tells whether the key has what was applied, in any form.
func (o Owned) holds(seen Value) bool {
	return o.Applied.is(seen) || o.ReadBack != "" && o.ReadBack.is(seen)
}

// hides tells whether the kernel's form of what was applied is that of another value, v: what the key holds
// then cannot be told by reading it. (At 250 Hz, 101 hundredths of a second read back as 100.)
func (o Owned) hides(v Value) bool { return o.ReadBack != "" && o.Applied != v && o.ReadBack.is(v) }

// revertible tells whether there is a value to give back to a key that holds seen.
func (o Owned) revertible(k key, seen Value) bool {
	if o.Original.is(seen) {
		return o.hides(o.Original)
	}
	return !o.Claimed || k.same(o.Applied, seen)
}

// ownership is LastApplied as a pass works on it. It is copied before it is changed: what was given out
// stays as it is.
type ownership struct {
	namespace linx.ID
	keys      map[key]Owned
}

// in gives l as it counts in ns, whose network namespace is id, as a copy. It refuses keys that would be
// reverted where the program happens to be.
func (l LastApplied) in(ns linx.Namespace, id linx.ID) (ownership, error) {
	o := ownership{id, map[key]Owned{}}
	if l.Namespace != id {
		return o, nil
	}
	for name, owned := range l.Keys {
		k, err := parseKey(name)
		if err == nil {
			err = checkDomain(ns, k)
		}
		if err != nil {
			return o, fmt.Errorf("sysctl: last applied: keys[%q]: %w", name, err)
		}
		o.keys[k] = owned
	}
	return o, nil
}

// lastApplied gives a copy in the form in which it is given out.
func (o ownership) lastApplied() LastApplied {
	l := LastApplied{Namespace: o.namespace}
	if len(o.keys) > 0 {
		l.Keys = make(map[string]Owned, len(o.keys))
	}
	for k, owned := range o.keys {
		l.Keys[k.String()] = owned
	}
	return l
}
