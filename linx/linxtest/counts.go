package linxtest

import (
	"maps"
	"time"

	"github.com/linx-go/linx-go/linx/reconcile"
)

// Counts is what a Source has seen so far.
type Counts struct {
	Passes      int // begun
	Overlapping int // begun while another one ran: a loop never does that
	Subscribes  int // calls of Subscribe, refused ones too
	Open        int // subscriptions that have not ended
	ServedAgain int // calls of a monitor's Serve after its first: a loop never does that
	Hints       int // events that reached a hint
	Dropped     int // events that were lost: see Drop
	Closes      int // calls of Close
	Validates   int // calls of Validate
}

// Pass is the record of one call of Reconcile.
type Pass struct {
	Began   time.Time
	Ended   time.Time // zero while it runs
	Desired State
	Last    Owned
	Report  reconcile.Report[Owned] // zero if the pass did not return: it panicked, or called Goexit
	Err     error
}

// Counts gives the counts up to now.
func (s *Source) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Passes gives the record of every pass so far, the running one included.
func (s *Source) Passes() []Pass {
	s.mu.Lock()
	defer s.mu.Unlock()
	passes := make([]Pass, len(s.passes))
	for i, p := range s.passes {
		passes[i] = *p
	}
	return passes
}

func (s *Source) count(f func(*Counts)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.counts)
}

func (s *Source) begin(desired State, last Owned) *Pass {
	p := &Pass{Began: time.Now(), Desired: maps.Clone(desired), Last: maps.Clone(last)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts.Passes++
	if s.running > 0 {
		s.counts.Overlapping++
	}
	s.running++
	s.passes = append(s.passes, p)
	return p
}

func (s *Source) end(p *Pass) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	p.Ended = time.Now()
}
