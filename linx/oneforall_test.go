package linx_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/linx"
)

var (
	errBoom  = errors.New("boom")
	errOther = errors.New("the sibling's error")
)

// ways are the ways in which a service can end.
var ways = map[string]way{
	"returns nil":    {end: func() error { return nil }, text: "returned nil without being asked to stop"},
	"returns error":  {end: func() error { return errBoom }, text: "boom", is: errBoom},
	"do not restart": {end: wrapped(suture.ErrDoNotRestart), text: "wrapped", is: suture.ErrDoNotRestart},
	"terminate": {
		end: wrapped(suture.ErrTerminateSupervisorTree), text: "wrapped", is: suture.ErrTerminateSupervisorTree,
	},
	"another's context": {end: wrapped(context.Canceled), text: "wrapped", is: context.Canceled},
	"goexits":           {end: func() error { runtime.Goexit(); return nil }, text: "called runtime.Goexit"},
	"panics":            {end: func() error { panic("oh no") }, text: "panicked: oh no", panics: true},
	"panics an error":   {end: func() error { panic(errBoom) }, text: "panicked: boom", is: errBoom, panics: true},
	"panics nil":        {end: func() error { panic(nil) }, text: "nil argument", panics: true},
}

type way struct {
	end    func() error
	text   string // in what comes out
	is     error  // what errors.Is finds in it
	panics bool
}

func wrapped(err error) func() error { return func() error { return fmt.Errorf("wrapped: %w", err) } }

// stage is where members play, and keeps the record.
type stage struct {
	mu      sync.Mutex
	record  []string
	playing map[string]int
}

func (s *stage) log(name, what string, more int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.playing == nil {
		s.playing = make(map[string]int)
	}
	if s.playing[name] += more; s.playing[name] > 1 {
		what = "overlaps"
	}
	s.record = append(s.record, name+" "+what)
}

// take gives the record since the last call.
func (s *stage) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.record = nil }()
	return strings.Join(s.record, ", ")
}

// actor is a service that does what serve says, the nth time that it is served; n is 1 at first.
type actor struct {
	name  string
	stage *stage
	serve func(ctx context.Context, n int) error
	n     int
}

func (a *actor) String() string { return a.name }

func (a *actor) Serve(ctx context.Context) error {
	a.stage.log(a.name, "starts", +1)
	defer a.stage.log(a.name, "ends", -1)
	a.n++
	return a.serve(ctx, a.n)
}

// obeys waits to be told to stop, and takes its time to do so.
func obeys(after time.Duration) func(context.Context, int) error {
	return func(ctx context.Context, _ int) error {
		<-ctx.Done()
		pass(after)
		return ctx.Err()
	}
}

// pass lets time pass, in a bubble.
func pass(d time.Duration) { <-time.After(d) }

// outcome is how a Serve ended.
type outcome struct {
	err   error
	panic *linx.PanicError
}

func serve(ctx context.Context, s suture.Service) <-chan outcome {
	c := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			if v := recover(); v != nil {
				o.panic = v.(*linx.PanicError)
			}
			c <- o
		}()
		o.err = s.Serve(ctx)
	}()
	return c
}

// grouping makes a group of the culprit and its siblings.
type grouping func(s *stage, culprit *actor) suture.Service

// everyCase runs test for each way, each place of the culprit among its two siblings, and siblings that obey
// at once or late, each in a bubble.
func everyCase(t *testing.T, test func(t *testing.T, way string, group grouping)) {
	for way := range ways {
		for place := range 3 {
			for _, late := range []time.Duration{0, 5 * time.Second} {
				t.Run(fmt.Sprint(way, "/", place, "/", late), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						test(t, way, func(s *stage, culprit *actor) suture.Service {
							members := []suture.Service{
								&actor{name: "a", stage: s, serve: obeys(late)},
								&actor{name: "b", stage: s, serve: obeys(late)},
							}
							return linx.OneForAll("group", slices.Insert(members, place, suture.Service(culprit))...)
						})
					})
				})
			}
		}
	}
}

