package linx

import (
	"context"
	"errors"
	"fmt"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/internal/member"
)

// OneForAll runs services with linked failures: when one ends, for whatever reason, the others are stopped,
// and Serve returns (or panics) with the first one's reason once all have ended. It is a one_for_all
// supervisor, as OTP calls it, that restarts nothing: the supervisor that it is added to restarts the whole
// group.
//
// Serve starts the services in the order given, each on a goroutine of its own. What it makes of the first
// end:
//
//   - an error is wrapped, with the service's name, so that suture.ErrDoNotRestart and
//     suture.ErrTerminateSupervisorTree keep their meaning;
//   - a nil that nobody asked for, and runtime.Goexit, become errors that name the service;
//   - a panic panics again, as a *PanicError with the service's name and stack;
//   - if Serve's own context had ended by then, it is ctx.Err().
//
// What the others do once they are told to stop changes none of this. Their errors are dropped, for most
// are echoes of the first. Their panics are not: the text, stack included, is added to the error's or the
// *PanicError's; and where ctx had ended, Serve panics with them. A service that ignores its context holds
// up Serve, for nobody can end a goroutine from outside.
//
// If ctx has ended before Serve begins, no service is served at all: one that was given something to close,
// such as a socket that is open already, has to be closed by whoever made it.
//
// A second Serve waits until the first has ended, or its own context: suture's Remove followed by Add lets
// the two overlap. A service's name is what its String method says, or its type.
//
// OneForAll panics if name is empty, if there are no services, if one is nil, and if one is or holds a
// *suture.Supervisor (see suture.HasSupervisor), as a supervisor cannot be served twice.
func OneForAll(name string, services ...suture.Service) suture.Service {
	if name == "" {
		panic("linx: OneForAll: no name; want what the supervisor's log is to call the group")
	}
	if len(services) == 0 {
		panic(fmt.Sprintf("linx: OneForAll %s: no services; want at least one", name))
	}
	g := &oneForAll{name: name, serving: make(chan struct{}, 1)}
	for i, s := range services {
		if member.IsNil(s) {
			panic(fmt.Sprintf("linx: OneForAll %s: services[%d] is nil", name, i))
		}
		if h, ok := s.(suture.HasSupervisor); ok && h.GetSupervisor() != nil {
			panic(fmt.Sprintf("linx: OneForAll %s: services[%d] (%s) is or holds a *suture.Supervisor, which "+
				"cannot be served twice; want the services themselves", name, i, member.Name(s)))
		}
		g.members = append(g.members, groupMember{s, member.Name(s)})
	}
	return g
}

type oneForAll struct {
	name    string
	members []groupMember
	serving chan struct{} // holds a token while Serve runs
}

type groupMember struct {
	suture.Service
	name string
}

// end is how a member ended.
type end struct {
	who string
	member.Exit
}

func (g *oneForAll) String() string { return g.name }

// Serve runs the members until the first ends; see OneForAll.
func (g *oneForAll) Serve(ctx context.Context) error {
	select {
	case g.serving <- struct{}{}:
		defer func() { <-g.serving }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}

	linked, cancel := context.WithCancel(ctx)
	defer cancel()
	ends := make(chan end, len(g.members))
	for _, m := range g.members {
		member.Run(func() error { return m.Serve(linked) }, func(e member.Exit) { ends <- end{m.name, e} })
	}
	first := <-ends
	stopped := ctx.Err() // nil: nobody asked the first to end
	cancel()
	panics := appendPanic(nil, first)
	for range len(g.members) - 1 {
		panics = appendPanic(panics, <-ends)
	}

	const also = "and while the others were being stopped, "
	switch {
	case stopped == nil && first.Panic == nil:
		err := reason(first)
		for _, p := range panics {
			err = fmt.Errorf("%w\n%s%v", err, also, p) // not %w: what p wraps must not count
		}
		return err
	case len(panics) == 0:
		return stopped
	}
	p := panics[0]
	for _, later := range panics[1:] {
		p.Stack = fmt.Appendf(p.Stack, "\n%s%v", also, later)
	}
	panic(p)
}

// reason makes an error of an end that nobody asked for and that was no panic.
func reason(e end) error {
	err := e.Err
	switch {
	case e.Goexit:
		err = errors.New("called runtime.Goexit")
	case err == nil:
		err = errors.New("returned nil without being asked to stop")
	}
	return fmt.Errorf("%s: %w", e.who, err)
}

func appendPanic(panics []*PanicError, e end) []*PanicError {
	if e.Panic == nil {
		return panics
	}
	return append(panics, &PanicError{Service: e.who, Value: e.Panic.Value, Stack: e.Panic.Stack})
}
