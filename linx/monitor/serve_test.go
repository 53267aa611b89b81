package monitor

import (
	"context"
	"errors"
	"testing"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx/linxtest"
)

func TestServe(t *testing.T) {
	linxtest.CheckLeaks(t)
	n := testns.New(t)
	var r recorder
	m := New(n.Namespace(), r.notify, Config{})
	for range 2 { // it can be served again
		stop := serve(t, m)
		r.wait(t, "a resync first", isResync)
		addAddress(t, n, "lo", "10.9.0.1/32")
		r.wait(t, "the address", addsAddress("10.9.0.1/32"))
		if events := r.take(); !isResync(events[0]) {
			t.Errorf("the first event is %v, want Resync", events[0].Kind)
		}
		if err := stop(); !errors.Is(err, context.Canceled) {
			t.Errorf("Serve: %v, want context.Canceled", err)
		}
		delAddress(t, n, "lo", "10.9.0.1/32")
	}
}
