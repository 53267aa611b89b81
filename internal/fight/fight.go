// Package fight notices when another writer keeps undoing what a source repairs, so that the source can
// step back from that one object instead of undoing in turn for ever, at the price of both writers' peace.
package fight

import (
	"math/rand/v2"
	"time"
)

const (
	// Repairs of one object within Window make a fight.
	Repairs = 5
	Window  = 10 * time.Second

	// FirstTruce is how long the source then leaves the object alone; each repair that did not last doubles
	// it, up to LastTruce. A quarter of it is jitter, so that two programs that fight fall out of step.
	FirstTruce = time.Second
	LastTruce  = time.Minute
)

// Watch remembers the repairs of objects known by K. The zero value is ready. It holds what was repaired in
// the last Window, and what is fought over: nothing, when all is quiet. It is not safe for concurrent use.
type Watch[K comparable] struct {
	objects map[K]*object
}

// object is one that was repaired.
type object struct {
	repairs []time.Time   // the newest, within Window; Repairs of them at most
	truce   time.Duration // 0: not fought over
	until   time.Time     // end of the truce
}

// Repaired notes that the source changed k in the kernel to what it was to be already; began says that this
// makes a fight.
func (w *Watch[K]) Repaired(k K, now time.Time) (began bool) {
	o := w.objects[k]
	if o == nil {
		if w.objects == nil {
			w.objects = make(map[K]*object)
		}
		o = &object{}
		w.objects[k] = o
	}
	o.repairs = append(o.recent(now), now)
	switch {
	case o.truce != 0:
		o.truce = min(2*o.truce, LastTruce)
	case len(o.repairs) < Repairs:
		return false
	default:
		o.truce, began = FirstTruce, true
	}
	o.until = now.Add(o.truce - rand.N(o.truce/4))
	return began
}

// Held tells whether k is to be left alone for now, and until when.
func (w *Watch[K]) Held(k K, now time.Time) (until time.Time, held bool) {
	o := w.objects[k]
	if o == nil || o.truce == 0 || !now.Before(o.until) {
		return time.Time{}, false
	}
	return o.until, true
}

// Ended forgets what has been quiet, and gives the objects whose fight is over: no repair was needed since
// the truce, for as long as that had lasted, and a Window at least. amiss tells whether k needs a repair
// just now; a fight over such an object goes on.
func (w *Watch[K]) Ended(now time.Time, amiss func(K) bool) (over []K) {
	for k, o := range w.objects {
		switch {
		case o.truce == 0:
			if o.repairs = o.recent(now); len(o.repairs) == 0 {
				delete(w.objects, k)
			}
		case now.Sub(o.until) >= max(o.truce, Window) && !amiss(k):
			delete(w.objects, k)
			over = append(over, k)
		}
	}
	return over
}

// Keep forgets all objects but those that keep names, and gives those of the others that were fought over.
func (w *Watch[K]) Keep(keep func(K) bool) (over []K) {
	for k, o := range w.objects {
		if keep(k) {
			continue
		}
		delete(w.objects, k)
		if o.truce != 0 {
			over = append(over, k)
		}
	}
	return over
}

// Fighting tells whether k is fought over, held at the moment or not.
func (w *Watch[K]) Fighting(k K) bool {
	o := w.objects[k]
	return o != nil && o.truce != 0
}

// Quiet tells whether there is nothing to remember, so that a pass that finds everything in place can ask
// no more.
func (w *Watch[K]) Quiet() bool { return len(w.objects) == 0 }

// recent drops the repairs that are older than Window, and all but the newest that matter.
func (o *object) recent(now time.Time) []time.Time {
	r := o.repairs
	for len(r) > 0 && (now.Sub(r[0]) > Window || len(r) >= Repairs) {
		r = r[1:]
	}
	return r
}
