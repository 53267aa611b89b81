package reconcile

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/internal/member"
	"github.com/linx-go/linx-go/linx"
)

// stuckAfter is how long a cancelled member may take to end before Status and the log say so. It is suture's
// default patience.
const stuckAfter = 10 * time.Second

// serving is one Serve: what begins and ends with it. Its fields belong to the body, the goroutine that runs
// passes; whoever waits for the body has them afterwards.
type serving[D, L any] struct {
	*Loop[D, L]
	ctx    context.Context
	cancel context.CancelFunc
	stage  atomic.Value // string: which of the consumer's or the source's calls the body is in

	agenda    agenda
	hints     hints
	attempted uint64 // the generation of the last pass that began
	observed  int64  // when the last observation of the last pass began, as hinted counts it
	gone      bool   // the namespace was let go, and no pass has succeeded since
}

// Serve runs the loop until ctx ends, a fault ends it, or it is stopped for good. It is what a supervisor
// calls, again and again: each time it subscribes, runs a full pass, and goes on.
//
//   - ctx ended: ctx.Err(). What is applied stays.
//   - The monitor ended unasked, or something called runtime.Goexit: an error that names it.
//   - A panic, in the source, the monitor, Notify or Claim: the same panic, as *linx.PanicError, once all
//     else has ended.
//   - An error of the source or the monitor that wraps suture.ErrDoNotRestart or
//     suture.ErrTerminateSupervisorTree: that error.
//   - Stop or Release: an error that wraps ErrStopped and suture.ErrDoNotRestart.
//
// When it returns, no goroutine, subscription or open source is left. A second, concurrent Serve waits for
// the first.
func (l *Loop[D, L]) Serve(ctx context.Context) error {
	return l.inTurn(ctx, func() error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var err error
		if l.begin(cancel) {
			err = l.run(ctx, (*serving[D, L]).loop)
		}
		return l.conclude(ctx, err)
	})
}

// begin notes that a Serve is in progress, unless the loop has ended.
func (l *Loop[D, L]) begin(cancel context.CancelFunc) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopped || l.status.Final != nil {
		return false
	}
	l.endServe = cancel
	l.status.Serving = true
	l.status.Serves++
	return true
}

// conclude turns what ended a Serve into what the supervisor is told.
func (l *Loop[D, L]) conclude(ctx context.Context, err error) error {
	l.mu.Lock()
	l.endServe = nil
	l.status.Serving = false
	l.status.Converged = false // nobody looks any more
	l.status.Monitor = MonitorOff
	stopped, releasing := l.stopped, l.releasing
	l.mu.Unlock()

	switch _, panicked := err.(*linx.PanicError); {
	case isFinal(err) && !panicked:
		l.end(err)
	case stopped:
		l.end(ErrStopped)
	}
	if !releasing { // Release has the last word itself
		err = followed(err, l.notifyFinal(ctx))
	}
	switch final := l.Status().Final; {
	case err != nil:
		l.log.Warn("ended", "reason", err)
	case final == ErrStopped:
		err = fmt.Errorf("%w: %w", ErrStopped, suture.ErrDoNotRestart)
	case final != nil:
		err = final
	default:
		err = ctx.Err()
	}
	l.mu.Lock()
	l.status.LastEnd = err
	l.mu.Unlock()
	if fault, panicked := err.(*linx.PanicError); panicked {
		panic(fault)
	}
	return err
}

// run runs body, and ends what it began: the monitor first, then the source. It returns the first fault; a
// panic is a *linx.PanicError. nil: there was none, and ctx has ended or body was done.
func (l *Loop[D, L]) run(ctx context.Context, body func(*serving[D, L]) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &serving[D, L]{Loop: l, ctx: ctx, cancel: cancel}
	s.enter("loop")

	var exit member.Exit
	ended := member.Go(func() error { return body(s) })
	select {
	case exit = <-ended:
	case <-ctx.Done():
		exit = l.await(s.where, ended)
	}
	bodyFault := fault(l.name, s.where(), exit)
	monitorFault, unasked := s.unsubscribe()
	faults := []error{bodyFault, monitorFault, nil}
	if unasked {
		faults[0], faults[1] = monitorFault, bodyFault
	}
	if l.closer != nil {
		ended := member.Go(func() error { l.closeSource(); return nil })
		faults[2] = fault(l.name, "Close", l.await(always("Close"), ended))
	}
	var first error
	for _, err := range faults {
		first = followed(first, err)
	}
	return first
}

// followed adds what went wrong later to the text of what went wrong first, which alone counts.
func followed(first, later error) error {
	const also = "and while the rest was being stopped, "
	switch p, panicked := first.(*linx.PanicError); {
	case first == nil:
		return later
	case later == nil:
		return first
	case panicked:
		return &linx.PanicError{Service: p.Service, Value: p.Value, Stack: fmt.Appendf(p.Stack, "\n%s%v", also, later)}
	default:
		return fmt.Errorf("%w\n%s%v", first, also, later)
	}
}

// fault says what is wrong with how a member ended; nil: nothing.
func fault(loop, who string, exit member.Exit) error {
	switch {
	case exit.Goexit:
		return fmt.Errorf("%s: %s called runtime.Goexit", loop, who)
	case exit.Panic == nil:
		return exit.Err
	}
	if p, ok := exit.Panic.Value.(*linx.PanicError); ok {
		return p // of OneForAll, or of a pass: it has the stack that matters
	}
	return &linx.PanicError{Service: loop + ": " + who, Value: exit.Panic.Value, Stack: exit.Panic.Stack}
}

// isFinal tells the errors after which suture serves nothing again.
func isFinal(err error) bool {
	return errors.Is(err, suture.ErrDoNotRestart) || errors.Is(err, suture.ErrTerminateSupervisorTree)
}

// await waits for a member that has been told to end. Nobody can kill one that does not, so that is all
// that can be done, but for saying so.
func (l *Loop[D, L]) await(who func() string, ended <-chan member.Exit) member.Exit {
	patience := time.NewTimer(stuckAfter)
	defer patience.Stop()
	select {
	case exit := <-ended:
		return exit
	case <-patience.C:
	}
	l.setStuck(who())
	defer l.setStuck("")
	l.log.Error("still waiting for a member that ignores its cancellation", "member", who(), "after", stuckAfter)
	return <-ended
}

func always(who string) func() string { return func() string { return who } }

// enter notes which call of the source's or the consumer's the body is about to make.
func (s *serving[D, L]) enter(call string) { s.stage.Store(call) }

// where is the last call that the body made.
func (s *serving[D, L]) where() string { return s.stage.Load().(string) }

// closeSource lets the source go. What it says is of interest to the log alone: nothing can be done about it.
func (l *Loop[D, L]) closeSource() {
	if err := l.closer.Close(); err != nil {
		l.log.Warn("closing the source", "error", err)
	}
}
