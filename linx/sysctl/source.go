package sysctl

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// What reconcile's generic types are called here.
type (
	Config = reconcile.Config[LastApplied]
	Report = reconcile.Report[LastApplied]
	Loop   = reconcile.Loop[Settings, LastApplied]
)

// Options holds what is optional about a Source. The zero value is a good one.
type Options struct {
	// RevertOnRelease gives a key that leaves the desired set the value back that it had before the first
	// write. Without, it keeps the value that it has.
	RevertOnRelease bool
	// Logger is told when another writer begins and ceases to keep changing a key; see
	// reconcile.FightError. nil: silent.
	Logger *slog.Logger
}

// Source keeps the sysctls of one namespace as desired. It is a reconcile.Source, Subscriber and Validator,
// and an io.Closer; make one with New. Its methods are safe for concurrent use; one pass runs at a time.
type Source struct {
	ns   linx.Namespace
	opts Options

	mu      sync.Mutex
	handle  *linx.Handle // nil: the namespace has not been found yet
	watcher *watcher     // of the newest subscription
	latest  []key        // of the newest pass, for Unhinted
	apart   bool         // in the newest pass, the container's procfs was not known to be ours

	turn   chan struct{} // held by whoever uses what follows
	tree   procfs
	fights fights
	gone   bool // the namespace was, in the last pass
}

var (
	_ reconcile.Source[Settings, LastApplied] = (*Source)(nil)
	_ reconcile.Subscriber                    = (*Source)(nil)
	_ reconcile.Validator[Settings]           = (*Source)(nil)
)

// New makes a source. It opens nothing: what is wrong with the namespace, Validate and the first pass say.
func New(ns linx.Namespace, opts Options) *Source {
	s := &Source{
		ns:     ns,
		opts:   opts,
		turn:   make(chan struct{}, 1),
		tree:   procfs{ns: ns, kept: map[key]int{}, buf: make([]byte, unix.Getpagesize())},
		fights: fights{log: opts.Logger},
	}
	if s.fights.log == nil {
		s.fights.log = slog.New(slog.DiscardHandler)
	}
	return s
}

// String gives "sysctl in self", "sysctl in pid 4711" or "sysctl in /run/netns/blue".
func (s *Source) String() string { return "sysctl in " + s.ns.String() }

// Validate refuses what is wrong with the settings as far as it can be told without the kernel: names that
// are no key, values that cannot be written, keys that cannot be had in the namespace, keys without state,
// keys that exclude each other.
func (s *Source) Validate(desired Settings) error {
	if err := s.ns.Validate(); err != nil {
		return err
	}
	_, err := desired.compile(s.ns)
	return err
}

// Reconcile runs one pass; see reconcile.Source. It reads every key that is desired or owned, writes those
// that differ, most general first, and looks again after writing, since one key may move others, in at most
// five rounds of looking.
//
// Failed has the keys that are absent, that the kernel refused (with its errno), or that it holds another
// value for than was written (NotTakenError). Pending has those that wait for an interface, and those that
// another writer keeps changing (reconcile.FightError). Neither holds up others.
func (s *Source) Reconcile(
	ctx context.Context, desired Settings, last LastApplied, claim func(LastApplied) error,
) (Report, error) {
	report := Report{Began: time.Now(), LastApplied: last}
	err := s.inTurn(ctx, func() error { return s.pass(ctx, desired, claim, &report) })
	report.Took = time.Since(report.Began)
	return report, err
}

// pass is Reconcile in its turn. The report comes with the last ownership, and gets the new one.
func (s *Source) pass(ctx context.Context, desired Settings, claim func(LastApplied) error, report *Report) error {
	if err := s.refresh(); err != nil {
		return err
	}
	s.takeWatcher()
	if observed := time.Now(); s.fights.Quiet() && s.tree.steady(desired, report.LastApplied) {
		report.Converged, report.Observed = true, observed
		return ctx.Err()
	}
	want, err := desired.compile(s.ns)
	if err != nil {
		return err
	}
	owned, err := report.LastApplied.in(s.ns, s.tree.handle.ID())
	if err != nil {
		return err
	}
	var found []key
	if len(want.patterns) > 0 {
		if found, err = s.tree.find(want.globs()); err != nil {
			return err
		}
	}
	p := pass{
		tree:    &s.tree,
		revert:  s.opts.RevertOnRelease,
		desired: want.expand(s.ns, found),
		owned:   owned,
		claim:   claim,
		fights:  &s.fights,
	}
	err = p.run(ctx)
	p.conclude(report)
	s.tree.keepOnly(p.keys)
	s.note(&p)
	s.tree.seen = nil
	if report.Converged {
		s.tree.seen = s.tree.glances(desired)
	}
	return err
}

// refresh opens the namespace, or makes sure that it is still the one that is open.
func (s *Source) refresh() error {
	h, err := s.find()
	if err != nil {
		return err
	}
	if s.gone { // look again, even if nobody has called Close
		s.letGo()
	}
	err = h.Refresh()
	s.gone = errors.Is(err, linx.ErrNamespaceGone)
	return err
}

// reopen is refresh that looks again at once.
func (s *Source) reopen() error {
	err := s.refresh()
	if s.gone {
		err = s.refresh()
	}
	return err
}

// find settles once which namespace it is.
func (s *Source) find() (*linx.Handle, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handle == nil {
		h, err := s.ns.Find()
		if err != nil {
			return nil, err
		}
		s.handle, s.tree.handle = h, h
	}
	return s.handle, nil
}

// Close lets go of the namespace and of all descriptors; the next pass opens them again. It waits for a
// pass that is under way.
func (s *Source) Close() error {
	return s.inTurn(context.Background(), s.letGo)
}

func (s *Source) letGo() error {
	s.tree.close()
	if s.tree.handle == nil {
		return nil
	}
	return s.tree.handle.Close()
}

func (s *Source) inTurn(ctx context.Context, fn func() error) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
		return fn()
	case <-ctx.Done():
		return ctx.Err()
	}
}
