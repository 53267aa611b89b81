package rtnl

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/linx-go/linx-go/internal/rtnetlink"
	"github.com/linx-go/linx-go/linx"
	"github.com/linx-go/linx-go/linx/monitor"
	"github.com/linx-go/linx-go/linx/reconcile"
)

// Source is the interfaces, addresses, neighbours, nexthop objects, routes and rules of one network
// namespace. It is a reconcile.Source, and a Subscriber, Validator and io.Closer. Its methods are safe for
// concurrent use; passes wait for each other.
type Source struct {
	ns       linx.Namespace
	opts     Options
	untagged bool             // tests: as on a kernel without IFA_PROTO
	now      func() time.Time // tests: for fights

	mu        sync.Mutex // guards what follows
	current   *index     // of the state that was used last
	validated *index     // of the one that was validated since
	listeners []*listener

	turn    chan struct{} // holds a token; who has it may use what follows
	handle  *linx.Handle  // kept for life: it is the namespace's identity
	conn    *rtnetlink.Conn
	id      linx.ID // of the namespace that what follows is about
	survey  survey
	decoder routeDecoder
	settled *index // its state was once looked for everywhere
	peers   peers
	objects bool // there were nexthop objects of ours
	filter  monitor.Filter
	fights  fights
}

// New returns a source for the namespace. It opens nothing and checks nothing: Validate and Reconcile do.
func New(ns linx.Namespace, opts Options) *Source {
	s := &Source{ns: ns, opts: opts, now: time.Now, turn: make(chan struct{}, 1), peers: make(peers)}
	s.fights.name, s.fights.log = s.String(), opts.Logger
	if opts.Logger == nil {
		s.fights.log = slog.New(slog.DiscardHandler)
	}
	s.turn <- struct{}{}
	return s
}

// String gives "rtnl(/run/netns/blue)".
func (s *Source) String() string { return "rtnl(" + s.ns.String() + ")" }

// Validate checks, without asking the kernel, the options, the name of the namespace and the state. The
// error names each entry that is wrong (of many, the first ten) and says what would be right.
func (s *Source) Validate(desired State) error {
	if err := s.check(); err != nil {
		return err
	}
	x, err := s.index(desired)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if x != s.current {
		s.validated = x
	}
	return nil
}

func (s *Source) check() error {
	if err := s.opts.check(); err != nil {
		return err
	}
	if err := s.ns.Validate(); err != nil {
		return fmt.Errorf("rtnl: namespace: %w", err)
	}
	return nil
}

// index gives the index of a state, made anew only if the state is.
func (s *Source) index(desired State) (*index, error) {
	s.mu.Lock()
	for _, x := range []*index{s.current, s.validated} {
		if x != nil && same(&x.state, &desired) {
			s.mu.Unlock()
			return x, nil
		}
	}
	s.mu.Unlock()
	return newIndex(desired)
}

// Reconcile runs one pass, as reconcile.Source has it: it observes the namespace, makes it what desired
// says, and observes again until there is nothing left to do, for a few rounds. After an error that wraps
// linx.ErrNamespaceGone, Close lets go of the namespace that is gone, and then the next pass looks for it
// anew; a Loop does so.
//
// What is desired of another state than the last call's is checked as Validate does. claim is called before
// the first change, and again if a later round takes more.
func (s *Source) Reconcile(ctx context.Context, desired State, last LastApplied, claim func(LastApplied) error) (Report, error) {
	began := time.Now()
	p, release, err := s.begin(ctx, desired, last, s.prepare)
	if err != nil {
		return Report{Began: began, Took: time.Since(began), LastApplied: last}, err
	}
	defer release()
	p.claim = claim
	p.report.Began = began
	err = p.run(ctx)
	report := p.finish()
	if err != nil {
		s.disconnect() // whatever state it is in
	}
	return report, err
}

// Plan gives what Reconcile would do first, in order, and does nothing. What would wait, or conflicts, is
// not in it, nor what is deleted only if it proves to be ours. What the source does and hears for the state
// in use stays as it is.
func (s *Source) Plan(ctx context.Context, desired State, last LastApplied) ([]reconcile.Op, error) {
	p, release, err := s.begin(ctx, desired, last, s.rehearse)
	if err != nil {
		return nil, err
	}
	defer release()
	plan, err := p.compare(ctx)
	if err != nil {
		s.disconnect()
		return nil, err
	}
	return p.ops(plan), nil
}

// preparation makes a pass, once the source is open.
type preparation func(x *index, last LastApplied) (*pass, error)

