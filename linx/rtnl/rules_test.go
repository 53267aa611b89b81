package rtnl

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/linx-go/linx-go/linx"
)

// TestRulePrint: rules read like ip(8).
func TestRulePrint(t *testing.T) {
	for want, r := range map[string]Rule{
		"rule from 10.0.0.0/8 lookup 100 priority 1000":      {Priority: 1000, From: pfx("10.0.0.0/8"), Table: 100},
		"rule from all to 10.0.0.0/8 lookup main priority 1": {Priority: 1, To: pfx("10.0.0.0/8"), Table: 254},
		"rule from ::/0 fwmark 0x5 blackhole priority 1":     {Priority: 1, From: pfx("::/0"), Mark: 5, Action: RuleBlackhole},
		"rule from ::/0 to 2001:db8::/32 goto 7 priority 1": {Priority: 1, From: pfx("::/0"), To: pfx("2001:db8::/32"),
			Action: RuleGoto, Goto: 7},
		"rule from 0.0.0.0/0 fwmark 0x0/0xf0 lookup main suppress_prefixlength 0 priority 9": {Priority: 9,
			From: pfx("0.0.0.0/0"), Mask: 0xf0, MinPrefixLength: 1},
		"rule not from 10.0.0.0/8 nop priority 9":      {Priority: 9, Not: true, From: pfx("10.0.0.0/8"), Action: RuleNop},
		"rule from 0.0.0.0/0 iif v0 l3mdev priority 9": {Priority: 9, From: pfx("0.0.0.0/0"), IIF: "v0", L3MDev: true},
		"rule from 0.0.0.0/0 tos 0x10 iif v0 oif v1 uidrange 0-0 ipproto 6 sport 80 dport 90-95 nop priority 9": {
			Priority: 9, From: pfx("0.0.0.0/0"), TOS: 16, IIF: "v0", OIF: "v1", UIDs: UIDs(0, 0), IPProtocol: 6,
			SourcePorts: Ports(80, 80), DestinationPorts: Ports(90, 95), Action: RuleNop},
	} {
		if r.String() != want {
			t.Errorf("%s, not %s", r, want)
		}
	}
}

// drawRule gives one of few, so that many are almost the same.
func drawRule(t *rapid.T) Rule {
	pick := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
	maybe := func(label string) bool { return rapid.IntRange(0, 3).Draw(t, label) == 0 }
	r := Rule{Priority: rapid.SampledFrom([]uint32{5, 6, 32766}).Draw(t, "priority")}
	if rapid.Bool().Draw(t, "v6") {
		r.From = pfx(pick("from", "::/0", "2001:db8::/32"))
		if maybe("to") {
			r.To = pfx("2001:db8:1::/48")
		}
	} else {
		r.From = pfx(pick("from", "0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/16"))
		if maybe("to") {
			r.To = pfx("10.1.0.0/16")
		}
	}
	if maybe("mark") {
		r.Mark = 5
		r.Mask = rapid.SampledFrom([]uint32{0, 0xf}).Draw(t, "mask")
	}
	if maybe("tos") {
		r.TOS = 16
	}
	if maybe("iif") {
		r.IIF = pick("iif name", "v0", "nowhere")
	}
	if maybe("oif") {
		r.OIF = "v1"
	}
	if maybe("protocol") {
		r.IPProtocol = 6
		r.DestinationPorts = rapid.SampledFrom([]PortRange{{}, Ports(80, 80), Ports(80, 90)}).Draw(t, "dport")
	}
	if maybe("uids") {
		r.UIDs = UIDs(0, 0) // the one that an ordinary user's namespace has
	}
	r.Not = rapid.Bool().Draw(t, "not")
	r.Action = rapid.SampledFrom([]RuleAction{RuleLookup, RuleLookup, RuleGoto, RuleBlackhole}).Draw(t, "action")
	switch r.Action {
	case RuleLookup:
		r.Table = rapid.SampledFrom([]uint32{0, 100, 70000}).Draw(t, "table")
		if maybe("length") {
			r.MinPrefixLength = 1
		}
	case RuleGoto:
		r.Goto = rapid.SampledFrom([]uint32{32767, 40000}).Draw(t, "goto")
	}
	return r
}

