package reconcile

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/linx-go/linx-go/linx"
)

// reconcile runs one pass of the source towards the newest desired state, keeps what came of it, and
// tells those who wait for it and Notify.
func (s *serving[D, L]) reconcile(ctx context.Context) (Report[L], error) {
	ctx = context.WithValue(ctx, insideKey{s.Loop}, true)
	s.mu.Lock()
	desired, last, generation := s.desired, s.last, s.generation
	s.attempted = generation
	calls := s.calls
	s.calls = nil
	s.mu.Unlock()

	began := time.Now()
	report, err := s.guarded(calls, func() (Report[L], error) {
		s.enter("Reconcile")
		return s.src.Reconcile(ctx, desired, last, func(claimed L) error { return s.claim(ctx, claimed) })
	})
	if report.Began.IsZero() {
		report.Began, report.Took = began, time.Since(began)
	}
	if report.Observed.IsZero() {
		report.Observed = report.Began
	}
	if err != nil {
		report.Converged = false
	}

	s.record(report, err, generation)
	for _, c := range calls {
		c <- outcome[L]{report, err}
	}
	if s.cfg.Notify != nil {
		s.enter("Notify")
		s.cfg.Notify(ctx, report, err)
	}
	s.enter("loop")
	return report, err
}

// guarded runs a pass so that who waits for it hears of it even if it panics or calls runtime.Goexit.
func (s *serving[D, L]) guarded(calls []call[L], pass func() (Report[L], error)) (Report[L], error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover()
		err := fmt.Errorf("%s: %s called runtime.Goexit", s.name, s.where())
		if v != nil {
			err = &linx.PanicError{Service: s.name + ": " + s.where(), Value: v, Stack: debug.Stack()}
		}
		for _, c := range calls {
			c <- outcome[L]{err: err}
		}
		if v != nil {
			panic(err)
		}
	}()
	report, err := pass()
	returned = true
	return report, err
}

// claim keeps what a pass is about to own, before its first change: in the loop, where it outlives a panic,
// and, where the consumer wants that, in something that outlives the process.
func (s *serving[D, L]) claim(ctx context.Context, claimed L) error {
	s.mu.Lock()
	s.last = claimed
	s.mu.Unlock()
	if s.cfg.Claim == nil {
		return nil
	}
	s.enter("Claim")
	err := s.cfg.Claim(ctx, claimed)
	s.enter("Reconcile") // not deferred: a panic is Claim's
	return err
}

// record keeps the outcome of a pass.
func (s *serving[D, L]) record(report Report[L], err error, generation uint64) {
	s.mu.Lock()
	before := s.status.LastError
	s.last = report.LastApplied
	s.report, s.reported = report, generation
	s.observed = s.sinceEpoch(report.Observed)
	s.status.Passes++
	s.status.Converged = report.Converged
	s.status.LastPass = time.Now()
	s.status.LastError = err
	close(s.passed)
	s.passed = make(chan struct{})
	s.mu.Unlock()

	switch {
	case err != nil && before == nil:
		s.log.Warn("pass failed", "error", err)
	case err == nil && before != nil:
		s.log.Info("passes succeed again")
	}
}
