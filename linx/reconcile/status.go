package reconcile

import (
	"io"
	"time"
)

// Status is what a health check wants to know of a loop. The zero value is one that was never served.
type Status struct {
	Serving bool   // a Serve is in progress
	Serves  uint64 // how often Serve began: restarts are one less
	LastEnd error  // how the last Serve to end did: a fault, a *linx.PanicError, or its context's error

	Passes    uint64    // how many passes ended, well or not
	Converged bool      // the last pass, of the Serve in progress, observed the desired state
	LastPass  time.Time // when it ended
	LastError error     // its error; nil: none

	Monitor      MonitorState // where the hints come from
	MonitorError error        // why there are none: how the last try to subscribe, or the last monitor, ended

	// Stuck names what ignored its cancelled context for more than 10 s: "monitor", or the call in
	// progress, such as "Reconcile" or "Notify". Nobody can kill a goroutine, so the loop waits on. Empty:
	// none.
	Stuck string

	// Final is why the loop ended for good: ErrStopped, or an error that wraps suture.ErrDoNotRestart or
	// suture.ErrTerminateSupervisorTree. nil: it did not.
	Final error

	// Which interfaces the source was found to implement.
	Subscriber, Validator, Closer bool
}

// MonitorState says where a loop's hints come from.
type MonitorState string

const (
	MonitorOff         MonitorState = "off"         // nowhere: TimerOnly, no Subscriber, or not served
	MonitorJoined      MonitorState = "joined"      // from a subscription
	MonitorUnsupported MonitorState = "unsupported" // nowhere: the source has nothing to listen to
	MonitorRetrying    MonitorState = "retrying"    // nowhere: until a subscription succeeds, the timer alone
)

func newStatus(src any, sub Subscriber, val any, closer io.Closer) Status {
	_, isSubscriber := src.(Subscriber)
	return Status{Monitor: MonitorOff, Subscriber: isSubscriber, Validator: val != nil, Closer: closer != nil}
}

// Status gives a snapshot.
func (l *Loop[D, L]) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// setMonitor records where hints come from.
func (l *Loop[D, L]) setMonitor(state MonitorState, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Monitor, l.status.MonitorError = state, err
}

// setStuck records who ignores its cancellation.
func (l *Loop[D, L]) setStuck(who string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status.Stuck = who
}
