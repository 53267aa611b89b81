package monitor

import (
	"context"
	"errors"

	"runtime"
	"strings"
	"testing"

	"github.com/thejerf/suture/v4"
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/member"
	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/linxtest"
)

func TestServe(t *testing.T) {
	checkLeaks(t)
	n := testns.New(t)
	var r recorder
	m := New(n.Namespace(), r.notify, Config{})
	for range 3 { // it can be served again
		stop := serve(t, m)
		r.wait(t, "the resync", isResync)
		addAddress(t, n, "lo", "10.9.0.1/32")
		r.wait(t, "the address", addsAddress("10.9.0.1/32"))
		if events := r.take(); !isResync(events[0]) {
			t.Errorf("the first event is %v, want Resync", events[0])
		}
		if err := stop(); err != context.Canceled {
			t.Errorf("Serve: %v, want context.Canceled", err)
		}
		r.take() // what came after the address, such as its route
		delAddress(t, n, "lo", "10.9.0.1/32")
	}
}

func TestServeWithEndedContext(t *testing.T) {
	m := New(linx.Path("/no/such/namespace"), func(Event) { t.Error("notified") }, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Serve(ctx); err != context.Canceled {
		t.Errorf("Serve: %v, want context.Canceled, and not that it looked for the namespace", err)
	}
}

// A Serve whose context has ended before it began closes what Join joined, as any other does: a loop that
// is cancelled between the two would else keep the namespace alive.
func TestServeWithEndedContextUnjoins(t *testing.T) {
	checkLeaks(t)
	n := testns.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 { // select takes either way
		m := New(n.Namespace(), func(Event) {}, Config{})
		if err := m.Join(nil); err != nil {
			t.Fatal(err)
		}
		if err := m.Serve(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Serve: %v, want context.Canceled", err)
		}
		if m.ReceiveBuffer() != 0 {
			t.Fatal("still joined")
		}
	}
}

func TestServeSelf(t *testing.T) {
	checkLeaks(t)
	testns.Require(t)
	var r recorder
	stop := serve(t, New(linx.Self(), r.notify, Config{}))
	r.wait(t, "the resync", isResync)
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("Serve: %v, want context.Canceled", err)
	}
}

// A second Serve waits for the end of the first, and takes over then.
func TestSecondServeWaits(t *testing.T) {
	checkLeaks(t)
	n := testns.New(t)
	var r recorder
	m := New(n.Namespace(), r.notify, Config{})
	stop := serve(t, m)
	r.wait(t, "the resync", isResync)
	r.take()

	ctx, cancel := context.WithCancel(t.Context())
	impatient := make(chan error)
	go func() { impatient <- m.Serve(ctx) }()
	patient := make(chan error)
	ctx2, cancel2 := context.WithCancel(t.Context())
	defer cancel2()
	go func() { patient <- m.Serve(ctx2) }()
	cancel()
	if err := await(t, impatient); !errors.Is(err, context.Canceled) {
		t.Errorf("Serve: %v, want context.Canceled", err)
	}
	addAddress(t, n, "lo", "10.9.0.1/32")
	r.wait(t, "the address", addsAddress("10.9.0.1/32"))
	if r.saw(isResync) {
		t.Error("two are serving at once")
	}
	stop()
	r.wait(t, "the resync of the second", isResync)
	cancel2()
	await(t, patient)
}

func TestNamespaceGone(t *testing.T) {
	linxtest.CheckLeaks(t) // a pidfd goes with the garbage
	n := testns.New(t)
	p := n.Process()
	for _, test := range []struct {
		name    string
		ns      linx.Namespace
		vanish  func()
		forGood bool
	}{
		{"process killed", linx.PID(p.PID()), p.Kill, true},
		{"path unmounted", n.Namespace(), n.Unmount, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r recorder
			m := New(test.ns, r.notify, Config{})
			result := make(chan error)
			go func() { result <- m.Serve(t.Context()) }()
			r.wait(t, "the resync", isResync)
			test.vanish()
			// And again: the second time it is gone from the start.
			for range 2 {
				err := await(t, result)
				if !errors.Is(err, linx.ErrNamespaceGone) || errors.Is(err, suture.ErrDoNotRestart) != test.forGood {
					t.Errorf("Serve: %v; want ErrNamespaceGone, and ErrDoNotRestart: %v", err, test.forGood)
				}
				if !strings.Contains(err.Error(), m.String()) {
					t.Errorf("Serve: %v; want it to name %s", err, m)
				}
				go func() { result <- m.Serve(t.Context()) }()
			}
			await(t, result)
		})
	}
	n.Remount()
	var r recorder
	serve(t, New(n.Namespace(), r.notify, Config{}))
	r.wait(t, "the resync once it is back", isResync)
}

