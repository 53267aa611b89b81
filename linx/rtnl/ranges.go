package rtnl

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// PortRange is a range of ports. The zero PortRange is no restriction. It is comparable; its text is "80"
// or "80-90".
type PortRange struct{ first, last uint16 }

// Ports gives the range from first to last, both included.
func Ports(first, last uint16) PortRange { return PortRange{first, last} }

// String gives "80" or "80-90".
func (r PortRange) String() string {
	if r.first == r.last {
		return strconv.Itoa(int(r.first))
	}
	return fmt.Sprintf("%d-%d", r.first, r.last)
}

// MarshalText gives what String gives.
func (r PortRange) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText takes what MarshalText gives.
func (r *PortRange) UnmarshalText(text []byte) error {
	first, last, err := parseRange(string(text), math.MaxUint16)
	if err != nil {
		return fmt.Errorf("rtnl: ports %q: want 80 or 80-90: %w", text, err)
	}
	*r = PortRange{uint16(first), uint16(last)}
	return nil
}

// UIDRange is a range of user ids, as the kernel numbers them in our user namespace. The zero UIDRange is
// no restriction: it is not UIDs(0, 0), which is root. It is comparable; its text is "0-0" or
// "1000-1999".
type UIDRange struct {
	set         bool
	first, last uint32
}

// UIDs gives the range from first to last, both included.
func UIDs(first, last uint32) UIDRange { return UIDRange{true, first, last} }

// String gives "1000-1999", or "any".
func (r UIDRange) String() string {
	if !r.set {
		return "any"
	}
	return fmt.Sprintf("%d-%d", r.first, r.last)
}

// MarshalText gives what String gives.
func (r UIDRange) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText takes what MarshalText gives.
func (r *UIDRange) UnmarshalText(text []byte) error {
	if string(text) == "any" {
		*r = UIDRange{}
		return nil
	}
	first, last, err := parseRange(string(text), math.MaxUint32)
	if err != nil {
		return fmt.Errorf("rtnl: user ids %q: want 1000 or 1000-1999: %w", text, err)
	}
	*r = UIDs(uint32(first), uint32(last))
	return nil
}

func parseRange(text string, maximum uint64) (first, last uint64, err error) {
	a, b, isRange := strings.Cut(text, "-")
	if !isRange {
		b = a
	}
	if first, err = strconv.ParseUint(a, 10, 64); err == nil {
		last, err = strconv.ParseUint(b, 10, 64)
	}
	if err == nil && max(first, last) > maximum {
		err = strconv.ErrRange
	}
	return first, last, err
}
