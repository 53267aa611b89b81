package main

import (
	"context"
	"errors"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/linx/rtnl"
)

// killable is an rtnl source whose monitor can be killed. It embeds the concrete source, so that the loop
// finds what that offers besides passes.
type killable struct {
	*rtnl.Source
	deaths chan death
}

// death is what is done in the moment in which the monitor listens no more and its loop does not know yet.
type death struct {
	unseen func() error
	done   chan error // buffered: takes what unseen returns
}

func newKillable(src *rtnl.Source) *killable { return &killable{src, make(chan death)} }

// kill makes the monitor fail, and unseen happen at that moment.
func (k *killable) kill(ctx context.Context, unseen func() error) error {
	d := death{unseen, make(chan error, 1)}
	select {
	case k.deaths <- d:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-d.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Subscribe wraps the monitor of the source.
func (k *killable) Subscribe(ctx context.Context, hint func()) (suture.Service, error) {
	monitor, err := k.Source.Subscribe(ctx, hint)
	if err != nil {
		return nil, err
	}
	return &mortal{monitor, k.deaths}, nil
}

type mortal struct {
	monitor suture.Service
	deaths  <-chan death
}

func (m *mortal) Serve(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- m.monitor.Serve(ctx) }()
	select {
	case err := <-ended:
		return err
	case d := <-m.deaths:
		stop()
		<-ended
		d.done <- d.unseen()
		return errors.New("killed by the story")
	}
}
