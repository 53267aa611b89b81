package sysctl_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"slices"
	"time"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/reconcile"
	"github.com/linx-go/linx-go/linx/sysctl"
)

// A loop in a supervision tree keeps a namespace's parameters as they should be.
func Example() {
	blue, err := testns.Open() // stands for /run/netns/blue
	if err != nil {
		log.Fatal(err)
	}
	defer blue.Close()

	loop, err := reconcile.New(
		sysctl.New(linx.Path(blue.Path()), sysctl.Options{RevertOnRelease: true}),
		sysctl.Settings{"net.ipv4.ip_forward": "1"},
		sysctl.Config{Interval: 10 * time.Millisecond}, // 5 s would do, if nobody waited
	)
	if err != nil {
		log.Fatal(err)
	}
	supervisor := suture.NewSimple("app")
	supervisor.Add(loop)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := supervisor.ServeBackground(ctx)

	if err := loop.WaitConverged(ctx); err != nil {
		log.Fatal(err)
	}
	forward, err := sysctl.ReadInt(blue.Namespace(), "net.ipv4.ip_forward")
	fmt.Println("served:", forward, err)

	if _, err := loop.Release(ctx); err != nil {
		log.Fatal(err)
	}
	forward, err = sysctl.ReadInt(blue.Namespace(), "net.ipv4.ip_forward")
	fmt.Println("released:", forward, err)

	cancel()
	<-done
	// Output:
	// served: 1 <nil>
	// released: 0 <nil>
}

// A Source works without a loop: each pass says what it did, and what it owns for the next one to know.
func ExampleSource_Reconcile() {
	blue, err := testns.Open()
	if err != nil {
		log.Fatal(err)
	}
	defer blue.Close()

	src := sysctl.New(blue.Namespace(), sysctl.Options{RevertOnRelease: true})
	defer src.Close()
	var last sysctl.LastApplied // a program that restarts would read it from a file
	for _, desired := range []sysctl.Settings{
		{"net.ipv4.ip_forward": "1", "net.ipv4.tcp_syncookies": "7 8", "net.ipv4.conf.eth9.rp_filter": "1"},
		{"net.ipv4.ip_forward": "1"},
		nil,
	} {
		report, err := src.Reconcile(context.Background(), desired, last, nil)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("converged:", report.Converged)
		for _, op := range report.Applied {
			fmt.Println("  ", op)
		}
		for _, f := range append(report.Failed, report.Pending...) {
			fmt.Println("  not", f)
		}
		last = report.LastApplied
	}
	// Output:
	// converged: false
	//    set net.ipv4.ip_forward = 1
	//   not set net.ipv4.tcp_syncookies = 7 8: the kernel took the write without an error and holds another value: wanted "7 8", got "7"
	//   not set net.ipv4.conf.eth9.rp_filter = 1: no such file or directory: there is no interface eth9
	// converged: true
	//    revert net.ipv4.tcp_syncookies = 1
	// converged: true
	//    revert net.ipv4.ip_forward = 0
}

// Parameters of one's own namespaces are read without further ado.
func ExampleRead() {
	boot, err := sysctl.Read(linx.Self(), "kernel.random.boot_id")
	fmt.Println(len(boot), err)

	_, err = sysctl.Read(linx.Self(), "net.ipv4.conf.eth9.rp_filter")
	fmt.Println(err)
	// Output:
	// 36 <nil>
	// sysctl: reading net.ipv4.conf.eth9.rp_filter in self: no such file or directory: there is no interface eth9
}

// Ownership is kept as JSON, so that the next process knows what to give back.
func ExampleLastApplied() {
	text, _ := json.MarshalIndent(sysctl.LastApplied{
		Namespace: "6b6f3e7c/12",
		Keys:      map[string]sysctl.Owned{"net.ipv4.neigh.eth0.retrans_time_ms": {Applied: "1005", ReadBack: "1008", Original: "1000"}},
	}, "", "  ")
	fmt.Println(string(text))
	// Output:
	// {
	//   "namespace": "6b6f3e7c/12",
	//   "keys": {
	//     "net.ipv4.neigh.eth0.retrans_time_ms": {
	//       "applied": "1005",
	//       "readBack": "1008",
	//       "original": "1000"
	//     }
	//   }
	// }
}

// Files as sysctl.d(5) has them become a desired state.
func ExampleParseConf() {
	settings, err := sysctl.ParseConf(`
# every interface but the uplink
net.ipv4.conf.*.rp_filter = 1
-net.ipv4.conf.eth0.rp_filter
net.ipv4.ip_forward = 1
`)
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Printf("%q: %q\n", name, settings[name])
	}
	fmt.Println(err)

	_, err = sysctl.ParseConf("net.ipv4.ip_forward = 1\nnet.ipv4.ip_forward")
	fmt.Println(err)
	// Output:
	// "-net.ipv4.conf.eth0.rp_filter": ""
	// "net.ipv4.conf.*.rp_filter": "1"
	// "net.ipv4.ip_forward": "1"
	// <nil>
	// sysctl: line 2: "net.ipv4.ip_forward" is neither key = value nor -key
}
