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

// hints is where a Serve gets its hints from: a subscription, or the next try to get one.
type hints struct {
	sub         *subscription // nil: none
	retry       time.Time     // when to try to subscribe; zero: not
	backoff     retries
	unsupported bool
	refused     bool // the last try failed, and the log knows
}

// newHints wants a subscription at once.
func newHints(interval time.Duration) hints {
	return hints{backoff: newRetries(interval), retry: time.Now()}
}

// ended is closed when the monitor has ended; it never is where there is none.
func (h *hints) ended() <-chan struct{} {
	if h.sub == nil {
		return nil
	}
	return h.sub.ctx.Done()
}

// subscription is a monitor being served.
type subscription struct {
	service suture.Service
	ctx     context.Context // ends when the monitor is to end, or has ended
	cancel  context.CancelFunc
	exit    <-chan member.Exit
	unasked atomic.Bool // it ended without being told to
	over    atomic.Bool // its hints count no more
}

// maintain subscribes where there is no subscription and one is due, and sees after a monitor whose
// namespace was let go.
func (s *serving[D, L]) maintain() error {
	if sub := s.hints.sub; sub != nil && sub.ctx.Err() != nil && s.ctx.Err() == nil {
		exit := s.await(always("monitor"), sub.exit)
		s.hints.sub = nil
		s.agenda.now = true // a pass at once, which says what the namespace's name means now
		return s.letGo(exit.Err)
	}
	if s.subscriber == nil || s.hints.retry.IsZero() || s.hints.retry.After(time.Now()) {
		return nil
	}
	s.hints.retry = time.Time{}

	sub := &subscription{}
	s.enter("Subscribe")
	service, err := s.subscriber.Subscribe(s.ctx, func() {
		if !sub.over.Load() {
			s.hint()
		}
	})
	s.enter("loop")
	switch {
	case err == nil && service == nil:
		return fmt.Errorf("%s: Subscribe returned neither a service nor an error", s.name)
	case err == nil:
		s.follow(sub, service)
		s.hints.backoff.reset()
		s.hints.refused = false
		s.agenda.now = true // what happened before we listened
		s.setMonitor(MonitorJoined, nil)
		s.log.Info("subscribed")
	case errors.Is(err, errors.ErrUnsupported):
		s.hints.unsupported = true
		s.setMonitor(MonitorUnsupported, err)
		if s.cfg.Interval == Never {
			s.agenda.interval = DefaultInterval
			s.log.Warn("the source has nothing to listen to: Interval is not Never", "interval", DefaultInterval)
		}
	case isFinal(err):
		return wrap(s.name, err)
	case s.ctx.Err() == nil:
		if !s.hints.refused {
			s.hints.refused = true
			s.log.Warn("cannot subscribe; running on the timer and trying again", "error", err)
		}
		if errors.Is(err, linx.ErrNamespaceGone) {
			return s.letGo(err) // the passes may have been in another one, and the next try is to look anew
		}
		s.hints.retry = time.Now().Add(s.hints.backoff.next())
		s.setMonitor(MonitorRetrying, err)
	}
	return nil
}

// hint notes that something has happened. It comes from many goroutines at once, so that one with an older
// time may be last. While a hinted pass is on the agenda it wakes nobody: a storm is to cost passes alone.
func (l *Loop[D, L]) hint() {
	now := l.sinceEpoch(time.Now())
	for newest := l.hinted.Load(); newest < now; newest = l.hinted.Load() {
		if l.hinted.CompareAndSwap(newest, now) {
			break
		}
	}
	if !l.heard.Swap(true) {
		l.nudge()
	}
}

// follow serves the monitor. Its end is the loop's end, whatever it ended with, but for two: it was told
// to, or its namespace is gone and may come back.
func (s *serving[D, L]) follow(sub *subscription, service suture.Service) {
	sub.service = service
	sub.ctx, sub.cancel = context.WithCancel(s.ctx)
	sub.exit = member.Go(func() (err error) {
		returned := false
		defer func() {
			sub.over.Store(true)
			told := sub.ctx.Err() != nil
			switch {
			case returned && told:
			case returned && errors.Is(err, linx.ErrNamespaceGone) && !isFinal(err):
				sub.cancel()
			default:
				sub.unasked.Store(!told)
				s.cancel()
			}
		}()
		err = service.Serve(sub.ctx)
		returned = true
		return err
	})
	s.hints.sub = sub
}

// unsubscribe ends the monitor, if there is one, and waits for it. The error is its fault; unasked says
// that it had ended before it was told to.
func (s *serving[D, L]) unsubscribe() (err error, unasked bool) {
	sub := s.hints.sub
	if sub == nil {
		return nil, false
	}
	s.hints.sub = nil
	sub.over.Store(true)
	sub.cancel()
	exit := s.await(always("monitor"), sub.exit)
	unasked = sub.unasked.Load()
	switch {
	case exit.Panic != nil || exit.Goexit:
		return fault(s.name, "monitor "+member.Name(sub.service), exit), unasked
	case !unasked:
		return nil, false // whatever it returned when it was told to end
	case exit.Err == nil:
		return fmt.Errorf("%s: monitor %s returned nil unasked", s.name, member.Name(sub.service)), true
	default:
		return fmt.Errorf("%s: monitor %s: %w", s.name, member.Name(sub.service), exit.Err), true
	}
}

// wrap says which loop an error is of. The errors of a pass are handed to its callers as they are.
func wrap(loop string, err error) error { return fmt.Errorf("%s: %w", loop, err) }
