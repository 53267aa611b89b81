package reconcile

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linx-go/linx-go/internal/member"
)

// ErrStopped is what the calls of a loop return after Stop or Release.
var ErrStopped = errors.New("reconcile: loop stopped")

// Loop keeps one Source converged on a desired state for as long as it is served. It is a
// suture.Service: add it to a supervisor. Make one with New. All methods are safe for concurrent use.
//
// A Loop outlives its Serve: what it wants and what it owns stay in it across restarts.
type Loop[D, L any] struct {
	src  Source[D, L]
	cfg  Config[L]
	name string
	log  *slog.Logger

	// What the source offers besides; nil: not offered.
	subscriber Subscriber
	validator  Validator[D]
	closer     io.Closer

	// turn is held by whoever may run passes: one Serve at a time, or Release.
	turn chan struct{}
	// wake tells the serving goroutine that a call, a desired state or a hint is there. Its one place makes
	// any number of them one wakeup.
	wake chan struct{}
	// hinted is when the newest hint came, in nanoseconds since epoch; 0: never.
	hinted atomic.Int64
	// heard says that the serving goroutine knows of a hint that no pass has satisfied, or is being woken
	// for one.
	heard atomic.Bool
	epoch time.Time

	mu         sync.Mutex
	desired    D
	generation uint64 // counts desired states, from 1
	last       L
	report     Report[L]
	reported   uint64        // generation that report is about; 0: no report yet
	passed     chan struct{} // closed, and made anew, at the end of each pass
	calls      []call[L]
	status     Status
	endServe   context.CancelFunc // of the Serve in progress; nil: none
	stopped    bool               // Stop or Release was called
	releasing  bool               // Release was called: it has the last word
	released   bool               // and left nothing behind
	done       chan struct{}      // closed when status.Final is set
	notified   bool               // of status.Final
}

// New makes a loop that, once served, keeps src converged on desired. It refuses what can be refused
// without asking the kernel, and opens nothing.
//
// The desired state is handed over: nobody may modify it afterwards.
func New[D, L any](src Source[D, L], desired D, cfg Config[L]) (*Loop[D, L], error) {
	if member.IsNil(src) {
		return nil, errors.New("reconcile: the source is nil; give one, such as rtnl.New makes")
	}
	l := &Loop[D, L]{
		src:        src,
		name:       cfg.Name,
		desired:    desired,
		generation: 1,
		last:       cfg.LastApplied,
		turn:       make(chan struct{}, 1),
		wake:       make(chan struct{}, 1),
		passed:     make(chan struct{}),
		done:       make(chan struct{}),
		epoch:      time.Now(),
	}
	l.subscriber, _ = src.(Subscriber)
	l.validator, _ = src.(Validator[D])
	l.closer, _ = src.(io.Closer)
	if err := cfg.check(l.subscriber != nil); err != nil {
		return nil, err
	}
	if l.validator != nil {
		if err := l.validator.Validate(desired); err != nil {
			return nil, err
		}
	}
	if cfg.TimerOnly {
		l.subscriber = nil
	}
	l.cfg = cfg
	if l.name == "" {
		l.name = member.Name(src)
	}
	l.log = cfg.Logger.With("loop", l.name)
	l.status = newStatus(src, l.subscriber, l.validator, l.closer)
	return l, nil
}

// String is the loop's name, by which suture's events call it.
func (l *Loop[D, L]) String() string { return l.name }

// nudge wakes the serving goroutine. It never blocks.
func (l *Loop[D, L]) nudge() {
	select {
	case l.wake <- struct{}{}:
	default: // it is awake already, or will be
	}
}

// sinceEpoch is now as hinted counts it; never 0.
func (l *Loop[D, L]) sinceEpoch(t time.Time) int64 { return int64(t.Sub(l.epoch)) + 1 }
