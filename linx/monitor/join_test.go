package monitor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/linxtest"
)

// What happens between Join and Serve is told of, all of it and in order, and there is no Resync.
func TestJoinThenServe(t *testing.T) {
	checkLeaks(t)
	n := testns.New(t)
	h, err := n.Namespace().Open()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for _, test := range []struct {
		name   string
		handle *linx.Handle
	}{{"given a handle", h}, {"by itself", nil}} {
		t.Run(test.name, func(t *testing.T) {
			var r recorder
			m := New(n.Namespace(), r.notify, Config{Groups: []Group{GroupIPv4IfAddr}})
			if err := m.Join(test.handle); err != nil {
				t.Fatal(err)
			}
			var want []string
			for i := range 50 {
				a := fmt.Sprintf("10.9.0.%d/32", i+1)
				addAddress(t, n, "lo", a)
				defer delAddress(t, n, "lo", a)
				want = append(want, a)
			}
			stop := serve(t, m)
			r.wait(t, "the last address", addsAddress("10.9.0.50/32"))
			var got []string
			for _, e := range r.take() {
				a, _ := e.Address()
				got = append(got, a.Prefix.String())
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("told of %v, want %v", got, want)
			}
			// A Serve that follows joins by itself, in the same handle.
			stop()
			serve(t, m)
			r.wait(t, "the resync", isResync)
		})
	}
	if err := h.Do(func() error { return nil }); err != nil {
		t.Errorf("the handle that was given is not usable any more: %v", err)
	}
}

func TestJoinTwice(t *testing.T) {
	checkLeaks(t)
	n := testns.New(t)
	var r recorder
	m := New(n.Namespace(), r.notify, Config{})
	if err := m.Join(nil); err != nil {
		t.Fatal(err)
	}
	if err := m.Join(nil); err == nil {
		t.Error("Join while joined: no error")
	}
	addAddress(t, n, "lo", "10.9.0.1/32")
	stop := serve(t, m)
	r.wait(t, "what came after the first Join", addsAddress("10.9.0.1/32"))
	if err := m.Join(nil); err == nil {
		t.Error("Join while served: no error")
	}
	stop()
	if err := m.Join(nil); err != nil {
		t.Errorf("Join after Serve: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// A handle of somebody else's that is closed underneath, or was closed from the start, ends Serve and
// says so.
func TestHandleClosed(t *testing.T) {
	checkLeaks(t)
	n := testns.New(t)
	h, err := n.Namespace().Open()
	if err != nil {
		t.Fatal(err)
	}
	m := New(n.Namespace(), func(Event) {}, Config{})
	if err := m.Join(h); err != nil {
		t.Fatal(err)
	}
	result := make(chan error)
	go func() { result <- m.Serve(t.Context()) }()
	h.Close()
	if err := await(t, result); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Serve: %v, want os.ErrClosed", err)
	}
	if err := m.Join(h); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Join: %v, want os.ErrClosed", err)
	}
}

func TestClose(t *testing.T) {
	checkLeaks(t)
	n := testns.New(t)
	var r recorder
	m := New(n.Namespace(), r.notify, Config{})
	closes := func() {
		t.Helper()
		if err := m.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	closes() // nothing to close
	if err := m.Join(nil); err != nil {
		t.Fatal(err)
	}
	closes()
	closes()

	result := make(chan error)
	go func() { result <- m.Serve(t.Context()) }()
	r.wait(t, "the resync: Close undid Join", isResync)
	closes()
	if err := await(t, result); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Serve: %v, want os.ErrClosed", err)
	}
	r.take()
	ctx, cancel := context.WithCancel(t.Context())
	go func() { result <- m.Serve(ctx) }()
	r.wait(t, "the resync of the next Serve", isResync)
	cancel()
	await(t, result)
}

// A joined Monitor keeps a namespace that it opened by itself alive; closed or ended, it does not.
func TestLetsGo(t *testing.T) {
	checkLeaks(t)
	n, other := testns.New(t), testns.New(t)
	n.VethTo("v0", other, "v1")
	m := New(n.Namespace(), func(Event) {}, Config{})
	if err := m.Join(nil); err != nil {
		t.Fatal(err)
	}
	n.Remove()
	if !hasLink(other, "v1") {
		t.Fatal("the namespace is gone, though a socket in it is open: this test shows nothing")
	}
	if err := m.Serve(t.Context()); !errors.Is(err, linx.ErrNamespaceGone) {
		t.Errorf("Serve: %v, want ErrNamespaceGone", err)
	}
	linxtest.Eventually(t, "the veth's other end is gone", func() bool { return !hasLink(other, "v1") })
}

func hasLink(n *testns.Net, name string) bool {
	_, err := n.Netlink().LinkByName(name)
	return err == nil
}
