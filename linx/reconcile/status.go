package reconcile

import (
	"io"
	"time"
)

// Status is what a health check wants to know of a loop. The zero value is one that was never served.
type Status struct {
	Serving bool   `json:"serving"` // a Serve is in progress
	Serves  uint64 `json:"serves"`  // how often Serve began: restarts are one less
	LastEnd error  `json:"lastEnd"` // how the last one ended: a fault, a *linx.PanicError, its context's error

	Passes    uint64    `json:"passes"`            // how many passes ended, well or not
	Converged bool      `json:"converged"`         // the last pass, of this Serve, observed the desired state
	LastPass  time.Time `json:"lastPass,omitzero"` // when it ended
	LastError error     `json:"lastError"`         // its error; nil: none

	Monitor      MonitorState `json:"monitor"`      // where the hints come from
	MonitorError error        `json:"monitorError"` // why not: how the last monitor, or try to subscribe, ended

	// Stuck names what ignored its cancelled context for more than 10 s: "monitor", or the call in
	// progress, such as "Reconcile" or "Notify". Nobody can kill a goroutine, so the loop waits on. Empty:
	// none.
	Stuck string `json:"stuck,omitempty"`

	// Final is why the loop ended for good: ErrStopped, or an error that wraps suture.ErrDoNotRestart or
	// suture.ErrTerminateSupervisorTree. nil: it did not.
	Final error `json:"final"`

	// Which interfaces the source was found to implement.
	Subscriber bool `json:"subscriber"`
	Validator  bool `json:"validator"`
	Closer     bool `json:"closer"`
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