// check looks at what comes out when the culprit was the first to end.
func check(t *testing.T, way string, o outcome) {
	t.Helper()
	w := ways[way]
	err := o.err
	if w.panics {
		if err = o.panic; o.panic == nil {
			t.Fatalf("got error %v, want a panic", o.err)
		}
		if o.panic.Service != "culprit" || !strings.Contains(string(o.panic.Stack), "linx_test.") {
			t.Errorf("the panic is that of %q, with this stack:\n%s", o.panic.Service, o.panic.Stack)
		}
	} else if o.panic != nil || !strings.HasPrefix(fmt.Sprint(err), "culprit: ") {
		t.Fatalf("got %v and panic %v, want an error that names the culprit", err, o.panic)
	}
	if !strings.Contains(err.Error(), w.text) {
		t.Errorf("got %v, want %q in it", err, w.text)
	}
	for name, other := range ways {
		if got, want := errors.Is(err, other.is), w.is == other.is; got != want && other.is != nil {
			t.Errorf("errors.Is finds what %q has: %v, want %v", name, got, want)
		}
	}
}

func TestFirstToEndDecides(t *testing.T) {
	for _, moment := range []time.Duration{0, time.Minute} {
		everyCase(t, func(t *testing.T, way string, group grouping) {
			s := new(stage)
			g := group(s, &actor{name: "culprit", stage: s, serve: func(context.Context, int) error {
				pass(moment)
				return ways[way].end()
			}})
			o := <-serve(t.Context(), g)
			for name, n := range s.playing {
				if n != 0 {
					t.Errorf("Serve ended before %s", name)
				}
			}
			if record := s.take(); strings.Index(record, "culprit ends") > strings.Index(record, "a ends") {
				t.Errorf("the others were told to stop before the first ended: %s", record)
			}
			check(t, way, o)
		})
	}
}

// What a member does once the context of the group has ended does not count, unless it panics.
func TestEndAfterTheContext(t *testing.T) {
	everyCase(t, func(t *testing.T, way string, group grouping) {
		s := new(stage)
		g := group(s, &actor{name: "culprit", stage: s, serve: func(ctx context.Context, _ int) error {
			<-ctx.Done()
			return ways[way].end()
		}})
		ctx, cancel := context.WithCancel(t.Context())
		served := serve(ctx, g)
		synctest.Wait()
		cancel()
		o := <-served
		if ways[way].panics {
			check(t, way, o)
		} else if o.err != context.Canceled || o.panic != nil {
			t.Errorf("got %v, panic %v, want context.Canceled as it is", o.err, o.panic)
		}
	})
}

// What the others do does not change the first one's reason, but their panics can be read.
func TestEndAfterTheFirst(t *testing.T) {
	for _, first := range []string{"an error", "a panic"} {
		everyCase(t, func(t *testing.T, way string, group grouping) {
			s := new(stage)
			second := &actor{name: "culprit", stage: s, serve: func(ctx context.Context, _ int) error {
				<-ctx.Done()
				return ways[way].end()
			}}
			sibling := &actor{name: "sibling", stage: s, serve: func(context.Context, int) error {
				pass(time.Minute)
				if first == "a panic" {
					panic(errOther)
				}
				return errOther
			}}
			o := <-serve(t.Context(), linx.OneForAll("outer", group(s, second), sibling))
			err := o.err
			if first == "a panic" {
				err = o.panic
			}
			if err == nil || !errors.Is(err, errOther) || !strings.HasPrefix(err.Error(), "sibling") {
				t.Fatalf("got %v, panic %v, want the first one's", o.err, o.panic)
			}
			if is := ways[way].is; is != nil && errors.Is(err, is) {
				t.Errorf("errors.Is finds %v of the second one", is)
			}
			if got := strings.Contains(err.Error(), ways[way].text); got != ways[way].panics {
				t.Errorf("%q is in the text: %v, want %v", ways[way].text, got, ways[way].panics)
			}
			if ways[way].panics && !strings.Contains(err.Error(), "oneforall_test.go") {
				t.Errorf("the second panic's stack is lost: %v", err)
			}
		})
	}
}

