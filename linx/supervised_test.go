package linx_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/linx"
)

// supervised is a supervisor, and what it told its event hook.
type supervised struct {
	*suture.Supervisor
	events chan suture.Event
}

func newSupervised() *supervised {
	s := &supervised{events: make(chan suture.Event, 100)}
	s.Supervisor = suture.New("sup", suture.Spec{EventHook: func(e suture.Event) { s.events <- e }})
	return s
}

// take gives the events since the last call.
func (s *supervised) take() []suture.Event {
	synctest.Wait()
	var events []suture.Event
	for len(s.events) > 0 {
		events = append(events, <-s.events)
	}
	return events
}

// One end of one member, whatever it is, is one event and one restart of all, or what suture's final errors
// stand for.
func TestOneRestart(t *testing.T) {
	for _, moment := range []time.Duration{0, time.Minute} {
		everyCase(t, func(t *testing.T, way string, group grouping) {
			s := new(stage)
			g := group(s, &actor{name: "culprit", stage: s, serve: func(ctx context.Context, n int) error {
				if n == 1 {
					pass(moment)
					return ways[way].end()
				}
				return obeys(0)(ctx, n)
			}})
			sup := newSupervised()
			sup.Add(g)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			served := sup.ServeBackground(ctx)
			pass(10 * time.Minute)
			events, record := sup.take(), s.take()
			switch ways[way].is {
			case suture.ErrDoNotRestart:
				checkRecord(t, record, 1)
				if len(events) != 0 {
					t.Errorf("events %v, want none", events)
				}
			case suture.ErrTerminateSupervisorTree:
				checkRecord(t, record, 1)
				if err := <-served; !errors.Is(err, suture.ErrTerminateSupervisorTree) {
					t.Errorf("the supervisor ended with %v", err)
				}
			default:
				checkRecord(t, record, 2)
				checkEvent(t, way, events)
			}
			cancel()
			if ways[way].is != suture.ErrTerminateSupervisorTree {
				<-served
			}
			synctest.Wait()
			for name, n := range s.playing {
				if n != 0 {
					t.Errorf("%s has not ended", name)
				}
			}
			if events := sup.take(); len(events) != 0 {
				t.Errorf("at the end: events %v, want none", events)
			}
		})
	}
}

// checkRecord wants all members started, and all ended before any was started again.
func checkRecord(t *testing.T, record string, incarnations int) {
	t.Helper()
	running, starts := 0, 0
	for line := range strings.SplitSeq(record, ", ") {
		switch _, what, _ := strings.Cut(line, " "); what {
		case "starts":
			if starts++; starts%3 == 1 && running != 0 {
				t.Errorf("restarted before all had ended: %s", record)
			}
			running++
		case "ends":
			running--
		default:
			t.Error(line)
		}
	}
	if starts != 3*incarnations {
		t.Errorf("%d starts, want %d times 3: %s", starts, incarnations, record)
	}
}

func checkEvent(t *testing.T, way string, events []suture.Event) {
	t.Helper()
	if len(events) != 1 {
		t.Fatalf("%d events, want 1: %v", len(events), events)
	}
	var text []string // that the event must hold
	var reason string
	restarting, name := false, ""
	switch e := events[0].(type) {
	case suture.EventServiceTerminate:
		restarting, name, reason = e.Restarting, e.ServiceName, fmt.Sprint(e.Err)
		text = []string{"culprit: "}
	case suture.EventServicePanic:
		restarting, name, reason = e.Restarting, e.ServiceName, e.PanicMsg
		text = []string{"culprit panicked: ", "linx_test.(*actor).Serve"} // the latter in the original stack
	}
	if _, panicked := events[0].(suture.EventServicePanic); panicked != ways[way].panics {
		t.Errorf("a %T", events[0])
	}
	if name != "group" || !restarting {
		t.Errorf("service %q, restarting: %v", name, restarting)
	}
	for _, want := range append(text, ways[way].text) {
		if !strings.Contains(reason, want) {
			t.Errorf("%q is not in %s", want, reason)
		}
	}
}

// A group that is removed ends without an event, and suture's Remove, followed by Add of the same group,
// does not serve a member twice at once.
func TestRemoveAndAdd(t *testing.T) {
	everyCase(t, func(t *testing.T, way string, group grouping) {
		s := new(stage)
		g := group(s, &actor{name: "culprit", stage: s, serve: func(ctx context.Context, n int) error {
			<-ctx.Done()
			if n == 1 {
				return ways[way].end()
			}
			return ctx.Err()
		}})
		sup := newSupervised()
		token := sup.Add(g)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		served := sup.ServeBackground(ctx)
		synctest.Wait()
		if err := sup.Remove(token); err != nil {
			t.Fatal(err)
		}
		sup.Add(g)
		pass(time.Minute)
		checkRecord(t, s.take(), 2)
		if events := sup.take(); len(events) != 0 {
			t.Errorf("events %v, want none", events)
		}
		cancel()
		<-served
	})
}

// A member that ignores its context holds up the group; suture reports it after its timeout.
func TestMemberThatIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(stage)
		g := linx.OneForAll("group",
			&actor{name: "a", stage: s, serve: obeys(time.Hour)}, &actor{name: "b", stage: s, serve: obeys(0)})
		sup := newSupervised()
		sup.Add(g)
		ctx, cancel := context.WithCancel(t.Context())
		served := sup.ServeBackground(ctx)
		synctest.Wait()
		cancel()
		<-served
		events := sup.take()
		if len(events) != 1 || events[0].Type() != suture.EventTypeStopTimeout {
			t.Errorf("events %v, want a timeout", events)
		}
		pass(2 * time.Hour)
		if record := s.take(); !strings.HasSuffix(record, "b ends, a ends") {
			t.Error(record)
		}
	})
}
