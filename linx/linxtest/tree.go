package linxtest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/thejerf/suture/v4"
)

// Tree is a supervisor that serves, and remembers what its event hook was told.
type Tree struct {
	*suture.Supervisor
	t      testing.TB
	cancel context.CancelFunc
	ended  <-chan error
	once   sync.Once

	mu     sync.Mutex
	events []suture.Event
}

// Supervise serves the services under a supervisor with suture's defaults (but a failure threshold that a
// test won't reach, so that restarts come at once) and stops it at the test's end. A service that does not
// stop in time fails the test. It works in a synctest bubble.
func Supervise(t testing.TB, services ...suture.Service) *Tree {
	t.Helper()
	return SuperviseSpec(t, suture.Spec{FailureThreshold: 1e6}, services...)
}

// SuperviseSpec is Supervise with a Spec of the test's own. Its EventHook, if any, is called as well.
func SuperviseSpec(t testing.TB, spec suture.Spec, services ...suture.Service) *Tree {
	t.Helper()
	tree := &Tree{t: t}
	hook := spec.EventHook
	spec.EventHook = func(e suture.Event) {
		tree.mu.Lock()
		tree.events = append(tree.events, e)
		tree.mu.Unlock()
		if hook != nil {
			hook(e)
		}
	}
	tree.Supervisor = suture.New(t.Name(), spec)
	for _, service := range services {
		tree.Add(service)
	}
	ctx, cancel := context.WithCancel(context.Background())
	tree.cancel = cancel
	tree.ended = tree.ServeBackground(ctx)
	t.Cleanup(func() { tree.Stop() })
	return tree
}

// Stop ends the supervisor and waits for it, and fails the test if a service was left unstopped. Only the
// first call does anything.
func (tree *Tree) Stop() {
	tree.t.Helper()
	tree.once.Do(func() {
		tree.cancel()
		if err := <-tree.ended; err != nil && !errors.Is(err, context.Canceled) &&
			!errors.Is(err, suture.ErrTerminateSupervisorTree) {
			tree.t.Errorf("supervisor: %v", err)
		}
		report, err := tree.UnstoppedServiceReport()
		if err != nil {
			tree.t.Errorf("supervisor: %v", err)
		}
		for _, left := range report {
			tree.t.Errorf("service %s did not stop", left.Name)
		}
	})
}

// Events gives what the event hook was told so far.
func (tree *Tree) Events() []suture.Event {
	tree.mu.Lock()
	defer tree.mu.Unlock()
	return append([]suture.Event(nil), tree.events...)
}

// Failures gives the events of services that ended or panicked, each of which is one restart.
func (tree *Tree) Failures() []suture.Event {
	var failures []suture.Event
	for _, e := range tree.Events() {
		switch e.Type() {
		case suture.EventTypeServicePanic, suture.EventTypeServiceTerminate:
			failures = append(failures, e)
		}
	}
	return failures
}

// AwaitFailures waits until there are n failures, and gives them.
func (tree *Tree) AwaitFailures(n int) []suture.Event {
	tree.t.Helper()
	Eventually(tree.t, "enough failures", func() bool { return len(tree.Failures()) >= n })
	return tree.Failures()
}
