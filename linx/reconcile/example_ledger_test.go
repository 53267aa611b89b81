package reconcile_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/linx-go/linx-go/linx/linxtest"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// ledger keeps ownership in a file, so that a process that is killed leaves nothing behind for good: the next
// one reads what the last one owned, or was about to take.
type ledger struct{ path string }

// read gives what is in the file. None is fine: nothing is owned.
func (l ledger) read() (owned linxtest.Owned, err error) {
	text, err := os.ReadFile(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return owned, json.Unmarshal(text, &owned)
}

// write replaces the file as a whole, or not at all: a new file, on the disk before it takes the name of the
// old one, and the name on the disk as well before anything changes in the kernel.
func (l ledger) write(owned linxtest.Owned) error {
	text, err := json.Marshal(owned)
	if err != nil {
		return err
	}
	dir := filepath.Dir(l.path)
	f, err := os.CreateTemp(dir, filepath.Base(l.path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), l.path); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// process is one life of a program that keeps a ledger, up to where it has converged.
func (l ledger) process(kernel *linxtest.Kernel, desired linxtest.State) error {
	owned, err := l.read()
	if err != nil {
		return err
	}
	loop, err := reconcile.New(linxtest.NewSource(kernel), desired, reconcile.Config[linxtest.Owned]{
		LastApplied: owned,
		// Before a change: what is about to be owned. If it cannot be written, nothing is changed.
		Claim: func(_ context.Context, owned linxtest.Owned) error { return l.write(owned) },
		// After a pass: what is.
		Notify: func(_ context.Context, r reconcile.Report[linxtest.Owned], _ error) {
			if err := l.write(r.LastApplied); err != nil {
				fmt.Println("the claims stay in the ledger:", err)
			}
		},
	})
	if err != nil {
		return err
	}
	ctx, kill := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- loop.Serve(ctx) }()
	err = loop.WaitConverged(ctx)
	kill()
	<-ended
	return err
}

// Claim and Notify keep the ownership in a file that is written atomically; Config.LastApplied hands it to
// the next process.
func Example_ledger() {
	dir, err := os.MkdirTemp("", "ledger")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	l := ledger{filepath.Join(dir, "owned.json")}
	kernel := linxtest.NewKernel(linxtest.State{"theirs": "1"})

	fmt.Println(l.process(kernel, linxtest.State{"a": "1", "b": "2"}), kernel.Objects())
	text, _ := os.ReadFile(l.path)
	fmt.Println(string(text))

	// The next life wants less, and knows what it has to clear away.
	fmt.Println(l.process(kernel, linxtest.State{"b": "2"}), kernel.Objects())
	text, _ = os.ReadFile(l.path)
	fmt.Println(string(text))
	// Output:
	// <nil> map[a:{1 true} b:{2 true} theirs:{1 false}]
	// {"a":"confirmed","b":"confirmed"}
	// <nil> map[b:{2 true} theirs:{1 false}]
	// {"b":"confirmed"}
}
