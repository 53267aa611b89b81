package bench

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/thejerf/suture/v4"
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx/reconcile"
	"github.com/linx-go/linx-go/linx/rtnl"
)

// meter takes an address away and waits for the kernel's word that it is back.
type meter struct {
	b      *testing.B
	ask    *floor
	listen *floor
	link   byte
}

func newMeter(b *testing.B, n *testns.Net) *meter {
	link, err := n.Netlink().LinkByName("v0")
	if err != nil {
		b.Fatal(err)
	}
	return &meter{b, newFloor(b, n), listener(b, n), byte(link.Attrs().Index)}
}

// listener is a floor that has joined the IPv4 addresses.
func listener(b testing.TB, n *testns.Net) *floor {
	f := newFloor(b, n)
	if err := unix.SetsockoptInt(f.fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, unix.RTNLGRP_IPV4_IFADDR); err != nil {
		b.Fatal(err)
	}
	return f
}

// address packs a request about 10.7.0.1/24 on v0.
func (f *floor) address(typ, flags uint16, link byte) int {
	start := f.begin(typ, flags, unix.AF_INET, 24, 0, 0, link, 0, 0, 0)
	f.attr(unix.IFA_LOCAL, []byte{10, 7, 0, 1})
	f.attr(unix.IFA_ADDRESS, []byte{10, 7, 0, 1})
	f.end(start)
	return start
}

// await reads events until one of typ.
func (f *floor) await(typ uint16) (ok bool) {
	for !ok {
		n, err := unix.Read(f.fd, f.in)
		if err != nil {
			return false
		}
		f.messages(f.in[:n], func(t uint16, _ uint32, _ []byte) { ok = ok || t == typ })
	}
	return ok
}

func (m *meter) once() time.Duration {
	return clock(func() {
		m.ask.flush(m.ask.address(unix.RTM_DELADDR, 0, m.link))
		if !m.listen.await(unix.RTM_NEWADDR) {
			m.b.Fatal("the listening socket failed")
		}
	})
}

// percentiles reports the median and the 99th.
func percentiles(b *testing.B, times []time.Duration, name string) time.Duration {
	middle := median(times)
	b.ReportMetric(float64(middle.Nanoseconds())/1e6, name+"-median-ms")
	b.ReportMetric(float64(times[len(times)*99/100].Nanoseconds())/1e6, name+"-p99-ms")
	return middle
}

// serve adds a loop to a supervisor and waits until it has converged.
func serve(b *testing.B, src *rtnl.Source, desired rtnl.State, cfg rtnl.Config) (stop func()) {
	l, err := reconcile.New(src, desired, cfg)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	sup := suture.NewSimple("bench")
	sup.Add(l)
	done := sup.ServeBackground(ctx)
	if err := l.WaitConverged(ctx); err != nil {
		b.Fatal(err)
	}
	return func() { cancel(); <-done }
}

var oneAddress = rtnl.State{Addresses: []rtnl.Address{{Interface: "v0", Prefix: netip.MustParsePrefix("10.7.0.1/24")}}}

// From an address deleted until the kernel tells that it is back: by a loop, Immediate, against a thread
// that blocks in recvmsg and adds it again.
func BenchmarkDriftToRepair(b *testing.B) {
	const loops, runs = 50, 4 // a fifth repair of one object makes a fight
	n := world(b)
	m := newMeter(b, n)
	for b.Loop() {
		var ours, floor []time.Duration
		for range loops {
			stop := serve(b, rtnl.New(n.Namespace(), rtnl.Options{}), oneAddress, rtnl.Config{
				Interval: reconcile.Never, Debounce: reconcile.Immediate,
			})
			m.listen.await(unix.RTM_NEWADDR)
			for range runs {
				ours = append(ours, m.once())
				pause(5 * time.Millisecond)
			}
			stop()

			healer := listener(b, n)
			stopped := make(chan struct{})
			go func() {
				defer close(stopped)
				ask := newFloor(b, n)
				for range runs {
					healer.await(unix.RTM_DELADDR)
					ask.flush(ask.address(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_EXCL, m.link))
				}
			}()
			for range runs {
				floor = append(floor, m.once())
				pause(5 * time.Millisecond)
			}
			<-stopped
			// What the floor made is not the loop's: let that have it again.
			m.ask.flush(m.ask.address(unix.RTM_DELADDR, 0, m.link))
		}
		b.ReportMetric(float64(percentiles(b, ours, "ours"))/float64(percentiles(b, floor, "floor")), "x-floor")
	}
}

// From Supervisor.Add to the first convergence: an address and a route that were not there.
func BenchmarkAddToConverged(b *testing.B) {
	const runs = 200
	n := world(b)
	desired := rtnl.State{
		Addresses: oneAddress.Addresses,
		Routes:    []rtnl.Route{{Gateway: families[0].gateway}},
	}
	for b.Loop() {
		var times []time.Duration
		for range runs {
			src := rtnl.New(n.Namespace(), rtnl.Options{})
			l, err := reconcile.New(src, desired, rtnl.Config{})
			if err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			sup := suture.NewSimple("bench")
			done := sup.ServeBackground(ctx)
			began := time.Now()
			sup.Add(l)
			if err := l.WaitConverged(ctx); err != nil {
				b.Fatal(err)
			}
			times = append(times, time.Since(began))
			if _, err := l.Release(ctx); err != nil {
				b.Fatal(err)
			}
			cancel()
			<-done
		}
		percentiles(b, times, "add")
	}
}

func pause(d time.Duration) { <-time.After(d) }
