package examples

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/thejerf/suture/v4"
	"github.com/vishvananda/netlink"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/reconcile"
	"github.com/linx-go/linx-go/linx/rtnl"
	"github.com/linx-go/linx-go/linx/sysctl"
)

func TestMain(m *testing.M) { testns.Main(m) }

func network(ctx context.Context, container int) error {
	loop, err := reconcile.New(
		rtnl.New(linx.PID(container), rtnl.Options{}),
		rtnl.State{
			Addresses: []rtnl.Address{{Interface: "eth0", Prefix: netip.MustParsePrefix("10.0.0.2/24")}},
			Routes:    []rtnl.Route{{Gateway: netip.MustParseAddr("10.0.0.1")}}, // zero Dst: default
		},
		rtnl.Config{Interval: 30 * time.Second},
	)
	if err != nil {
		return err
	}
	supervisor := suture.NewSimple("my program")
	supervisor.Add(loop)
	return supervisor.Serve(ctx)
}

func tune(container int) (*sysctl.Loop, error) {
	return reconcile.New(
		sysctl.New(linx.PID(container), sysctl.Options{RevertOnRelease: true}),
		sysctl.Settings{
			"net.ipv4.ip_forward":          sysctl.Int(1),
			"net.ipv4.ip_local_port_range": sysctl.Ints(20000, 60000),
		},
		sysctl.Config{},
	)
}

// Everything that README.md shows in Go is in this file, and so compiles, and is run by the tests below.
func TestReadmeShowsThisFile(t *testing.T) {
	here, err := os.ReadFile("readme_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(readme(t), -1)
	if len(blocks) != 2 {
		t.Fatalf("README.md has %d blocks of Go, want 2", len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(string(here), block[1]) {
			t.Errorf("README.md shows what is not in readme_test.go:\n%s", block[1])
		}
	}
}

func TestReadmeNetwork(t *testing.T) {
	n := testns.New(t)
	n.Veth("eth0", "far")
	container := n.Process().PID()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- network(ctx, container) }()
	witness := n.Netlink()
	eventually(t, "a default route via 10.0.0.1", func() bool {
		ours := &netlink.Route{Protocol: rtnl.DefaultProtocol}
		routes, err := witness.RouteListFiltered(netlink.FAMILY_V4, ours, netlink.RT_FILTER_PROTOCOL)
		return err == nil && len(routes) == 1 && routes[0].Gw.String() == "10.0.0.1"
	})
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestReadmeTune(t *testing.T) {
	p := testns.New(t).Process()
	loop, err := tune(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	supervisor := suture.NewSimple("test")
	supervisor.Add(loop)
	ctx, cancel := context.WithCancel(t.Context())
	ended := supervisor.ServeBackground(ctx)
	if err := loop.WaitConverged(ctx); err != nil {
		t.Error(err)
	}
	if report, err := loop.Release(ctx); err != nil {
		t.Errorf("%v, %v", report, err)
	}
	cancel()
	<-ended
}

// The files and packages that README.md links to exist.
func TestReadmeLinks(t *testing.T) {
	for _, link := range regexp.MustCompile(`\]\(([^)]*)\)`).FindAllStringSubmatch(readme(t), -1) {
		if strings.HasPrefix(link[1], "https://") {
			continue
		}
		if _, err := os.Stat(filepath.Join("..", link[1])); err != nil {
			t.Error(err)
		}
	}
}

// The packages that README.md's commands are about exist, and have the benchmarks that they run.
func TestReadmeCommands(t *testing.T) {
	commands := regexp.MustCompile(`(?m)go (run|test) \./(\S*)(.*-bench)?`).FindAllStringSubmatch(readme(t), -1)
	if len(commands) < 3 {
		t.Errorf("README.md has the commands %q, want those for the example, the tests and the benchmarks", commands)
	}
	for _, command := range commands {
		dir := filepath.Join("..", strings.TrimSuffix(command[2], "..."))
		if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) == 0 {
			t.Errorf("%s: there is no such package", command[0])
		}
		if command[3] != "" && !benchmarks(t, dir) {
			t.Errorf("%s: there are no benchmarks", command[0])
		}
	}
}

func benchmarks(t *testing.T, dir string) bool {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "*_test.go"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\nfunc Benchmark") {
			return true
		}
	}
	return false
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// eventually waits until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("still not so: %s", what)
		}
	}
}