// drawRules gives a valid list.
func drawRules(t *rapid.T, label string) *index {
	var state State
	for _, r := range rapid.SliceOfN(rapid.Custom(drawRule), 0, 10).Draw(t, label) {
		if with := append(slices.Clone(state.Rules), r); valid(State{Rules: with}) {
			state.Rules = with
		}
	}
	x, err := newIndex(state)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestRuleJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := drawRules(t, "rules")
		data, err := json.Marshal(x.state)
		if err != nil {
			t.Fatal(err)
		}
		var back State
		if err := json.Unmarshal(data, &back); err != nil || !slices.Equal(back.Rules, x.state.Rules) {
			t.Fatalf("%s became %+v (%v)", data, back, err)
		}
		for i := range x.rules {
			back := x.rules[i].unpack()
			if packRule(&back) != x.rules[i] {
				t.Fatalf("%v became %v", x.state.Rules[i], back)
			}
		}
	})
	text := `{"rules":[{"priority":9,"from":"0.0.0.0/0","sport":"80","dport":"80-90","uids":"0-0","action":"goto","goto":10}]}`
	var s State
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	if back, err := json.Marshal(s); err != nil || string(back) != text {
		t.Errorf("%s, not %s (%v)", back, text, err)
	}
	for in, want := range map[string]string{
		`{"rules": [{"prio": 1}]}`:              "prio",
		`{"rules": [{"action": "drop"}]}`:       "blackhole",
		`{"rules": [{"sport": "http"}]}`:        "want 80 or 80-90",
		`{"rules": [{"sport": "65536"}]}`:       "out of range",
		`{"rules": [{"uids": "-1"}]}`:           "want 1000",
		`{"rules": [{"uids": "0-4294967296"}]}`: "out of range",
	} {
		if err := json.Unmarshal([]byte(in), &s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// TestBadRules: each is refused by Validate with an error that names the entry and says what would be right.
func TestBadRules(t *testing.T) {
	good := Rule{Priority: 9, From: pfx("10.0.0.0/8"), Table: 100}
	for name, c := range map[string]struct {
		change func(*Rule)
		want   string
	}{
		"no priority":            {func(r *Rule) { r.Priority = 0 }, "from 1 on"},
		"no family":              {func(r *Rule) { r.From = netip.Prefix{} }, "0.0.0.0/0 or ::/0"},
		"host bits":              {func(r *Rule) { r.From = pfx("10.0.0.1/8") }, "10.0.0.0/8"},
		"host bits in To":        {func(r *Rule) { r.To = pfx("10.0.0.1/8") }, "To 10.0.0.1/8"},
		"mapped":                 {func(r *Rule) { r.From = pfx("::ffff:0:0/96") }, "write it as IPv4"},
		"mixed families":         {func(r *Rule) { r.To = pfx("2001:db8::/32") }, "different families"},
		"interface name":         {func(r *Rule) { r.IIF = "v 0" }, "space"},
		"output interface name":  {func(r *Rule) { r.OIF = "a234567890123456" }, "at most 15"},
		"ECN bits":               {func(r *Rule) { r.TOS = 17 }, "0x10"},
		"port 0":                 {func(r *Rule) { r.SourcePorts = Ports(0, 5) }, "from 1 on"},
		"port 65535":             {func(r *Rule) { r.DestinationPorts = Ports(65535, 65535) }, "65534"},
		"ports backwards":        {func(r *Rule) { r.DestinationPorts = Ports(90, 80) }, "ports 90-80"},
		"user ids backwards":     {func(r *Rule) { r.UIDs = UIDs(2, 1) }, "at most the last"},
		"no user id":             {func(r *Rule) { r.UIDs = UIDs(0, 4294967295) }, "4294967294"},
		"not anything":           {func(r *Rule) { r.Not, r.From = true, pfx("0.0.0.0/0") }, "leave out Not"},
		"no such action":         {func(r *Rule) { r.Action = 99 }, "RuleProhibit"},
		"blackhole with table":   {func(r *Rule) { r.Action = RuleBlackhole }, "leave out Table"},
		"l3mdev with table":      {func(r *Rule) { r.L3MDev = true }, "the table is the VRF's"},
		"lookup with goto":       {func(r *Rule) { r.Goto = 10 }, "RuleGoto"},
		"goto nowhere":           {func(r *Rule) { r.Action, r.Table = RuleGoto, 0 }, "forward"},
		"goto itself":            {func(r *Rule) { r.Action, r.Table, r.Goto = RuleGoto, 0, 9 }, "above this rule's own 9"},
		"length without lookup":  {func(r *Rule) { r.Action, r.Table, r.MinPrefixLength = RuleNop, 0, 1 }, "MinPrefixLength"},
		"length out of range":    {func(r *Rule) { r.MinPrefixLength = 33 }, "at most 32"},
		"the same":               {func(r *Rule) {}, "rules[0]"},
		"the same, other table":  {func(r *Rule) { r.Table = 200 }, "another priority"},
		"the same, other action": {func(r *Rule) { r.Action, r.Table = RuleProhibit, 0 }, "rules[0]"},
	} {
		bad := good
		c.change(&bad)
		err := New(linx.Self(), Options{}).Validate(State{Rules: []Rule{good, bad}})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "rules[1]") {
			t.Errorf("%s: %q is not in: %v", name, c.want, err)
		}
	}
	if err := New(linx.Self(), Options{}).Validate(State{Rules: []Rule{
		good, {Priority: 9, From: pfx("::/0")}, {Priority: 9, To: pfx("10.0.0.0/8")}, {Priority: 9, From: pfx("0.0.0.0/0")},
		{Priority: 4294967295, From: pfx("0.0.0.0/0"), MinPrefixLength: 32},
		{Priority: 9, Not: true, From: pfx("10.0.0.0/8")}, {Priority: 9, Not: true, From: pfx("0.0.0.0/0"), Mask: 1},
	}}); err != nil {
		t.Error(err)
	}
}
