package rtnl

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/linx-go/linx-go/linx"
)

const crashNamespace, crashLedger = "LINX_RTNL_CRASH_NAMESPACE", "LINX_RTNL_CRASH_LEDGER"

// crashState is one of the states that the process to be killed goes through.
func crashState(n int) State {
	s := State{Addresses: []Address{on("v0", "10.0.0.2/24"), on("v0", "2001:db8::2/64"), on("v1", fmt.Sprintf("10.7.%d.1/24", n%3))}}
	s.Addresses[0].Label, s.Addresses[0].Metric = fmt.Sprintf("v0:%d", n%2), uint32(n%3)
	s.Addresses[1].ValidLifetime = hour * Lifetime(1+n%2)
	for i := range 50 {
		s.Routes = append(s.Routes,
			Route{Dst: pfx(fmt.Sprintf("10.%d.0.0/16", 10+(n+i)%60)), Gateway: ipa(fmt.Sprintf("10.0.0.%d", 10+n%2))},
			Route{Dst: pfx(fmt.Sprintf("2001:db8:%x::/48", 10+(n+i)%60)), Gateway: ipa(fmt.Sprintf("2001:db8::%d", 10+n%2))})
	}
	for i := range 20 {
		s.Rules = append(s.Rules, Rule{Priority: 10, From: pfx(fmt.Sprintf("10.%d.0.0/16", (n+i)%30)), Table: uint32(100 + n%2)})
	}
	for i := range 10 {
		dst := ipa(fmt.Sprintf("10.0.0.%d", 100+(n+i)%30))
		s.Neighbors = append(s.Neighbors, Neighbor{Interface: "v0", Destination: dst, LinkAddr: mac(byte(n))})
	}
	for i := range 1 + n%2 {
		s.Links = append(s.Links, Link{Name: fmt.Sprintf("br%d", i), Kind: KindBridge, Alias: fmt.Sprint(n), Admin: Up})
	}
	s.Links = append(s.Links, Link{Name: "v1", TxQueueLen: uint32(10 + n%3), AltNames: []string{fmt.Sprintf("alt%d", n%2)}})
	s.Rules = append(s.Rules, Rule{Priority: 10, From: pfx("0.0.0.0/0"), Table: uint32(100 + n%2)})
	return s
}

// TestCrashChild is the process that TestCrash kills.
func TestCrashChild(t *testing.T) {
	path := os.Getenv(crashNamespace)
	if path == "" {
		t.Skip("run by TestCrash")
	}
	src := New(linx.Path(path), Options{})
	last := readLedger(t, os.Getenv(crashLedger))
	claimed := sync.OnceFunc(func() { fmt.Println("claimed") })
	for n := 0; ; n++ {
		r, err := src.Reconcile(context.Background(), crashState(n), last, func(l LastApplied) error {
			defer claimed()
			return writeLedger(os.Getenv(crashLedger), l)
		})
		if err := errors.Join(err, writeLedger(os.Getenv(crashLedger), r.LastApplied)); err != nil {
			t.Fatal(err)
		}
		last = r.LastApplied
	}
}

func writeLedger(path string, l LastApplied) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func readLedger(t *testing.T, path string) (l LastApplied) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l
	}
	if err := errors.Join(err, json.Unmarshal(data, &l)); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestCrash kills a process in the middle of its passes, again and again. The next one, which desires less,
// leaves nothing of the old state behind, and what is others' is untouched.
func TestCrash(t *testing.T) {
	k := newKernel(t, Options{})
	k.addAddress("v1", "192.0.2.1/24")
	k.run("route add 198.51.100.0/24 via 192.0.2.9 proto static")
	k.run("-6 route add 2001:db8:ffff::/48 dev v1 proto static")
	k.run("rule add lookup 100 priority 10 protocol static")
	k.run("neighbor add 10.0.0.99 lladdr 02:00:00:00:00:99 dev v0")
	foreign := slices.Concat(k.ipRoutes("all"), k.addresses("v1"), k.ipRules(), k.ipNeighbors(), k.ipLinks(), []string{k.ipLink("v1")})
	times := 60
	if testing.Short() {
		times = 10
	}
	seed := rand.Uint64()
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	ledger := filepath.Join(t.TempDir(), "ledger")
	less := State{Addresses: []Address{on("v0", "10.0.0.2/24")}, Routes: []Route{{Dst: pfx("10.10.0.0/16"), Gateway: ipa("10.0.0.10")}},
		Rules: []Rule{{Priority: 10, From: pfx("10.3.0.0/16"), Table: 100}}}
	midway := 0
	for range times {
		k.crash(ledger, time.Duration(random.IntN(20_000))*time.Microsecond)
		k.last = readLedger(t, ledger)
		if n := len(k.last.claims); n > 0 || len(k.last.addresses) > 0 && k.last.addresses[0].Claimed {
			midway++
		}
		k.src.Close()
		k.src = New(k.Namespace(), Options{})
		k.converge(less)
		want := append(slices.Clone(foreign), "10.0.0.2/24", "10.10.0.0/16 gateway 10.0.0.10 dev v0 protocol 76", ipWords(less.Rules[0], us))
		got := slices.Concat(k.ipRoutes("all"), k.addresses("v1"), k.addresses("v0"), k.ipRules(), k.ipNeighbors(), k.ipLinks(), []string{k.ipLink("v1")})
		slices.Sort(want)
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Fatalf("there is %v, not %v", got, want)
		}
		if err := writeLedger(ledger, k.last); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d of %d were killed between a claim and its report", midway, times)
	if midway <= times/10 && !testing.Short() { // ten are too few to tell
		t.Error("too few")
	}
}

func (k *kernel) crash(ledger string, after time.Duration) {
	k.t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestCrashChild$")
	cmd.Env = append(os.Environ(), crashNamespace+"="+k.Path(), crashLedger+"="+ledger)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		k.t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "claimed\n" {
		k.t.Fatal(line, err)
	}
	<-time.After(after)
	cmd.Process.Kill()
	cmd.Wait()
}
