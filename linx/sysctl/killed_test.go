package sysctl

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/linx-go/linx-go/internal/testns"
	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/linxtest"
)

// killedChild names, for the process that TestKilled starts and kills, the file for its ledger, beside which
// is the name of the namespace to work in; killedSeed gives it its random states.
const killedChild, killedSeed = "LINX_SYSCTL_KILLED", "LINX_SYSCTL_KILLED_SEED"

var killedKeys = []string{"net/ipv4/tcp_syncookies", "net/ipv4/ip_local_port_range", "net/ipv4/neigh/lo/retrans_time_ms",
	"net/ipv4/conf/lo/rp_filter", "net/ipv4/ip_local_reserved_ports", "net/ipv4/tcp_sack"}

// store keeps a ledger as a consumer's Claim would: whole, or not at all.
func store(file string, l LastApplied) error {
	text, err := json.Marshal(l)
	if err == nil {
		err = os.WriteFile(file+".new", text, 0o600)
	}
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	return err
}

func load(file string) (l LastApplied, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	return l, err
}

// TestKilledChild runs passes towards random states until it is killed, if it is started by TestKilled.
func TestKilledChild(t *testing.T) {
	file := os.Getenv(killedChild)
	if file == "" {
		t.Skip("started by TestKilled")
	}
	path, err := os.ReadFile(file + ".namespace")
	if err != nil {
		t.Fatal(err)
	}
	seed, err := strconv.ParseUint(os.Getenv(killedSeed), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, 0))
	s := New(linx.Path(string(path)), Options{RevertOnRelease: true})
	last, err := load(file)
	for err == nil {
		desired := Settings{}
		for _, k := range killedKeys {
			if random.IntN(2) == 0 {
				desired[k] = Int(random.IntN(3))
			}
		}
		delete(desired, killedKeys[1])
		if random.IntN(2) == 0 {
			desired[killedKeys[1]] = Ints(20000+random.IntN(9), 60000)
		}
		if r, passErr := s.Reconcile(t.Context(), desired, last, func(l LastApplied) error { return store(file, l) }); passErr != nil {
			err = passErr
		} else {
			last = r.LastApplied
			err = store(file, last)
		}
	}
	t.Fatal(err)
}

// TestKilled kills processes in the middle of their passes, at random points. What each left in its ledger
// is enough to give back, in the end, all that was there before the first.
func TestKilled(t *testing.T) {
	n := testns.New(t)
	turn(t, n, "net/ipv4/neigh/lo/retrans_time_ms", "1000")
	before := map[string]string{}
	for _, path := range killedKeys {
		before[path] = look(t, n, path)
	}
	file := t.TempDir() + "/ledger"
	if err := os.WriteFile(file+".namespace", []byte(n.Path()), 0o600); err != nil {
		t.Fatal(err)
	}
	s := source(t, n.Namespace(), Options{RevertOnRelease: true})
	seed := rand.Uint64()
	t.Log("seed", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	const times = 100
	midway := 0
	for i := range times {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestKilledChild$", "-test.timeout=60s")
		cmd.Env = append(os.Environ(), killedChild+"="+file, killedSeed+"="+strconv.FormatUint(random.Uint64(), 10))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		first, _ := os.ReadFile(file)
		linxtest.Eventually(t, "the child works", func() bool {
			now, _ := os.ReadFile(file)
			return string(now) != string(first)
		})
		timer := time.NewTimer(time.Duration(random.IntN(2000)) * time.Microsecond)
		<-timer.C
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		last, err := load(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, owned := range last.Keys {
			if owned.Claimed {
				midway++
				break
			}
		}
		if i%10 != 9 {
			continue // the next process goes on from the ledger
		}
		r := reconciled(t, s, nil, last)
		for path, value := range before {
			if got := look(t, n, path); got != value {
				t.Errorf("after %s: %s is %q, was %q; ledger %+v; %s", strconv.Itoa(i+1), path, got, value, last, ops(r))
			}
		}
		if err := store(file, r.LastApplied); err != nil || !r.Converged || t.Failed() {
			t.Fatal(err, r.Failed)
		}
	}
	t.Logf("%d of %d were killed between a claim and its report", midway, times)
	if midway <= times/10 {
		t.Error("too few")
	}
}
