package linxtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/linx/reconcile"
)

// Owned is a Source's record of what it owns: the names, each with how sure it is.
type Owned map[string]Mark

// Mark says how far the taking of a name has got.
type Mark string

const (
	Claimed   Mark = "claimed"   // about to be made, or made and not seen yet
	Confirmed Mark = "confirmed" // seen in the kernel
)

// Create, Update and Delete are the verbs of a Source's ops.
const (
	Create reconcile.Verb = "create"
	Update reconcile.Verb = "update"
	Delete reconcile.Verb = "delete"
)

// ErrConflict is the Failure of a name that somebody else holds, with another value.
var ErrConflict = errors.New("held by somebody else")

// Source is a fake subsystem over a Kernel. Out of the box it works without fault; At, Always, Refuse,
// Withhold, Drop and EndMonitor make it fail. It is a reconcile.Source, Subscriber and Validator, and an
// io.Closer. Its methods are safe for concurrent use.
//
// What it does is what rtnl does: it makes what is missing, corrects what is its own, leaves alone what is
// foreign (as satisfying where the value is as desired, as ErrConflict otherwise), and deletes what it
// owns and is no longer desired. An object is its own if the kernel says so (Object.Ours) and last names it.
type Source struct {
	kernel *Kernel

	mu       sync.Mutex
	next     map[Moment][]Fault
	always   map[Moment]Fault
	refused  map[string]error
	withheld map[string]error
	drop     int
	running  int
	newest   *monitor
	counts   Counts
	passes   []*Pass
}

var (
	_ reconcile.Source[State, Owned] = (*Source)(nil)
	_ reconcile.Subscriber           = (*Source)(nil)
	_ reconcile.Validator[State]     = (*Source)(nil)
)

// NewSource makes a source over k. nil: over a kernel of its own, an empty one.
func NewSource(k *Kernel) *Source {
	if k == nil {
		k = NewKernel(nil)
	}
	return &Source{
		kernel:   k,
		next:     map[Moment][]Fault{},
		always:   map[Moment]Fault{},
		refused:  map[string]error{},
		withheld: map[string]error{},
	}
}

// Kernel is what the source works on.
func (s *Source) Kernel() *Kernel { return s.kernel }

// String is "fake".
func (s *Source) String() string { return "fake" }

// Refuse lets every change of name fail with err, which the reports show as Failed. nil ends it.
func (s *Source) Refuse(name string, err error) { s.set(s.refused, name, err) }

// Withhold lets name wait for what err says, which the reports show as Pending. nil ends it.
func (s *Source) Withhold(name string, err error) { s.set(s.withheld, name, err) }

func (s *Source) set(m map[string]error, name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		delete(m, name)
		return
	}
	m[name] = err
}

// Validate refuses the empty name, and whatever Validating says.
func (s *Source) Validate(desired State) error {
	s.count(func(c *Counts) { c.Validates++ })
	if err := s.reach(context.Background(), Validating); err != nil {
		return err
	}
	if value, bad := desired[""]; bad {
		return fmt.Errorf("desired[\"\"]: %q has no name; give it one", value)
	}
	return nil
}

// Subscribe joins the kernel's events.
func (s *Source) Subscribe(ctx context.Context, hint func()) (suture.Service, error) {
	s.count(func(c *Counts) { c.Subscribes++ })
	if err := s.reach(ctx, Subscribing); err != nil {
		return nil, err
	}
	m := &monitor{source: s, hint: hint, end: make(chan Fault, 1)}
	s.mu.Lock()
	s.newest = m
	s.counts.Open++
	s.mu.Unlock()
	s.kernel.join(m)
	return m, nil
}

// Close counts, and is fine at any time: the next pass opens again what it needs, which is nothing.
func (s *Source) Close() error {
	s.count(func(c *Counts) { c.Closes++ })
	return s.reach(context.Background(), Closing)
}

// Reconcile is one pass.
func (s *Source) Reconcile(
	ctx context.Context, desired State, last Owned, claim func(Owned) error,
) (reconcile.Report[Owned], error) {
	record := s.begin(desired, last)
	defer s.end(record) // also where the pass panics
	p := &pass{source: s, ctx: ctx, desired: desired, owned: maps.Clone(last), claim: claim}
	if p.owned == nil {
		p.owned = Owned{}
	}
	p.report.Began = record.Began
	err := p.run()
	p.finish()
	s.mu.Lock()
	record.Report, record.Err = p.report, err
	s.mu.Unlock()
	return p.report, err
}

// Bare hides all that src offers besides Reconcile: it is no Subscriber, no Validator and no io.Closer.
func Bare[D, L any](src reconcile.Source[D, L]) reconcile.Source[D, L] {
	return struct{ reconcile.Source[D, L] }{src}
}
