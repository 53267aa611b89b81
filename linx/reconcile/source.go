package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/thejerf/suture/v4"
)

// Source is one subsystem in one namespace: D is its desired state, L its record of what it owns.
// Its methods are safe for concurrent use. This is the whole contract: a Source works without a
// Loop, one call at a time.
type Source[D, L any] interface {
	// Reconcile runs one pass: observe, diff against desired, apply the difference.
	//
	// Passes are idempotent: one that finds everything in place changes nothing. What cannot be done
	// is in the report (Failed, Pending) and holds up nothing else; the error is for a pass that could not
	// observe at all, was cut short, or whose claim was refused.
	//
	// Before its first change a source calls claim (nil: skip) with the old ownership plus what it
	// is about to take; if that fails it applies nothing. Report.LastApplied is authoritative even
	// beside an error. A source keeps neither desired nor last, and returns a fresh L.
	//
	// Two errors mean more than "try again". One that wraps linx.ErrNamespaceGone makes the loop let go
	// of everything and look for the namespace anew; one that wraps suture.ErrDoNotRestart or
	// suture.ErrTerminateSupervisorTree ends the loop for good.
	Reconcile(ctx context.Context, desired D, last L, claim func(L) error) (Report[L], error)
}

// Subscriber is a Source that can tell when it may be worth looking: a monitor.
//
// This interface, Validator and io.Closer are found by type assertion, so a source that wraps another must
// embed the concrete type: embedding the Source interface hides them. Status says which were found.
type Subscriber interface {
	// Subscribe joins the events and returns the service that reads them: joined when it returns, so that
	// no change after it goes unseen. ctx bounds only the call. The loop serves the result exactly
	// once, and its Serve closes it. hint never blocks, may be called from anywhere, and is a no-op after
	// the end. An error that wraps errors.ErrUnsupported says that there is nothing to listen to: the loop
	// runs on its timer.
	Subscribe(ctx context.Context, hint func()) (suture.Service, error)
}

// Validator is a Source that can refuse a desired state without asking the kernel. New and PutDesired call
// it.
type Validator[D any] interface {
	Validate(desired D) error
}

// Report is the outcome of one pass. It marshals to JSON, for logs and dashboards.
type Report[L any] struct {
	// Converged says that the last observation of this pass matched the desired state.
	Converged bool `json:"converged"`
	// Applied is what this pass did, in order.
	Applied []Op `json:"applied,omitempty"`
	// Failed is what was tried and refused, each with its error.
	Failed []Failure `json:"failed,omitempty"`
	// Pending is what was not tried, each with what it waits for: an interface, duplicate address
	// detection, the end of a cancelled context.
	Pending []Failure `json:"pending,omitempty"`
	// LastApplied is what the source owns now. Thread it into the next pass.
	LastApplied L `json:"lastApplied"`
	// Began is when the pass began, Took how long it lasted.
	Began time.Time     `json:"began"`
	Took  time.Duration `json:"took"`
	// Observed is when the pass's last observation began: it has seen every event before. Zero: the
	// source does not say, and Began is taken.
	Observed time.Time `json:"observed,omitzero"`
}

// Op is one change to the kernel. It prints as "create route 10.1.0.0/16 via 10.0.0.2".
type Op struct {
	Verb   Verb
	Object fmt.Stringer
}

// Verb is what an Op does; each subsystem defines its own.
type Verb string

func (o Op) String() string { return fmt.Sprintf("%s %s", o.Verb, o.Object) }

// Failure is an Op that was not done, and why.
type Failure struct {
	Op  Op
	Err error
}

func (f Failure) String() string { return fmt.Sprintf("%s: %v", f.Op, f.Err) }
