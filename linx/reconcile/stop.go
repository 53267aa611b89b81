package reconcile

import (
	"context"
	"errors"
	"fmt"

	"github.com/linx-go/linx-go/internal/member"
)

// Stop ends the loop for good, its monitor too, and waits for both, up to ctx. What is applied stays
// applied. Before Serve, or between restarts, it makes the next Serve return suture.ErrDoNotRestart. From
// inside Notify or Claim, known by their context, it only signals. Stopping twice is fine.
func (l *Loop[D, L]) Stop(ctx context.Context) error {
	l.signalStop(false)
	if l.inside(ctx) {
		return nil
	}
	return l.inTurn(ctx, func() error {
		l.end(ErrStopped)
		return l.notifyFinal(ctx)
	})
}

// Release ends the loop like Stop, and runs a last pass towards the zero desired state: what the loop owns
// is removed (sysctls: released, or reverted where asked), whatever else is there stays. It works served or
// not. If something is left behind, the error says what, the loop is ended all the same, and Release can be
// called again; once nothing is left, it returns the same report and does nothing. From inside Notify or
// Claim, known by their context, it fails at once.
func (l *Loop[D, L]) Release(ctx context.Context) (Report[L], error) {
	var report Report[L]
	if l.inside(ctx) {
		return report, errors.New("reconcile: Release called from inside Notify or Claim, which its pass would wait for")
	}
	l.signalStop(true)
	err := l.inTurn(ctx, func() error {
		l.end(ErrStopped)
		if l.released {
			report = l.report
			return nil
		}
		l.mu.Lock()
		l.want(*new(D))
		l.mu.Unlock()
		err := l.run(ctx, func(s *serving[D, L]) (err error) {
			report, err = s.reconcile(s.ctx)
			return err
		})
		if err == nil && !report.Converged {
			err = left(report)
		}
		l.released = err == nil
		return errors.Join(err, l.notifyFinal(ctx))
	})
	return report, err
}

// left says what a Release left behind.
func left[L any](r Report[L]) error {
	errs := []error{errors.New("reconcile: not everything could be released")}
	for _, f := range append(r.Failed[:len(r.Failed):len(r.Failed)], r.Pending...) {
		errs = append(errs, fmt.Errorf("%s: %w", f.Op, f.Err))
	}
	return errors.Join(errs...)
}

// signalStop asks the Serve in progress to end, and every later one not to begin.
func (l *Loop[D, L]) signalStop(release bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	l.releasing = l.releasing || release
	if l.endServe != nil {
		l.endServe()
	}
}

// inTurn runs f when nobody else may run passes.
func (l *Loop[D, L]) inTurn(ctx context.Context, f func() error) error {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
		return f()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// end records the final reason; the first one holds. Everybody who waits for the loop gets it.
func (l *Loop[D, L]) end(final error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.status.Final != nil {
		return
	}
	l.status.Final = final
	close(l.done)
	for _, c := range l.calls {
		c <- outcome[L]{err: final}
	}
	l.calls = nil
}

// notifyFinal tells the log and Notify of the final reason, once. Its caller holds the turn.
func (l *Loop[D, L]) notifyFinal(ctx context.Context) error {
	l.mu.Lock()
	final, report := l.status.Final, l.report
	report.LastApplied = l.last
	l.mu.Unlock()
	if final == nil || l.notified {
		return nil
	}
	l.notified = true
	l.log.Info("ended for good", "reason", final)
	if l.cfg.Notify == nil {
		return nil
	}
	ended := member.Go(func() error {
		l.cfg.Notify(context.WithValue(ctx, insideKey{l}, true), report, final)
		return nil
	})
	return fault(l.name, "Notify", l.await(always("Notify"), ended))
}
