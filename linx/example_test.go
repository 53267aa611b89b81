package linx_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"

	"github.com/thejerf/suture/v4"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
)

// The interfaces of a network namespace, here a throwaway one.
func Example() {
	n, err := testns.Open()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close()
	n.Veth("red", "blue")

	h, err := linx.Path(n.Path()).Open()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer h.Close()
	err = h.Do(func() error {
		interfaces, err := net.Interfaces()
		for _, i := range interfaces {
			fmt.Println(i.Name)
		}
		return err
	})
	if err != nil {
		fmt.Println(err)
	}
	// Unordered output:
	// lo
	// red
	// blue
}

// A socket that was opened inside serves from outside: one visit is enough.
func ExampleHandle_Do() {
	n, err := testns.Open()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Close()
	h, err := n.Namespace().Open()
	if err != nil {
		fmt.Println(err)
		return
	}
	var inside net.Listener
	err = h.Do(func() (err error) {
		inside, err = net.Listen("tcp", "127.0.0.1:80")
		return err
	})
	h.Close()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer inside.Close()
	fmt.Println("serving inside on", inside.Addr())

	_, err = net.Dial("tcp", "127.0.0.1:80")
	fmt.Println("seen from outside:", err)
	// Output:
	// serving inside on 127.0.0.1:80
	// seen from outside: dial tcp 127.0.0.1:80: connect: connection refused
}

// A container that ends: whoever works for it gives up, and its supervisor knows why.
func ExampleHandle_Wait() {
	container := exec.Command("sleep", "1000")
	if err := container.Start(); err != nil {
		fmt.Println(err)
		return
	}
	h, err := linx.PID(container.Process.Pid).Find()
	if err != nil {
		fmt.Println(err)
		return
	}

	container.Process.Kill()
	err = h.Wait(context.Background())
	fmt.Println("gone:", errors.Is(err, linx.ErrNamespaceGone))
	fmt.Println("for good:", errors.Is(err, suture.ErrDoNotRestart))
	container.Wait()
	// Output:
	// gone: true
	// for good: true
}

// One namespace, three names: the ID tells.
func ExampleHandle_ID() {
	for _, ns := range []linx.Namespace{linx.PID(os.Getpid()), linx.Path("/proc/self/ns/net")} {
		h, err := ns.Open()
		if err != nil {
			fmt.Println(err)
			return
		}
		defer h.Close()
		self, err := linx.Self().Open()
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(h.ID() == self.ID())
	}
	// Output:
	// true
	// true
}

// pump fails when there is trouble.
type pump struct{ trouble <-chan error }

func (pump) String() string { return "pump" }

func (p pump) Serve(ctx context.Context) error {
	select {
	case err := <-p.trouble:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// valve must not stay open without a pump.
type valve struct{ opened chan<- bool }

func (v valve) Serve(ctx context.Context) error {
	v.opened <- true
	<-ctx.Done()
	fmt.Println("the valve is closed")
	return ctx.Err()
}

// When the pump fails, the valve is closed first; then the supervisor starts both again.
func ExampleOneForAll() {
	failed := make(chan bool)
	supervisor := suture.New("plant", suture.Spec{EventHook: func(e suture.Event) {
		if e, ok := e.(suture.EventServiceTerminate); ok {
			fmt.Printf("%s failed: %v; restarting: %v\n", e.ServiceName, e.Err, e.Restarting)
		}
		failed <- true
	}})
	opened, trouble := make(chan bool, 1), make(chan error)
	supervisor.Add(linx.OneForAll("waterworks", pump{trouble}, valve{opened}))
	ctx, cancel := context.WithCancel(context.Background())
	done := supervisor.ServeBackground(ctx)

	<-opened
	trouble <- errors.New("dry")
	<-failed
	<-opened
	cancel()
	<-done
	// Output:
	// the valve is closed
	// waterworks failed: pump: dry; restarting: true
	// the valve is closed
}
