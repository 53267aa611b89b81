package rtnl

import (
	"fmt"
	"math"
	"time"
)

// Lifetime is how long an address is good for, in whole seconds. As text, and so in JSON, it is what
// time.ParseDuration takes: "1h30m".
type Lifetime time.Duration

const (
	forever         = math.MaxUint32 // INFINITY_LIFE_TIME, in seconds
	maximumLifetime = Lifetime((forever - 1) * time.Second)
)

// String gives "1h30m0s".
func (l Lifetime) String() string { return time.Duration(l).String() }

// MarshalText gives what String gives.
func (l Lifetime) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText takes what time.ParseDuration takes.
func (l *Lifetime) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("rtnl: no lifetime: %q; give hours, minutes and seconds: 1h30m", text)
	}
	*l = Lifetime(d)
	return nil
}

// seconds gives a valid lifetime in the kernel's terms.
func (l Lifetime) seconds() uint32 { return uint32(time.Duration(l) / time.Second) }

func (l Lifetime) fault(name string) error {
	switch {
	case l < 0, l%Lifetime(time.Second) != 0:
		return fmt.Errorf("%s %v: a positive number of whole seconds, or 0 for no end", name, l)
	case l > maximumLifetime:
		return fmt.Errorf("%s %v: the kernel counts to %v; 0 has no end", name, l, maximumLifetime)
	}
	return nil
}
