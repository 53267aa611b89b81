package rtnl

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx/reconcile"
)

// addRules makes the state's rules ready.
func (x *index) addRules(wrong *faults) {
	list := x.state.Rules
	x.rules = make([]rule, len(list))
	x.rule = make(map[rule]int32, len(list))
	identities := make(map[ruleKey]int, len(list))
	for i := range list {
		r := packRule(&list[i])
		if j, ok := identities[r.ruleKey]; ok {
			wrong.add("rules", i, fmt.Errorf("%v: rules[%d] has the same identity, %v; one of them needs another priority "+
				"or selector", list[i], j, list[j]))
		}
		identities[r.ruleKey] = i
		x.rules[i], x.rule[r] = r, int32(i)
		x.ruled[which(r.v6)] = true
	}
}

// readRules reads a family's rules, of which the kernel has a list that it filters by nothing.
func (p *pass) readRules(ctx context.Context, v6 bool) error {
	if f := which(v6); !p.sweep && !p.want.ruled[f] && !p.ruled[f] {
		return nil
	}
	return p.dumpRules(ctx, v6, p.survey.seeRule)
}

func (p *pass) dumpRules(ctx context.Context, v6 bool, see func(*seenRule)) error {
	askRules(&p.batch, v6)
	var r seenRule
	err := p.conn.Dump(ctx, &p.batch, func(_ uint16, body []byte) error {
		if decodeRule(body, &r) && r.v6 == v6 {
			see(&r)
		}
		return nil
	})
	if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil // a kernel without this family has no rules of it
	}
	return p.explain("reading "+familyName(v6)+" rules", err)
}

func (s *survey) seeRule(r *seenRule) {
	s.anonymous = s.anonymous || !r.tagged
	if r.protocol != s.protocol || r.strange {
		return
	}
	if i, ok := s.want.rule[r.rule]; ok && !s.rules[i] {
		s.rules[i] = true
		return
	}
	// One that could not be desired (host bits, priority 0) was never ours, whatever its protocol.
	if old := r.unpack(); old.fault() == nil {
		s.oldRules = append(s.oldRules, r.rule)
	}
}

var errAnonymous = errors.New("this kernel does not keep who made a rule, so that nobody could tell ours: it takes Linux 4.17")

func (s *survey) diffRules(d *difference) {
	d.oldRules = s.oldRules
	for n, inPlace := range s.rules {
		switch {
		case inPlace:
		case s.anonymous:
			d.failed = append(d.failed, reconcile.Failure{Op: op(Create, &s.want.state.Rules[n]), Err: errAnonymous})
		default:
			d.newRules = append(d.newRules, int32(n))
		}
	}
}