func TestServeWithAContextThatHasEnded(t *testing.T) {
	s := new(stage)
	g := linx.OneForAll("group", &actor{name: "a", stage: s, serve: obeys(0)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		if err := g.Serve(ctx); err != context.Canceled {
			t.Fatal(err)
		}
	}
	if record := s.take(); record != "" {
		t.Error(record)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		g := linx.OneForAll("group", &actor{name: "a", stage: s, serve: obeys(0)})
		if err := g.Serve(ctx); err != context.DeadlineExceeded {
			t.Error(err)
		}
	})
}

// Members are shared, so a second Serve waits.
func TestSecondServeWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := new(stage)
		g := linx.OneForAll("group", &actor{name: "a", stage: s, serve: obeys(5 * time.Second)})
		begin := func() (<-chan outcome, func()) {
			ctx, cancel := context.WithCancel(t.Context())
			served := serve(ctx, g)
			synctest.Wait()
			return served, cancel
		}
		first, stopFirst := begin()
		second, stopSecond := begin()
		third, stopThird := begin()
		stopSecond()
		if o := <-second; o.err != context.Canceled {
			t.Errorf("a Serve that waits for its turn: %v", o)
		}
		if record := s.take(); record != "a starts" {
			t.Errorf("before the first has ended: %s", record)
		}
		stopFirst()
		<-first
		synctest.Wait()
		if record := s.take(); record != "a ends, a starts" {
			t.Errorf("after the first has ended: %s", record)
		}
		stopThird()
		<-third
	})
}

type plain struct{}

func (plain) Serve(ctx context.Context) error { return errBoom }

func TestNames(t *testing.T) {
	g := linx.OneForAll("outer", linx.OneForAll("inner", plain{}))
	if got := fmt.Sprint(g); got != "outer" {
		t.Errorf("String: %q", got)
	}
	err := g.Serve(t.Context())
	if got, want := fmt.Sprint(err), "inner: linx_test.plain: boom"; got != want || !errors.Is(err, errBoom) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A panic that crosses several groups keeps its value and its own stack.
func TestPanicThroughGroups(t *testing.T) {
	culprit := &actor{name: "culprit", stage: new(stage), serve: func(context.Context, int) error {
		panicsInside(errBoom)
		return nil
	}}
	o := <-serve(t.Context(), linx.OneForAll("outer", linx.OneForAll("inner", culprit)))
	if o.panic == nil || !errors.Is(o.panic, errBoom) {
		t.Fatalf("got %v", o)
	}
	for _, want := range []string{"inner panicked: culprit panicked: boom", "panicsInside"} {
		if !strings.Contains(o.panic.Error(), want) {
			t.Errorf("%q is not in %v", want, o.panic)
		}
	}
}

type holder struct{ *suture.Supervisor }

type holdsNone struct{ plain }

func (holdsNone) GetSupervisor() *suture.Supervisor { return nil }

type service func(context.Context) error

func (s service) Serve(ctx context.Context) error { return s(ctx) }

func TestWhatOneForAllRefuses(t *testing.T) {
	good := plain{}
	for _, c := range []struct {
		want     string
		name     string
		services []suture.Service
	}{
		{"no name", "", []suture.Service{good}},
		{"no services", "group", nil},
		{"services[1] is nil", "group", []suture.Service{good, nil}},
		{"services[0] is nil", "group", []suture.Service{(*actor)(nil)}},
		{"services[2] is nil", "group", []suture.Service{good, good, service(nil)}},
		{"services[1] (sup) is or holds", "group", []suture.Service{good, suture.NewSimple("sup")}},
		{"services[0] (held) is or holds", "group", []suture.Service{&holder{suture.NewSimple("held")}}},
	} {
		func() {
			defer func() {
				got := fmt.Sprint(recover())
				if !strings.Contains(got, c.want) || !strings.HasPrefix(got, "linx: OneForAll") {
					t.Errorf("got %q, want %q", got, c.want)
				}
			}()
			linx.OneForAll(c.name, c.services...)
		}()
	}
	linx.OneForAll("group", holdsNone{}, service(good.Serve))
}
