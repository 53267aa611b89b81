package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/reconcile"
	"github.com/linx-go/linx-go/linx/rtnl"
	"github.com/linx-go/linx-go/linx/sysctl"
)

// program is a small router's control plane: three loops in one supervisor.
type program struct {
	supervisor *suture.Supervisor
	restarts   atomic.Int64 // of services, as the supervisor tells them
	cancel     context.CancelFunc
	ended      <-chan error

	uplink  *rtnl.Loop
	lan     *rtnl.Loop
	sysctls *sysctl.Loop

	uplinkSource *killable
}

// Most programs give neither of the two: a loop has both. Here each is seen to be enough by itself.
const (
	noTimer  = reconcile.Never
	often    = 250 * time.Millisecond
	lanProto = rtnl.DefaultProtocol + 1 // two rtnl sources in one namespace tell their own by different tags
)

func newProgram(log *slog.Logger) (*program, error) {
	p := new(program)
	p.supervisor = suture.New("router", suture.Spec{EventHook: func(e suture.Event) {
		log.Warn("supervisor", "event", e)
		switch e.Type() {
		case suture.EventTypeServiceTerminate, suture.EventTypeServicePanic:
			p.restarts.Add(1)
		}
	}})
	var err error

	// The uplink is ours alone: whoever puts a route in the place of one of ours loses it.
	p.uplinkSource = newKillable(rtnl.New(linx.Self(), rtnl.Options{Conflict: rtnl.TakeOver}))
	p.uplink, err = reconcile.New(p.uplinkSource, uplink("192.0.2.2/24"),
		rtnl.Config{Name: "uplink", Interval: noTimer, Debounce: reconcile.Immediate, Logger: log})
	if err != nil {
		return nil, err
	}

	// On the LAN a foreign route in our place is a conflict, which is reported: the default.
	p.lan, err = reconcile.New(rtnl.New(linx.Self(), rtnl.Options{Protocol: lanProto}), lan(),
		rtnl.Config{Name: "lan", Interval: often, TimerOnly: true, Logger: log})
	if err != nil {
		return nil, err
	}

	p.sysctls, err = reconcile.New(sysctl.New(linx.Self(), sysctl.Options{RevertOnRelease: true}), knobs(),
		sysctl.Config{Name: "sysctls", Interval: noTimer, Debounce: reconcile.Immediate, Logger: log})
	if err != nil {
		return nil, err
	}

	p.supervisor.Add(p.uplink)
	p.supervisor.Add(p.lan)
	p.supervisor.Add(p.sysctls)
	return p, nil
}

// start serves the supervisor, until stop.
func (p *program) start() {
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.ended = cancel, p.supervisor.ServeBackground(ctx)
}

// stop ends the supervisor and waits for it. Stopping twice is fine.
func (p *program) stop() error {
	if p.cancel == nil {
		return nil
	}
	p.cancel()
	p.cancel = nil
	if err := <-p.ended; !errors.Is(err, context.Canceled) {
		return fmt.Errorf("the supervisor ended with %v", err)
	}
	return nil
}

// uplink has a default route, in the main table and in one of its own, to which a policy rule keeps what
// comes from its network.
func uplink(address string) rtnl.State {
	gateway := netip.MustParseAddr("192.0.2.1")
	return rtnl.State{
		Addresses: []rtnl.Address{{Interface: "eth0", Prefix: netip.MustParsePrefix(address)}},
		Routes: []rtnl.Route{
			{Gateway: gateway},
			{Gateway: gateway, Table: 100},
		},
		Rules: []rtnl.Rule{
			{Priority: 1000, From: netip.MustParsePrefix("192.0.2.0/24"), Table: 100},
		},
	}
}

// lan has a router behind it, whose link-layer address is not left to ARP.
func lan() rtnl.State {
	router := netip.MustParseAddr("10.0.0.2")
	return rtnl.State{
		Addresses: []rtnl.Address{{Interface: "lan0", Prefix: netip.MustParsePrefix("10.0.0.1/24")}},
		Neighbors: []rtnl.Neighbor{{Interface: "lan0", Destination: router, LinkAddr: rtnl.MAC{2, 0, 0, 0, 0, 2}}},
		Routes: []rtnl.Route{
			{Dst: netip.MustParsePrefix("10.1.0.0/16"), Gateway: router},
			{Dst: netip.MustParsePrefix("10.2.0.0/16"), Interface: "lan0", Metric: 50},
			{Dst: netip.MustParsePrefix("10.0.0.0/8"), Type: rtnl.Unreachable},
		},
	}
}

func knobs() sysctl.Settings {
	return sysctl.Settings{
		"net.ipv4.ip_forward":          sysctl.Int(1),
		"net.ipv4.conf.eth0.rp_filter": sysctl.Int(2),
		"net.ipv4.ip_local_port_range": sysctl.Ints(20000, 60000),
	}
}
