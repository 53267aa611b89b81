package member_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/linx-go/linx-go/internal/member"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBoom = errors.New("boom")

//go:noinline
func panicsInside(v any) { panic(v) }

func TestExit(t *testing.T) {
	for name, c := range map[string]struct {
		f      func() error
		err    error
		value  any // of a panic
		goexit bool
	}{
		"nil":    {f: func() error { return nil }},
		"error":  {f: func() error { return errBoom }, err: errBoom},
		"panic":  {f: func() error { panicsInside("oh"); return nil }, value: "oh"},
		"goexit": {f: func() error { runtime.Goexit(); return nil }, goexit: true},
		"panic during goexit": {f: func() error {
			defer func() { panicsInside("oh") }()
			runtime.Goexit()
			return nil
		}, value: "oh"},
		"goexit during a panic": {f: func() error {
			defer runtime.Goexit()
			panicsInside("oh")
			return nil
		}, goexit: true},
		"recovered": {f: func() (err error) {
			defer func() { recover(); err = errBoom }()
			panicsInside("oh")
			return nil
		}, err: errBoom},
	} {
		cleaned := false
		e := <-member.Go(func() error {
			defer func() { cleaned = true }()
			return c.f()
		})
		if !cleaned {
			t.Errorf("%s: the exit was told before what f deferred had run", name)
		}
		if e.Err != c.err || e.Goexit != c.goexit || (e.Panic != nil) != (c.value != nil) {
			t.Errorf("%s: %+v", name, e)
		}
		p := e.Panic
		if p != nil && (p.Value != c.value || !strings.Contains(string(p.Stack), "panicsInside")) {
			t.Errorf("%s: panic(%v)\n%s", name, p.Value, p.Stack)
		}
	}
}

func TestPanicNil(t *testing.T) {
	e := <-member.Go(func() error { panic(nil) })
	var nilPanic *runtime.PanicNilError
	if e.Panic == nil || !errors.As(e.Panic.Value.(error), &nilPanic) {
		t.Errorf("%+v", e)
	}
}

// Nobody has to listen.
func TestGoWithoutAListener(t *testing.T) { member.Go(func() error { return errBoom }) }

func TestRun(t *testing.T) {
	exits := make(chan member.Exit)
	for range 3 {
		member.Run(func() error { return errBoom }, func(e member.Exit) { exits <- e })
	}
	for range 3 {
		if e := <-exits; e.Err != errBoom {
			t.Errorf("%+v", e)
		}
	}
}
