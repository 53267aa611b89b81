package linxtest

import (
	"context"
	"runtime"
	"slices"
	"time"
)

// Fault is what goes wrong at a Moment: it is called there, on the goroutine that got there, with the context
// of the call. nil means that nothing went wrong. So any function may serve to look at, or to change, the
// world at just that moment.
type Fault func(ctx context.Context) error

// Fail returns err.
func Fail(err error) Fault { return func(context.Context) error { return err } }

// Panic panics with v.
func Panic(v any) Fault { return func(context.Context) error { panic(v) } }

// Goexit ends the goroutine by runtime.Goexit.
func Goexit() Fault {
	return func(context.Context) error {
		runtime.Goexit()
		return nil
	}
}

// Block waits until release is closed, or for the context's end, which it returns as its error.
func Block(release <-chan struct{}) Fault {
	return func(ctx context.Context) error {
		select {
		case <-release:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Hang waits until release is closed, whatever the context says.
func Hang(release <-chan struct{}) Fault {
	return func(context.Context) error {
		<-release
		return nil
	}
}

// Slow takes d, or less where the context ends, which it returns as its error.
func Slow(d time.Duration) Fault {
	return func(ctx context.Context) error {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Stubborn waits for the context's end and then takes d more.
func Stubborn(d time.Duration) Fault {
	return func(ctx context.Context) error {
		<-ctx.Done()
		time.Sleep(d)
		return ctx.Err()
	}
}

// Call runs f and goes on.
func Call(f func()) Fault {
	return func(context.Context) error {
		f()
		return nil
	}
}

// Then is one fault after the other, up to the first error.
func Then(faults ...Fault) Fault {
	return func(ctx context.Context) error {
		for _, f := range faults {
			if err := f(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// Times repeats f for At: src.At(Subscribing, Times(3, Fail(err))...).
func Times(n int, f Fault) []Fault { return slices.Repeat([]Fault{f}, n) }

// Moment is where a Fault can strike.
type Moment string

// The moments of a Source.
const (
	PassBegins   Moment = "pass begins"    // nothing has been looked at
	PassObserved Moment = "pass observed"  // the kernel has been looked at; nothing is claimed or changed
	PassClaimed  Moment = "pass claimed"   // something is to change: it is claimed, nothing is changed
	PassApplied  Moment = "pass applied"   // something was to change: it is, and nobody has looked again
	PassEnds     Moment = "pass ends"      // the last observation is made
	Subscribing  Moment = "subscribing"    // Subscribe was called; an error refuses
	Serving      Moment = "monitor served" // the monitor's Serve was called; an error is what it returns
	Stopping     Moment = "monitor stops"  // the monitor's context has ended; an error is what it returns
	Closing      Moment = "closing"        // Close was called; an error is what it returns
	Validating   Moment = "validating"     // Validate was called; an error refuses. The context is empty
)

// At strikes the next times that m is reached: one fault each, in order, after those that are
// waiting already. nil stands for no fault.
func (s *Source) At(m Moment, faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next[m] = append(s.next[m], faults...)
}

// Always strikes every time that m is reached and At has nothing waiting there. nil ends it.
func (s *Source) Always(m Moment, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always[m] = f
}

// Heal takes all faults away: those of At and Always, Refuse, Withhold and Drop.
func (s *Source) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.next)
	clear(s.always)
	clear(s.refused)
	clear(s.withheld)
	s.drop = 0
}

// reach is called at each moment, with no lock held: the fault may do what it likes.
func (s *Source) reach(ctx context.Context, m Moment) error {
	s.mu.Lock()
	f := s.always[m]
	if waiting := s.next[m]; len(waiting) > 0 {
		f = waiting[0]
		s.next[m] = waiting[1:]
	}
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(ctx)
}
