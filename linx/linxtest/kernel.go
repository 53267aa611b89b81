package linxtest

import (
	"maps"
	"sync"
)

// State is a desired state: what each name should hold.
type State map[string]string

// Object is one thing in a Kernel.
type Object struct {
	Value string
	// Ours says that a Source made it: what rtm_protocol is to a route. The kernel keeps it when
	// somebody else changes the value, and forgets it with the object.
	Ours bool
}

// Kernel is a fake kernel: named objects that anybody may change, and an event after every change.
// It outlives the sources that work on it, as the kernel outlives processes. Its methods are safe for
// concurrent use.
type Kernel struct {
	mu       sync.Mutex
	objects  map[string]Object
	monitors map[*monitor]struct{}
}

// NewKernel makes one that holds foreign objects, or nothing (nil).
func NewKernel(foreign State) *Kernel {
	k := &Kernel{objects: map[string]Object{}, monitors: map[*monitor]struct{}{}}
	for name, value := range foreign {
		k.objects[name] = Object{Value: value}
	}
	return k
}

// Put is somebody else's write: it makes a foreign object, or changes the value of one that is there,
// whoever's.
func (k *Kernel) Put(name, value string) { k.put(name, value, false) }

// Delete is somebody else's deletion. It reports whether there was anything to delete.
func (k *Kernel) Delete(name string) bool {
	k.mu.Lock()
	_, ok := k.objects[name]
	delete(k.objects, name)
	k.mu.Unlock()
	if ok {
		k.tell()
	}
	return ok
}

// Get looks at one object.
func (k *Kernel) Get(name string) (Object, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	o, ok := k.objects[name]
	return o, ok
}

// Objects gives a copy of all that is there.
func (k *Kernel) Objects() map[string]Object {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.objects)
}

// put keeps the owner of an object that is there, and makes one that is not.
func (k *Kernel) put(name, value string, ours bool) {
	k.mu.Lock()
	if old, ok := k.objects[name]; ok {
		ours = old.Ours
	}
	k.objects[name] = Object{Value: value, Ours: ours}
	k.mu.Unlock()
	k.tell()
}

// tell sends an event to every monitor. It holds no lock, as a hint may lead anywhere.
func (k *Kernel) tell() {
	k.mu.Lock()
	monitors := make([]*monitor, 0, len(k.monitors))
	for m := range k.monitors {
		monitors = append(monitors, m)
	}
	k.mu.Unlock()
	for _, m := range monitors {
		m.event()
	}
}

func (k *Kernel) join(m *monitor) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.monitors[m] = struct{}{}
}

func (k *Kernel) leave(m *monitor) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.monitors, m)
}