// What a Path names may change between two Serves, and the second is about the new one.
func TestPathReplaced(t *testing.T) {
	checkLeaks(t)
	n := testns.New(t)
	var r recorder
	m := New(n.Namespace(), r.notify, Config{})
	result := make(chan error)
	go func() { result <- m.Serve(t.Context()) }()
	r.wait(t, "the resync", isResync)
	n.Replace()
	if err := await(t, result); !errors.Is(err, linx.ErrNamespaceGone) {
		t.Errorf("Serve: %v, want ErrNamespaceGone", err)
	}
	r.take()
	serve(t, m)
	r.wait(t, "the resync", isResync)
	addAddress(t, n, "lo", "10.9.0.1/32")
	r.wait(t, "the address", addsAddress("10.9.0.1/32"))
}

// However notify ends Serve, nothing is left, and Serve can be called again.
func TestNotifyEndsServe(t *testing.T) {
	checkLeaks(t)
	n := testns.New(t)
	n.Netlink()                    // opened once, and so no leak of a subtest's
	h, err := n.Namespace().Open() // one that Serve does not close: that would end whoever waits
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	type boom struct{}
	for _, test := range []struct {
		name string
		end  func()
		want func(member.Exit) bool
	}{
		{"panic", func() { panic(boom{}) }, func(e member.Exit) bool { return e.Panic != nil && e.Panic.Value == boom{} }},
		{"Goexit", runtime.Goexit, func(e member.Exit) bool { return e.Goexit }},
	} {
		for _, on := range []string{"resync", "address"} {
			t.Run(test.name+" on "+on, func(t *testing.T) {
				checkLeaks(t)
				var r recorder
				calm := false
				m := New(n.Namespace(), func(e Event) {
					r.notify(e)
					if !calm && e.Kind.String() == on {
						test.end()
					}
				}, Config{})
				if err := m.Join(h); err != nil {
					t.Fatal(err)
				}
				m.Close()
				exit := member.Go(func() error { return m.Serve(context.Background()) })
				r.wait(t, "the resync", isResync)
				addAddress(t, n, "lo", "10.9.0.1/32")
				defer delAddress(t, n, "lo", "10.9.0.1/32")
				if e := await(t, exit); !test.want(e) {
					t.Errorf("Serve ended by %+v", e)
				}
				calm = true
				r.take()
				serve(t, m)
				r.wait(t, "the resync", isResync)
			})
		}
	}
}

func TestServeFails(t *testing.T) {
	checkLeaks(t)
	n := testns.New(t)
	for _, test := range []struct {
		name string
		ns   linx.Namespace
		cfg  Config
		want error  // to be wrapped; nil: any
		text string // to be contained
	}{
		{"no such path", linx.Path("/no/such/namespace"), Config{}, linx.ErrNamespaceGone, "/no/such/namespace"},
		{"a bad pid", linx.PID(-1), Config{}, nil, "PID(-1)"},
		{"a group that is none", n.Namespace(), Config{Groups: []Group{GroupLink, 9999}}, unix.EINVAL, "group 9999"},
		{"a negative buffer", n.Namespace(), Config{ReceiveBuffer: -1}, nil, "ReceiveBuffer -1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := New(test.ns, func(Event) { t.Error("notified") }, test.cfg)
			for _, f := range []func() error{
				func() error { return m.Serve(t.Context()) },
				func() error { return m.Join(nil) },
			} {
				err := f()
				if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
					t.Errorf("%v; want one that wraps %v and contains %q", err, test.want, test.text)
				}
			}
		})
	}
}

func TestNewRefusesNil(t *testing.T) {
	defer func() {
		if v := recover(); v == nil {
			t.Error("New(..., nil, ...) did not panic")
		}
	}()
	New(linx.Self(), nil, Config{})
}
