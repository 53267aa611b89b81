package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"
)

const (
	// DefaultInterval is the time from the end of one pass to the next that nobody asked for.
	DefaultInterval = 5 * time.Second
	// DefaultDebounce is the time from the first hint, or a PutDesired, to the pass that it asks for.
	DefaultDebounce = 100 * time.Millisecond

	// Never, as an Interval, means no timer: passes come of hints and calls alone.
	Never time.Duration = math.MaxInt64
	// Immediate, as a Debounce, means none.
	Immediate time.Duration = 1
)

// Config holds what is optional about a Loop. The zero value is a good one.
type Config[L any] struct {
	// Name is the String of the service, which suture shows in its events. It registers nothing.
	// Empty: the source's String, or its type where it has none.
	Name string

	// LastApplied is the ownership to start from: what an earlier process's reports and claims left.
	// The zero value owns nothing.
	LastApplied L

	// Interval is the time from the end of one pass to the next that nobody asked for. This timer alone
	// is enough to converge. 0: DefaultInterval; Never: no timer. A state that can never be installed costs
	// some 145 passes an hour with Never (250 at most) and some 830 with the default (1,460 at most), as
	// each failure is tried again with backoff.
	Interval time.Duration

	// Debounce is the time in which hints and PutDesired gather before they become one pass, counted
	// from the first of them. 0: DefaultDebounce; Immediate: none.
	Debounce time.Duration

	// TimerOnly keeps the loop from subscribing to a source that is a Subscriber.
	TimerOnly bool

	// Notify is told of each pass, in order, never overlapping; the loop waits for it. The error is the
	// pass's own. Its last call carries the final reason of a loop that ended for good.
	//
	// From inside, Reconcile and Release fail at once and Stop only signals, which they know by the context:
	// hand them the one that Notify was given, or one made from it.
	Notify func(context.Context, Report[L], error)

	// Claim persists ownership before each pass's first change: old ownership plus what is about to be
	// taken. If it fails, the pass changes nothing. A consumer that keeps what Claim and Notify give it,
	// and starts the next process from the newest, leaves nothing behind whenever it is killed. nil: claims
	// are kept in memory.
	Claim func(context.Context, L) error

	// Logger is told when monitors come and go, of failing and recovered passes, and of the end. nil: silent.
	Logger *slog.Logger
}

// check refuses what cannot work and fills in the defaults.
func (c *Config[L]) check(subscriber bool) error {
	switch {
	case c.Interval < 0:
		return fmt.Errorf("reconcile: Config.Interval: %v is negative; 0 means %v, Never means no timer", c.Interval, DefaultInterval)
	case c.Debounce < 0:
		return fmt.Errorf("reconcile: Config.Debounce: %v is negative; 0 means %v, Immediate means none", c.Debounce, DefaultDebounce)
	case c.Interval == Never && c.TimerOnly:
		return errors.New("reconcile: Config.Interval is Never and TimerOnly is set: no pass would ever follow the first; give an Interval or let the loop subscribe")
	case c.Interval == Never && !subscriber:
		return errors.New("reconcile: Config.Interval is Never and the source is no Subscriber: no pass would ever follow the first; give an Interval")
	}
	if c.Interval == 0 {
		c.Interval = DefaultInterval
	}
	if c.Debounce == 0 {
		c.Debounce = DefaultDebounce
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}
