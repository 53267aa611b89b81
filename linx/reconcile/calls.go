package reconcile

import (
	"context"
	"errors"
	"slices"
)

// call is a Reconcile that waits for its pass. The channel has one place, so that answering never blocks.
type call[L any] chan outcome[L]

type outcome[L any] struct {
	report Report[L]
	err    error
}

// insideKey marks the contexts that a loop hands to Notify and Claim, where to wait for the loop would be
// to wait for oneself.
type insideKey struct{ loop any }

func (l *Loop[D, L]) inside(ctx context.Context) bool { return ctx.Value(insideKey{l}) != nil }

// Reconcile runs a pass now and returns its result. Calls that wait together share one pass, which
// begins after the last of them. Before the first Serve and between restarts it waits, up to its
// context. The caller of a pass that panics gets the panic as an error; after the end, the final reason.
// From inside Notify or Claim, known by their context, it fails at once.
func (l *Loop[D, L]) Reconcile(ctx context.Context) (Report[L], error) {
	var none Report[L]
	if l.inside(ctx) {
		return none, errors.New("reconcile: Reconcile called from inside Notify or Claim, which its pass would wait for")
	}
	c := make(call[L], 1)
	l.mu.Lock()
	if err := l.status.Final; err != nil {
		l.mu.Unlock()
		return none, err
	}
	l.calls = append(l.calls, c)
	l.mu.Unlock()
	l.nudge()

	select {
	case o := <-c:
		return o.report, o.err
	case <-ctx.Done():
		l.mu.Lock()
		l.calls = slices.DeleteFunc(l.calls, func(other call[L]) bool { return other == c })
		l.mu.Unlock()
		return none, ctx.Err()
	}
}

// PutDesired replaces the desired state and returns; a debounced pass follows. The state is handed over:
// nobody may modify it afterwards. A state that the source's Validate refuses is refused, and changes
// nothing; after the end, the error is the final reason.
func (l *Loop[D, L]) PutDesired(desired D) error {
	if l.validator != nil {
		if err := l.validator.Validate(desired); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.status.Final; err != nil {
		return err
	}
	l.want(desired)
	l.nudge()
	return nil
}

// want replaces the desired state. Its caller holds mu: what PutDesired has found not to be over must not be
// by the time of the change, or it would undo a Release.
func (l *Loop[D, L]) want(desired D) {
	l.desired = desired
	l.generation++
}

// LastReport gives the report of the newest pass, the one of a pass that failed included; false: no pass
// has ended yet.
func (l *Loop[D, L]) LastReport() (Report[L], bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.report, l.reported != 0
}

// WaitConverged waits until the newest pass has observed the desired state, and was begun after the newest
// PutDesired. Before the first Serve and between restarts it waits, up to its context; after the end, it
// returns the final reason.
func (l *Loop[D, L]) WaitConverged(ctx context.Context) error {
	for {
		l.mu.Lock()
		converged := l.reported == l.generation && l.status.Converged
		passed, final := l.passed, l.status.Final
		l.mu.Unlock()
		switch {
		case final != nil:
			return final
		case converged:
			return nil
		}
		select {
		case <-passed:
		case <-l.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
