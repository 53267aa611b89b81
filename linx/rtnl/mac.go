package rtnl

import (
	"fmt"
	"net"
)

// MAC is a link-layer address of Ethernet. The zero MAC is none. It is comparable; its text is
// "02:00:00:00:00:01".
type MAC [6]byte

// ParseMAC takes six bytes in any form that net.ParseMAC takes.
func ParseMAC(s string) (MAC, error) {
	hw, err := net.ParseMAC(s)
	if err != nil || len(hw) != len(MAC{}) {
		return MAC{}, fmt.Errorf("rtnl: no link-layer address: %q; want six bytes, as in 02:00:00:00:00:01", s)
	}
	return MAC(hw), nil
}

// String gives "02:00:00:00:00:01".
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// MarshalText gives what String gives.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText takes what ParseMAC takes.
func (m *MAC) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMAC(string(text))
	return err
}
