package monitor_test

import (
	"context"
	"fmt"
	"log"

	"github.com/thejerf/suture/v4"
	"github.com/vishvananda/netlink"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx/monitor"
)

// A Monitor in a supervisor, doing what ip monitor address does.
func Example() {
	n, err := testns.Open() // a throwaway namespace, bound to a path as ip netns add does
	if err != nil {
		log.Fatal(err)
	}
	defer n.Close()

	synced, done := make(chan struct{}), make(chan struct{})
	m := monitor.New(n.Namespace(), func(e monitor.Event) {
		switch a, ok := e.Address(); {
		case e.Kind == monitor.KindResync:
			fmt.Println("look at the kernel now: what changed before was not told")
			close(synced)
		case ok && e.Deleted():
			fmt.Println("gone:", a.Prefix)
			close(done)
		case ok:
			fmt.Println("new: ", a.Prefix)
		}
	}, monitor.Config{Groups: []monitor.Group{monitor.GroupIPv4IfAddr}})

	supervisor := suture.NewSimple("example")
	supervisor.Add(m)
	ctx, cancel := context.WithCancel(context.Background())
	ended := supervisor.ServeBackground(ctx)

	<-synced
	lo := &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: 1}}
	addr, _ := netlink.ParseAddr("10.0.0.1/32")
	n.Netlink().AddrAdd(lo, addr)
	n.Netlink().AddrDel(lo, addr)
	<-done
	cancel()
	<-ended
	// Output:
	// look at the kernel now: what changed before was not told
	// new:  10.0.0.1/32
	// gone: 10.0.0.1/32
}

// Join before the first look at the kernel: whatever happens after the look is told, and nothing falls
// in between.
func ExampleMonitor_Join() {
	n, err := testns.Open()
	if err != nil {
		log.Fatal(err)
	}
	defer n.Close()

	ctx, cancel := context.WithCancel(context.Background())
	m := monitor.New(n.Namespace(), func(e monitor.Event) {
		if a, ok := e.Address(); ok {
			fmt.Println("told afterwards:", a.Prefix)
			cancel()
		}
	}, monitor.Config{Groups: []monitor.Group{monitor.GroupIPv4IfAddr}})
	if err := m.Join(nil); err != nil {
		log.Fatal(err)
	}

	// Here the consumer looks at what there is. Meanwhile, somebody else:
	addr, _ := netlink.ParseAddr("10.0.0.1/32")
	n.Netlink().AddrAdd(&netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: 1}}, addr)

	fmt.Println("Serve:", m.Serve(ctx))
	// Output:
	// told afterwards: 10.0.0.1/32
	// Serve: context canceled
}
