package soak

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/internal/member"
	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
	"github.com/linx-go/linx-go/linx/rtnl"
	"github.com/linx-go/linx-go/linx/sysctl"
)

// fallible is a source that can be made to fail. A linxtest.Source is one; the real ones are wrapped.
type fallible interface {
	At(linxtest.Moment, ...linxtest.Fault)
	EndMonitor(linxtest.Fault) bool
	Heal()
	io.Closer
}

// Moments of the consumer's own functions.
const (
	claiming  linxtest.Moment = "claiming"
	notifying linxtest.Moment = "notifying"
)

var errInjected = errors.New("injected")

// cut, at PassClaimed, ends the context of the pass and lets it go on.
func cut(context.Context) error { return errCut }

var errCut = errors.New("cut short")

// hooks are the faults that wait for their moment, one each at most.
type hooks struct {
	mu   sync.Mutex
	next map[linxtest.Moment]linxtest.Fault
}

func (h *hooks) At(m linxtest.Moment, faults ...linxtest.Fault) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.next == nil {
		h.next = map[linxtest.Moment]linxtest.Fault{}
	}
	for _, f := range faults {
		h.next[m] = f
	}
}

func (h *hooks) Heal() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.next)
}

func (h *hooks) reach(ctx context.Context, m linxtest.Moment) error {
	h.mu.Lock()
	f := h.next[m]
	delete(h.next, m)
	h.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(ctx)
}

// saboteur makes a real source fallible. Wrappers embed it beside the concrete source, so that a loop
// finds all that the source offers.
type saboteur struct {
	hooks
	stall  sync.RWMutex // write-locked: no event gets past the hint, so that the socket's buffer fills
	newest chan linxtest.Fault
}

// EndMonitor ends the newest monitor, which then does what f does.
func (s *saboteur) EndMonitor(f linxtest.Fault) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.newest <- f: // never, where there is none yet
		return true
	default:
		return false
	}
}

// pass is src's Reconcile with the faults that wait.
func pass[D, L any](
	ctx context.Context, s *saboteur, src reconcile.Source[D, L], desired D, last L, claim func(L) error,
) (reconcile.Report[L], error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := s.reach(ctx, linxtest.PassBegins); err != nil {
		return reconcile.Report[L]{LastApplied: last}, err
	}
	report, err := src.Reconcile(ctx, desired, last, func(taken L) error {
		err := claim(taken)
		if err == nil {
			err = s.reach(ctx, linxtest.PassClaimed)
		}
		if errors.Is(err, errCut) {
			cancel()
			return nil
		}
		return err
	})
	return report, errors.Join(err, s.reach(ctx, linxtest.PassEnds))
}

// subscribe is src's Subscribe with a monitor that can be ended, and whose reading can be stalled.
func (s *saboteur) subscribe(ctx context.Context, src reconcile.Subscriber, hint func()) (suture.Service, error) {
	if err := s.reach(ctx, linxtest.Subscribing); err != nil {
		return nil, err
	}
	service, err := src.Subscribe(ctx, func() {
		s.stall.RLock()
		defer s.stall.RUnlock()
		hint()
	})
	if err != nil {
		return nil, err
	}
	m := &mortal{service, make(chan linxtest.Fault, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest = m.end
	return m, nil
}

func (s *saboteur) close(src io.Closer) error {
	return errors.Join(src.Close(), s.reach(context.Background(), linxtest.Closing))
}

// mortal is a monitor that can be ended.
type mortal struct {
	suture.Service
	end chan linxtest.Fault
}

func (m *mortal) Serve(ctx context.Context) error {
	serving, stop := context.WithCancel(ctx)
	defer stop()
	ended := member.Go(func() error { return m.Service.Serve(serving) })
	select {
	case exit := <-ended:
		if exit.Panic != nil {
			panic(exit.Panic)
		}
		return exit.Err
	case f := <-m.end:
		stop()
		<-ended
		return f(ctx)
	}
}

type rtnlSource struct {
	*rtnl.Source
	*saboteur
}

func (s rtnlSource) Reconcile(
	ctx context.Context, desired rtnl.State, last rtnl.LastApplied, claim func(rtnl.LastApplied) error,
) (rtnl.Report, error) {
	return pass(ctx, s.saboteur, s.Source, desired, last, claim)
}

func (s rtnlSource) Subscribe(ctx context.Context, hint func()) (suture.Service, error) {
	return s.subscribe(ctx, s.Source, hint)
}

func (s rtnlSource) Close() error { return s.close(s.Source) }

type sysctlSource struct {
	*sysctl.Source
	*saboteur
}

func (s sysctlSource) Reconcile(
	ctx context.Context, desired sysctl.Settings, last sysctl.LastApplied, claim func(sysctl.LastApplied) error,
) (sysctl.Report, error) {
	return pass(ctx, s.saboteur, s.Source, desired, last, claim)
}

func (s sysctlSource) Subscribe(ctx context.Context, hint func()) (suture.Service, error) {
	return s.subscribe(ctx, s.Source, hint)
}

func (s sysctlSource) Close() error { return s.close(s.Source) }
