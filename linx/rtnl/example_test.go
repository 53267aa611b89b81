package rtnl_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/netip"
	"slices"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/reconcile"
	"github.com/linx-go/linx-go/linx/rtnl"
)

// A namespace's network configuration under a supervisor.
func Example() {
	blue, err := testns.Open() // in place of linx.Path("/run/netns/blue")
	if err != nil {
		log.Fatal(err)
	}
	defer blue.Close()
	blue.Veth("eth0", "eth1")

	source := rtnl.New(blue.Namespace(), rtnl.Options{})
	loop, err := reconcile.New(source, rtnl.State{
		Addresses: []rtnl.Address{{Interface: "eth0", Prefix: netip.MustParsePrefix("10.0.0.2/24")}},
		Routes:    []rtnl.Route{{Gateway: netip.MustParseAddr("10.0.0.1")}},
	}, rtnl.Config{})
	if err != nil {
		log.Fatal(err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	supervisor := suture.NewSimple("network")
	supervisor.Add(loop)
	done := supervisor.ServeBackground(ctx)
	if err := loop.WaitConverged(ctx); err != nil {
		log.Fatal(err)
	}
	report, _ := loop.LastReport()
	for _, op := range report.Applied {
		fmt.Println(op)
	}

	// Everything that is ours goes; without Release it would stay.
	if _, err := loop.Release(ctx); err != nil {
		log.Fatal(err)
	}
	report, _ = loop.LastReport()
	for _, op := range report.Applied {
		fmt.Println(op)
	}
	cancel()
	<-done
	// Output:
	// create address 10.0.0.2/24 dev eth0
	// create route default via 10.0.0.1
	// delete route default via 10.0.0.1 dev eth0
	// delete address 10.0.0.2/24 dev eth0
}

// A source works without a loop, one call at a time.
func ExampleSource_Plan() {
	blue, err := testns.Open()
	if err != nil {
		log.Fatal(err)
	}
	defer blue.Close()
	blue.Veth("eth0", "eth1")

	source := rtnl.New(blue.Namespace(), rtnl.Options{})
	defer source.Close()
	state := rtnl.State{
		Addresses: []rtnl.Address{{Interface: "eth0", Prefix: netip.MustParsePrefix("10.0.0.2/24")}},
		Routes: []rtnl.Route{
			{Dst: netip.MustParsePrefix("10.1.0.0/16"), Gateway: netip.MustParseAddr("10.0.0.1"), Metric: 50, Table: 100},
			{Dst: netip.MustParsePrefix("10.2.0.0/16"), Type: rtnl.Blackhole},
		},
	}
	ctx := context.Background()
	plan, err := source.Plan(ctx, state, rtnl.LastApplied{})
	if err != nil {
		log.Fatal(err)
	}
	for _, op := range plan {
		fmt.Println(op)
	}
	report, err := source.Reconcile(ctx, state, rtnl.LastApplied{}, nil)
	fmt.Println("converged:", report.Converged, err)

	state.Routes = slices.Clone(state.Routes[:1]) // a new slice: a state that was handed over is not modified
	state.Routes[0].Gateway = netip.MustParseAddr("10.0.0.9")
	report, err = source.Reconcile(ctx, state, report.LastApplied, nil)
	for _, op := range report.Applied {
		fmt.Println(op)
	}
	fmt.Println("converged:", report.Converged, err)
	// Output:
	// create address 10.0.0.2/24 dev eth0
	// create route blackhole 10.2.0.0/16
	// create route 10.1.0.0/16 via 10.0.0.1 metric 50 table 100
	// converged: true <nil>
	// update route 10.1.0.0/16 via 10.0.0.9 metric 50 table 100
	// delete route blackhole 10.2.0.0/16
	// converged: true <nil>
}

// To begin with what is there, whoever made it: observe, edit, hand over.
func ExampleSource_Observe() {
	blue, err := testns.Open()
	if err != nil {
		log.Fatal(err)
	}
	defer blue.Close()
	blue.Veth("eth0", "eth1")
	ctx := context.Background()

	other := rtnl.New(blue.Namespace(), rtnl.Options{Protocol: 100})
	defer other.Close()
	_, err = other.Reconcile(ctx, rtnl.State{
		Addresses: []rtnl.Address{{Interface: "eth0", Prefix: netip.MustParsePrefix("10.0.0.2/24")}},
		Routes:    []rtnl.Route{{Gateway: netip.MustParseAddr("10.0.0.1")}},
	}, rtnl.LastApplied{}, nil)
	if err != nil {
		log.Fatal(err)
	}

	source := rtnl.New(blue.Namespace(), rtnl.Options{Conflict: rtnl.Adopt})
	defer source.Close()
	state, unsaid, err := source.Observe(ctx)
	if err != nil {
		log.Fatal(err)
	}
	state.Links = nil // whoever runs the namespace sees to them
	data, err := json.Marshal(state)
	fmt.Println(string(data), unsaid, err)

	state.Routes = append(state.Routes, rtnl.Route{
		Dst: netip.MustParsePrefix("10.1.0.0/16"), Gateway: netip.MustParseAddr("10.0.0.9")})
	report, err := source.Reconcile(ctx, state, rtnl.LastApplied{}, nil)
	for _, op := range report.Applied {
		fmt.Println(op)
	}
	fmt.Println("converged:", report.Converged, err)
	// Output:
	// {"addresses":[{"interface":"eth0","prefix":"10.0.0.2/24"}],"routes":[{"dst":"0.0.0.0/0","gateway":"10.0.0.1","interface":"eth0"}]} [] <nil>
	// update address 10.0.0.2/24 dev eth0
	// create route 10.1.0.0/16 via 10.0.0.9
	// update route default via 10.0.0.1 dev eth0
	// converged: true <nil>
}

// What is wrong with a state is said before anything is done.
func ExampleSource_Validate() {
	source := rtnl.New(linx.Self(), rtnl.Options{})
	fmt.Println(source.Validate(rtnl.State{
		Addresses: []rtnl.Address{{Interface: "eth0"}},
		Routes: []rtnl.Route{
			{Gateway: netip.MustParseAddr("10.0.0.1")},
			{Dst: netip.MustParsePrefix("10.1.2.3/16"), Gateway: netip.MustParseAddr("10.0.0.1")},
		},
	}))
	// Output:
	// rtnl: addresses[0]: no valid prefix; give the address and the length of its network: 10.0.0.2/24
	// rtnl: routes[1]: destination 10.1.2.3/16 has host bits set; the network is 10.1.0.0/16
}

// Policy routing: what comes from an address goes by a table of its own, and nowhere else.
func ExampleRule() {
	from := netip.MustParsePrefix("10.0.0.2/32")
	state := rtnl.State{
		Rules: []rtnl.Rule{
			{Priority: 1000, From: from, Table: 100},
			{Priority: 1001, From: from, Action: rtnl.RuleUnreachable},
		},
		Routes: []rtnl.Route{{Gateway: netip.MustParseAddr("10.0.0.1"), Table: 100}},
	}
	for _, r := range state.Rules {
		fmt.Println(r)
	}
	// Output:
	// rule from 10.0.0.2/32 lookup 100 priority 1000
	// rule from 10.0.0.2/32 unreachable priority 1001
}

// A route into an MPLS tunnel, as a program says it, as ip(8) does, and as JSON.
func ExampleEncap() {
	r := rtnl.Route{
		Dst:     netip.MustParsePrefix("10.1.0.0/16"),
		Gateway: netip.MustParseAddr("10.0.0.1"),
		Encap:   rtnl.MPLS{Labels: []uint32{100, 200}}.Encap(),
		MTU:     1492,
	}
	data, err := json.Marshal(r)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(r)
	fmt.Println(string(data))
	// Output:
	// route 10.1.0.0/16 encap mpls 100/200 via 10.0.0.1 mtu 1492
	// {"dst":"10.1.0.0/16","gateway":"10.0.0.1","encap":"mpls 100/200","mtu":1492}
}

// A bridge with a container's veth in it, and the machine's own interface adjusted: what has a Kind is made
// and deleted, what has none gets back what it had.
func ExampleLink() {
	links := []rtnl.Link{
		{Name: "br0", Kind: rtnl.KindBridge, Admin: rtnl.Up},
		{Name: "blue", Kind: rtnl.KindVeth, Admin: rtnl.Up, Master: "br0",
			Veth: rtnl.Veth{Peer: "eth0", PeerNamespace: linx.Path("/run/netns/blue")}},
		{Name: "eth1", MTU: 9000, Master: "br0"},
	}
	source := rtnl.New(linx.Self(), rtnl.Options{})
	fmt.Println(source.Validate(rtnl.State{Links: links}))
	for _, l := range links {
		fmt.Println(l)
	}
	// Output:
	// <nil>
	// link br0 up type bridge
	// link blue master br0 up type veth peer name eth0 netns /run/netns/blue
	// link eth1 mtu 9000 master br0
}
