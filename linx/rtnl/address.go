package rtnl

import "net/netip"

// Address is an IPv4 or IPv6 address of an interface.
type Address struct {
	// Interface is the name of the interface. One that does not exist is waited for.
	Interface string `json:"interface"`
	// Prefix holds the address itself and the length of its network: 10.0.0.2/24.
	Prefix netip.Prefix `json:"prefix"`
}

// String gives "address 10.0.0.2/24 dev eth0", what follows "ip" on its command line but for the verb.
func (a Address) String() string { return "address " + a.Prefix.String() + " dev " + a.Interface }
