package reconcile

import (
	"errors"
	"time"

	"github.com/linx-go/linx-go/linx"
)

// loop is the body of a Serve: subscribe, pass at once, then a pass whenever one is due. It returns nil when
// it was cancelled, and an error for what must end the Serve.
func (s *serving[D, L]) loop() error {
	s.agenda = newAgenda(s.cfg.Interval, s.cfg.Debounce)
	s.agenda.now = true
	if s.subscriber != nil {
		s.hints = newHints(s.cfg.Interval)
	}
	wakeup := time.NewTimer(0)
	defer wakeup.Stop()
	for s.ctx.Err() == nil {
		if err := s.maintain(); err != nil {
			return err
		}
		s.notice()
		now, due := time.Now(), s.agenda.due()
		if s.agenda.now || !due.IsZero() && !due.After(now) {
			if err := s.pass(); err != nil {
				return err
			}
			continue
		}
		if next := earliest(due, s.hints.retry); next.IsZero() {
			wakeup.Stop()
		} else {
			wakeup.Reset(next.Sub(now))
		}
		select {
		case <-wakeup.C:
		case <-s.wake:
		case <-s.hints.ended():
		case <-s.ctx.Done():
		}
	}
	return nil
}

// notice puts on the agenda what came in by calls and hints since the last pass began.
func (s *serving[D, L]) notice() {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.calls) > 0 {
		s.agenda.now = true
	}
	if s.generation != s.attempted {
		s.agenda.desired(now)
	}
	s.heard.Store(false) // before the look at hinted: a hint after it wakes us again
	// Of a hint in the very instant of the observation nobody knows which came first.
	if hinted := s.hinted.Load(); hinted != 0 && hinted >= s.observed {
		s.agenda.hinted(now)
		s.heard.Store(true)
	}
}

// pass runs one, and plans what follows from it. Its error ends the Serve.
func (s *serving[D, L]) pass() error {
	ctx := s.ctx
	if s.hints.sub != nil {
		ctx = s.hints.sub.ctx // a monitor that ends cuts the pass short
	}
	began := time.Now()
	report, err := s.reconcile(ctx)
	now := time.Now()
	s.agenda.passed(now, now.Sub(began), err == nil && report.Converged)
	switch {
	case isFinal(err):
		return wrap(s.name, err)
	case errors.Is(err, linx.ErrNamespaceGone):
		return s.letGo(err)
	case err == nil && s.gone:
		s.gone = false
		if s.listens() && s.hints.sub == nil {
			s.hints.retry = now
		}
	}
	return nil
}

// letGo keeps nothing of ours in a namespace that is gone: the monitor is ended and the source is closed,
// since our sockets would keep the namespace alive. Passes go on, each with its error, until the name means a
// namespace again.
func (s *serving[D, L]) letGo(reason error) error {
	if err, _ := s.unsubscribe(); err != nil {
		return err
	}
	if s.closer != nil {
		s.enter("Close")
		s.closeSource()
	}
	s.gone = true
	if s.listens() {
		s.setMonitor(MonitorRetrying, reason)
		if s.hints.retry.IsZero() {
			s.hints.retry = time.Now().Add(s.hints.backoff.next())
		}
	}
	return nil
}

// listens tells whether there ought to be a subscription.
func (s *serving[D, L]) listens() bool { return s.subscriber != nil && !s.hints.unsupported }
