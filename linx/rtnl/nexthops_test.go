package rtnl

import (
	"encoding/json"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/linx"
)

// TestBadNexthops: each is refused by Validate with an error that names the entry and says what would be
// right.
func TestBadNexthops(t *testing.T) {
	good := viaObject(5, "10.0.0.1")
	for name, c := range map[string]struct {
		bad  NexthopObject
		want string
	}{
		"no id":                   {NexthopObject{Blackhole: true}, "any but 0"},
		"an automatic id":         {viaObject(firstNexthop+1, "10.0.0.1"), "Options.NexthopObjects"},
		"nothing":                 {NexthopObject{ID: 6}, "say Blackhole"},
		"gateway alone":           {NexthopObject{ID: 6, Gateway: ipa("10.0.0.1")}, "Interface"},
		"two things":              {NexthopObject{ID: 6, Blackhole: true, Interface: "v0"}, "one of them"},
		"group with an interface": {NexthopObject{ID: 6, Group: []NexthopMember{{ID: 5}}, Interface: "v0"}, "one of them"},
		"IPv6":                    {viaObject(6, "2001:db8::1"), "crashes Linux 6.18"},
		"mapped gateway":          {viaObject(6, "::ffff:10.0.0.1"), "write 10.0.0.1"},
		"interface name":          {NexthopObject{ID: 6, Interface: "v/0"}, "slash"},
		"onlink device":           {NexthopObject{ID: 6, Interface: "v0", OnLink: true}, "OnLink"},
		"id twice":                {viaObject(5, "10.0.0.2"), "nexthops[0]"},
		"strange member":          {NexthopObject{ID: 6, Group: []NexthopMember{{ID: 5}, {ID: 99}}}, "Group[1]"},
		"itself":                  {NexthopObject{ID: 6, Group: []NexthopMember{{ID: 6}}}, "itself"},
		"member twice":            {NexthopObject{ID: 6, Group: []NexthopMember{{ID: 5}, {ID: 5}}}, "Weight"},
		"weight":                  {NexthopObject{ID: 6, Group: []NexthopMember{{ID: 5, Weight: 257}}}, "256"},
		"group of groups":         {NexthopObject{ID: 6, Group: []NexthopMember{{ID: 4}}}, "nexthops[1] is a group"},
		"too many":                {NexthopObject{ID: 6, Group: make([]NexthopMember, 1001)}, "1000"},
		"blackhole among others":  {NexthopObject{ID: 6, Group: []NexthopMember{{ID: 5}, {ID: 3}}}, "alone"},
	} {
		state := State{Nexthops: []NexthopObject{good, {ID: 4, Group: []NexthopMember{{ID: 5}}}, {ID: 3, Blackhole: true}, c.bad}}
		err := New(linx.Self(), Options{}).Validate(state)
		if err == nil || !strings.Contains(err.Error(), "nexthops[3]") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNexthopsJSON: routes of several ways and objects come back from JSON, also as what is owned.
func TestNexthopsJSON(t *testing.T) {
	const text = `{"nexthops":[{"id":5,"gateway":"10.0.0.1","interface":"v0","onlink":true},{"id":8,"blackhole":true},` +
		`{"id":9,"group":[{"id":5,"weight":3}]}],"routes":[{"dst":"10.1.0.0/16","nhid":9},` +
		`{"nexthops":[{"gateway":"10.0.0.1","weight":2},{"interface":"v0"},{"gateway":"10.0.0.1","interface":"v0","onlink":true}]}]}`
	var s State
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	if back, err := json.Marshal(s); err != nil || string(back) != text {
		t.Errorf("%s (%v)\nnot\n%s", back, err, text)
	}
	l := LastApplied{routes: routeList{all: s.Routes[:1]}, claims: s.Routes[1:]}
	data, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	err = json.Unmarshal(data, &l)
	if err == nil || !strings.Contains(err.Error(), "routes[1]") { // a way of it twice
		t.Errorf("%s: %v", data, err)
	}
	s.Routes[1].NextHops = s.Routes[1].NextHops[:2]
	data, _ = json.Marshal(LastApplied{routes: routeList{all: s.Routes[:1]}, claims: s.Routes[1:]})
	if err := json.Unmarshal(data, &l); err != nil {
		t.Fatal(err)
	}
	if back, err := json.Marshal(l); err != nil || string(back) != string(data) || len(l.claims) != 1 {
		t.Errorf("%s became %s (%v)", data, back, err)
	}
}

// TestGroupOfIPv6: IPv6 routes may follow a group of IPv6 objects. It is not taken over, nor deleted, although
// no IPv4 route follows it. Told by hand, as IPv6 routes that follow objects are dangerous to the kernel.
func TestGroupOfIPv6(t *testing.T) {
	x, err := newIndex(State{Nexthops: []NexthopObject{{ID: 9, Blackhole: true}}})
	if err != nil {
		t.Fatal(err)
	}
	single := nexthop{id: 70, v6: true, strange: true, protocol: unix.RTPROT_STATIC}
	for _, protocol := range []uint8{unix.RTPROT_STATIC, us} {
		s := &survey{want: x, protocol: us}
		s.reset()
		for _, id := range []uint32{8, 9} {
			s.seeNexthop(&nexthop{id: id, protocol: protocol, members: []member{{id: single.id}}})
		}
		s.seeNexthop(&single)
		d := new(difference)
		s.diffObjects(d, TakeOver, modelName)
		if d.size() != 0 || len(d.failed) != 1 {
			t.Errorf("protocol %d: %d changes, failed %v", protocol, d.size(), d.failed)
		}
	}
}