// begin waits for its turn and gets everything ready for a pass. release ends the turn.
func (s *Source) begin(ctx context.Context, desired State, last LastApplied, prepare preparation) (p *pass, release func(), err error) {
	if err := s.check(); err != nil {
		return nil, nil, err
	}
	x, err := s.index(desired)
	if err != nil {
		return nil, nil, err
	}
	release, err = s.take(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer func(release func()) {
		if p == nil { // an error, or a panic
			release()
		}
	}(release)
	if err := s.open(); err != nil {
		return nil, nil, err
	}
	p, err = prepare(x, last.in(s.id))
	return p, release, err
}

// prepare is for a pass that applies: from now on x is what the source is about.
func (s *Source) prepare(x *index, last LastApplied) (*pass, error) {
	s.use(x)
	if err := s.regroup(); err != nil {
		return nil, err
	}
	if s.survey.want != x {
		s.survey.alien = nil
	}
	s.fights.begin(x, &last)
	s.fights.excused = false
	s.peers.keep(x)
	return s.newPass(x, last, &s.survey), nil
}

// rehearse is for a pass that only looks. It has a survey of its own, which knows what the source's knows.
func (s *Source) rehearse(x *index, last LastApplied) (*pass, error) {
	own := &survey{tags: s.survey.tags}
	if s.survey.want == x {
		own.alien = s.survey.alien
	}
	return s.newPass(x, last, own), nil
}

// take waits for the source to be free.
func (s *Source) take(ctx context.Context) (release func(), err error) {
	select {
	case <-s.turn:
		return func() { s.turn <- struct{}{} }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// use makes x the index to know a state by.
func (s *Source) use(x *index) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.validated == x {
		s.validated = nil
	}
	s.current = x
}

func (s *Source) newPass(x *index, last LastApplied, v *survey) *pass {
	v.want, v.last, v.made = x, &last, nil
	v.protocol, v.untagged = s.opts.protocol(), s.untagged
	v.madeNeighbors, v.lostNeighbors = make(map[neighborKey]neighbor), make(map[neighbor]struct{})
	v.linkSurvey = linkSurvey{adjustment: slices.Clone(last.adjusted)}
	v.nexthops.wanted, v.used = s.opts.NexthopObjects, nil
	p := &pass{
		source: s, conn: s.conn, want: x, last: last, survey: v,
		began:   s.now(),
		owned:   last,
		sweep:   s.settled != x,
		names:   make(map[int32]string),
		made:    make(map[bareAddress]struct{}),
		shaping: newShaping(len(x.state.Links)),
	}
	if p.shapes() {
		v.begin(&last)
	}
	for i := range last.rules {
		p.ruled[which(last.rules[i].v6())] = true
	}
	last.leftRoutes(x, func(r *Route) {
		packed := packRoute(r, 0)
		p.hold[which(packed.v6)].add(packed.table)
		p.hidden = p.hidden || packed.v6
	})
	return p
}

// open makes handle and connection usable, and forgets what is about another namespace.
func (s *Source) open() error {
	if s.handle == nil {
		h, err := s.ns.Find()
		if err != nil {
			return fmt.Errorf("rtnl: finding %v: %w", s.ns, err)
		}
		s.handle = h
	}
	if err := s.handle.Refresh(); err != nil {
		return fmt.Errorf("rtnl: %v: %w", s.ns, err)
	}
	if id := s.handle.ID(); id != s.id {
		s.disconnect()
		s.id, s.settled, s.survey.alien = id, nil, nil
	}
	if s.conn != nil {
		return nil
	}
	conn, err := rtnetlink.Dial(s.handle)
	if err != nil {
		return fmt.Errorf("rtnl: opening a socket in %v: %w", s.ns, err)
	}
	s.conn = conn
	_, err = s.hear(true)
	return err
}

func (s *Source) disconnect() {
	if s.conn == nil {
		return
	}
	conn := s.conn
	s.conn = nil
	s.hear(true) // before the port id can be another's; a monitor that failed to follow is closed
	conn.Close() // nothing is lost by its failing
}

// letGo keeps nothing that would keep the namespace alive.
func (s *Source) letGo() error {
	s.disconnect()
	if s.handle == nil {
		return nil
	}
	return s.handle.Close()
}

// Close lets go of the socket and of the namespace, once a pass under way has ended. The next Reconcile
// opens them again: for a PID in the same process, or not at all. Closing twice is fine.
func (s *Source) Close() error {
	<-s.turn
	defer func() { s.turn <- struct{}{} }()
	return s.letGo()
}
