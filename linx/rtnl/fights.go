package rtnl

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/linx-go/linx-go/linx/reconcile"
)

// A fight is another writer undoing the same object again and again. To undo that as often would make both of them
// busy and help nobody: the object is left alone for a while, longer each time, and is Pending. Everything else is
// healed at full speed, and what is to be deleted is deleted.
const (
	fightRepairs  = 5                // so many repairs of one object
	fightWindow   = 10 * time.Second // within so long are a fight; none for so long are its end
	fightPause    = time.Second      // the first pause; each further one is twice as long
	fightPauseMax = time.Minute
)

// fights is what is known of the objects of one desired state. Positions are those of its index.
type fights struct {
	want      *index
	log       *slog.Logger
	name      string
	routes    arena
	addresses arena
}

// arena is one kind of objects.
type arena struct {
	applied []bool // by us, some time: what is applied again is repaired
	repairs map[int32]*fight
}

type fight struct {
	times []time.Time // of the last repairs, fightRepairs at most
	pause time.Duration
	until time.Time // when it is repaired next; zero: this is no fight
}

// begin forgets the fights about another state.
func (f *fights) begin(x *index) {
	if f.want == x {
		return
	}
	f.want = x
	f.routes = arena{make([]bool, len(x.routes)), make(map[int32]*fight)}
	f.addresses = arena{make([]bool, len(x.addresses)), make(map[int32]*fight)}
}

// hold takes out of a plan what is not to be repaired yet, and ends the fights that are over.
func (f *fights) hold(plan *difference, p *pass, now time.Time) {
	if len(f.routes.repairs)+len(f.addresses.repairs) == 0 {
		return
	}
	plan.newRoutes = f.keep(plan.newRoutes, &f.routes, plan, now, func(i int32) reconcile.Op { return p.routeOp(Create, i) })
	plan.newAddresses = f.keep(plan.newAddresses, &f.addresses, plan, now, func(i int32) reconcile.Op { return p.addressOp(Create, i) })
	var updates []update
	for _, u := range plan.updates {
		if held := f.routes.held(u.at, now); held != nil {
			plan.pending = append(plan.pending, reconcile.Failure{Op: p.routeOp(Update, u.at), Err: held.err(now, &u.olds[0])})
		} else {
			updates = append(updates, u)
		}
	}
	plan.updates = updates
	f.routes.over(now, func(i int32) { f.tell("fight ended", p.routeOp(Update, i)) })
	f.addresses.over(now, func(i int32) { f.tell("fight ended", p.addressOp(Update, i)) })
}

func (f *fights) keep(list []int32, a *arena, plan *difference, now time.Time, op func(int32) reconcile.Op) []int32 {
	var kept []int32
	for _, i := range list {
		if held := a.held(i, now); held != nil {
			plan.pending = append(plan.pending, reconcile.Failure{Op: op(i), Err: held.err(now, nil)})
		} else {
			kept = append(kept, i)
		}
	}
	return kept
}

// held gives the fight about an object that is to be left alone for now.
func (a *arena) held(i int32, now time.Time) *fight {
	if held := a.repairs[i]; held != nil && now.Before(held.until) {
		return held
	}
	return nil
}

func (held *fight) err(now time.Time, holder *found) error {
	who := "another writer"
	if holder != nil {
		who += ", " + protocolName(int(holder.protocol)) + ","
	}
	return fmt.Errorf("%s keeps undoing it: left alone for %v", who, held.until.Sub(now).Round(time.Millisecond))
}

// over forgets the objects that have not been repaired for long.
func (a *arena) over(now time.Time, ended func(i int32)) {
	for i, r := range a.repairs {
		if now.Sub(r.times[len(r.times)-1]) < r.pause+fightWindow {
			continue
		}
		if !r.until.IsZero() {
			ended(i)
		}
		delete(a.repairs, i)
	}
}

// applied notes that an object has been created or updated.
func (f *fights) applied(a *arena, i int32, now time.Time, op func() reconcile.Op) {
	if !a.applied[i] {
		a.applied[i] = true
		return
	}
	r := a.repairs[i]
	if r == nil {
		r = new(fight)
		a.repairs[i] = r
	}
	if r.times = append(r.times, now); len(r.times) > fightRepairs {
		r.times = r.times[1:]
	}
	switch {
	case !r.until.IsZero():
		r.pause = min(2*r.pause, fightPauseMax)
	case len(r.times) == fightRepairs && now.Sub(r.times[0]) < fightWindow:
		r.pause = fightPause
		f.tell("fight begun", op())
	default:
		return
	}
	r.until = now.Add(r.pause)
}

func (f *fights) tell(what string, op reconcile.Op) {
	f.log.Warn(what+": another writer undoes what is desired", "source", f.name, "object", op.Object.String())
}
