package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx/reconcile"
	"github.com/linx-go/linx-go/linx/rtnl"
)

// What look shows of each part, when it is as desired.
const (
	bystanders = `
		198.51.100.7/24 dev eth0
		203.0.113.0/24 via 198.51.100.1 dev eth0 proto 4`
	uplinkRest = `
		0.0.0.0/0 via 192.0.2.1 dev eth0 proto 76
		0.0.0.0/0 via 192.0.2.1 dev eth0 table 100 proto 76
		rule 1000 from 192.0.2.0/24 table 100 proto 76`
	uplinkFirst  = "192.0.2.2/24 dev eth0" + uplinkRest
	uplinkSecond = "192.0.2.3/24 dev eth0" + uplinkRest
	lanRest      = `
		10.0.0.1/24 dev lan0
		10.0.0.2 lladdr 02:00:00:00:00:02 dev lan0
		10.2.0.0/16 dev lan0 metric 50 proto 77
		type 7 10.0.0.0/8 proto 77`
	lanAll   = lanRest + "\n10.1.0.0/16 via 10.0.0.2 dev lan0 proto 77"
	intruder = "10.1.0.0/16 via 10.0.0.3 dev lan0 proto 4"
	tuned    = `
		net.ipv4.ip_forward = 1
		net.ipv4.conf.eth0.rp_filter = 2
		net.ipv4.ip_local_port_range = 20000 60000`
)

// tell plays the whole story and tells whether every step was seen in the kernel.
func tell(out io.Writer, log *slog.Logger) bool {
	w, err := newWorld()
	if err != nil {
		fmt.Fprintln(out, err)
		return false
	}
	defer w.end()
	before, err := takeStock()
	if err != nil {
		fmt.Fprintln(out, err)
		return false
	}
	p, err := newProgram(log)
	if err != nil {
		fmt.Fprintln(out, err)
		return false
	}
	defer p.stop()
	return play(out, patience, story(p, before))
}

func story(p *program, before stock) []step {
	everything := func() error { return shows(bystanders, uplinkFirst, lanAll, tuned) }
	untouched := strings.Join(before.kernel, "\n")

	return []step{
		{
			name: "three loops start under one supervisor; the kernel is as desired",
			do:   func(context.Context) error { p.start(); return nil },
			see:  everything,
		},
		{
			name: "another pass of each finds everything in place and changes nothing",
			do: func(ctx context.Context) error {
				return errors.Join(idle(ctx, p.uplink), idle(ctx, p.lan), idle(ctx, p.sysctls))
			},
			see: everything,
		},
		{
			name: "uplink, woken by its monitor: an address deleted by hand is back",
			do:   func(context.Context) error { return deleteAddress("eth0", "192.0.2.2/24") },
			see:  everything,
		},
		{
			name: "uplink, woken by its monitor: a foreign route in the place of ours is replaced, as asked for",
			do:   func(context.Context) error { return replaceRoute("0.0.0.0/0", "192.0.2.99") },
			see:  everything,
		},
		{
			name: "uplink, woken by its monitor: a policy rule deleted by hand is back",
			do:   func(context.Context) error { return deleteRule(1000) },
			see:  everything,
		},
		{
			name: "lan, by its timer: an address deleted by hand is back, and the routes that went with it",
			do:   func(context.Context) error { return deleteAddress("lan0", "10.0.0.1/24") },
			see:  everything,
		},
		{
			name: "lan, by its timer: a foreign route in the place of ours is left alone, and reported as a conflict",
			do:   func(context.Context) error { return replaceRoute("10.1.0.0/16", "10.0.0.3") },
			see: func() error {
				return errors.Join(shows(bystanders, uplinkFirst, lanRest, intruder, tuned), conflict(p.lan))
			},
		},
		{
			name: "lan, by its timer: the foreign route goes away, ours is back",
			do:   func(context.Context) error { return deleteForeignRoute("10.1.0.0/16", "10.0.0.3") },
			see:  everything,
		},
		{
			name: "sysctls, woken by its monitor: a knob turned by hand is turned back",
			do:   func(context.Context) error { return flip("net/ipv4/conf/eth0/rp_filter", "0") },
			see:  everything,
		},
		{
			name: "uplink: its monitor dies while an address goes unseen; both restart, and the full pass mends it",
			do: func(ctx context.Context) error {
				return p.uplinkSource.kill(ctx, func() error { return deleteAddress("eth0", "192.0.2.2/24") })
			},
			see: func() error { return errors.Join(everything(), restarted(p)) },
		},
		{
			name: "uplink: the new monitor wakes it too",
			do:   func(context.Context) error { return deleteAddress("eth0", "192.0.2.2/24") },
			see:  everything,
		},
		{
			name: "uplink: a new desired state is put; the old address goes, the new one comes",
			do: func(ctx context.Context) error {
				return errors.Join(p.uplink.PutDesired(uplink("192.0.2.3/24")), p.uplink.WaitConverged(ctx))
			},
			see: func() error { return shows(bystanders, uplinkSecond, lanAll, tuned) },
		},
		{
			name: "lan is released: what it made is gone, all else stands",
			do:   func(ctx context.Context) error { _, err := p.lan.Release(ctx); return err },
			see:  func() error { return shows(bystanders, uplinkSecond, tuned) },
		},
		{
			name: "sysctls is released: every knob is as it was before",
			do:   func(ctx context.Context) error { _, err := p.sysctls.Release(ctx); return err },
			see:  func() error { return shows(untouched, uplinkSecond) },
		},
		{
			name: "the supervisor is stopped: what uplink made stays",
			do:   func(context.Context) error { return p.stop() },
			see:  func() error { return shows(untouched, uplinkSecond) },
		},
		{
			name: "no goroutine, no file descriptor, no thread is left",
			see:  before.left,
		},
	}
}

// idle makes a loop do a pass, and is nil if that had nothing to do.
func idle[D, L any](ctx context.Context, loop *reconcile.Loop[D, L]) error {
	report, err := loop.Reconcile(ctx)
	if err != nil {
		return fmt.Errorf("%v: %w", loop, err)
	}
	if !report.Converged || len(report.Applied) > 0 {
		return fmt.Errorf("%v: converged %v, applied %v, failed %v", loop, report.Converged, report.Applied, report.Failed)
	}
	return nil
}

// restarted is nil if the supervisor restarted one service, once: the uplink, which listens again.
func restarted(p *program) error {
	status := p.uplink.Status()
	if p.restarts.Load() != 1 || status.Serves != 2 || status.Monitor != reconcile.MonitorJoined {
		return fmt.Errorf("%d restarts, uplink served %d times, its monitor is %s",
			p.restarts.Load(), status.Serves, status.Monitor)
	}
	return nil
}

// conflict is nil if the loop's last pass reported one with a route of protocol static.
func conflict(loop *rtnl.Loop) error {
	report, _ := loop.LastReport()
	for _, failure := range report.Failed {
		if held, ok := errors.AsType[*rtnl.ConflictError](failure.Err); ok && held.Protocol == unix.RTPROT_STATIC {
			return nil
		}
	}
	return fmt.Errorf("%v reports no conflict: failed %v", loop, report.Failed)
}
