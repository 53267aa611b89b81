package rtnl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// metrics are what the kernel calls so: numbers by RTAX_, where 0 says nothing.
type metrics [unix.RTAX_MAX + 1]uint32

// metricRules has, by RTAX_, ip(8)'s word for those that are plain numbers, and the kernel's limit, above
// which it would keep less than was asked for (net/ipv4/metrics.c).
var metricRules = [...]struct {
	word, unit string
	limit      uint32 // 0: none
}{
	unix.RTAX_MTU:                {word: "mtu", limit: 65535 - 15},
	unix.RTAX_WINDOW:             {word: "window"},
	unix.RTAX_SSTHRESH:           {word: "ssthresh"},
	unix.RTAX_ADVMSS:             {word: "advmss", limit: 65535 - 40},
	unix.RTAX_REORDERING:         {word: "reordering"},
	unix.RTAX_HOPLIMIT:           {word: "hoplimit", limit: 255},
	unix.RTAX_INITCWND:           {word: "initcwnd"},
	unix.RTAX_RTO_MIN:            {word: "rto_min", unit: "ms"},
	unix.RTAX_INITRWND:           {word: "initrwnd"},
	unix.RTAX_QUICKACK:           {word: "quickack"},
	unix.RTAX_FASTOPEN_NO_COOKIE: {word: "fastopen_no_cookie"},
}

// metrics gives those of a Route. A minimal RTO counts only when it is locked (tcp_rto_min in the kernel),
// and ip(8) does so by itself.
func (r *Route) metrics() metrics {
	return metrics{
		unix.RTAX_LOCK: flag(r.MTULock, 1<<unix.RTAX_MTU) | flag(r.CongCtlLock, 1<<unix.RTAX_CC_ALGO) |
			flag(r.RTOMin != 0, 1<<unix.RTAX_RTO_MIN),
		unix.RTAX_MTU:                r.MTU,
		unix.RTAX_WINDOW:             r.Window,
		unix.RTAX_SSTHRESH:           r.SSThresh,
		unix.RTAX_ADVMSS:             r.AdvMSS,
		unix.RTAX_REORDERING:         r.Reordering,
		unix.RTAX_HOPLIMIT:           r.HopLimit,
		unix.RTAX_INITCWND:           r.InitCwnd,
		unix.RTAX_FEATURES:           flag(r.ECN, unix.RTAX_FEATURE_ECN) | flag(r.TCPUsecTS, unix.RTAX_FEATURE_TCP_USEC_TS),
		unix.RTAX_RTO_MIN:            r.RTOMin,
		unix.RTAX_INITRWND:           r.InitRwnd,
		unix.RTAX_QUICKACK:           flag(r.QuickACK, 1),
		unix.RTAX_FASTOPEN_NO_COOKIE: flag(r.FastOpenNoCookie, 1),
	}
}

// plain says that there are none, nor anything else of a TCP's or a preference, as of nearly all routes.
func (r *Route) plain() bool {
	return r.MTU|r.AdvMSS|r.Window|r.InitCwnd|r.InitRwnd|r.SSThresh|r.Reordering|r.RTOMin|r.HopLimit == 0 &&
		!r.MTULock && !r.QuickACK && !r.ECN && !r.TCPUsecTS && !r.FastOpenNoCookie &&
		r.CongCtl == "" && !r.CongCtlLock && r.Preference == PreferenceMedium
}

func flag(on bool, bit uint32) uint32 {
	if on {
		return bit
	}
	return 0
}

// unpack fills in what of r is a metric. What a Route cannot say is lost: measurements that TCP begins with
// (rtt, rttvar, cwnd), and all other locks.
func (m *metrics) unpack(r *Route) {
	lock, features := m[unix.RTAX_LOCK], m[unix.RTAX_FEATURES]
	r.MTU, r.MTULock = m[unix.RTAX_MTU], lock&(1<<unix.RTAX_MTU) != 0
	r.CongCtlLock = lock&(1<<unix.RTAX_CC_ALGO) != 0
	r.Window, r.SSThresh, r.AdvMSS = m[unix.RTAX_WINDOW], m[unix.RTAX_SSTHRESH], m[unix.RTAX_ADVMSS]
	r.Reordering, r.HopLimit = m[unix.RTAX_REORDERING], m[unix.RTAX_HOPLIMIT]
	r.InitCwnd, r.InitRwnd = m[unix.RTAX_INITCWND], m[unix.RTAX_INITRWND]
	r.RTOMin = m[unix.RTAX_RTO_MIN]
	r.ECN, r.TCPUsecTS = features&unix.RTAX_FEATURE_ECN != 0, features&unix.RTAX_FEATURE_TCP_USEC_TS != 0
	r.QuickACK, r.FastOpenNoCookie = m[unix.RTAX_QUICKACK] != 0, m[unix.RTAX_FASTOPEN_NO_COOKIE] != 0
}

// writeMetrics adds metrics and preference in the words of ip(8).
func (r *Route) writeMetrics(b *strings.Builder) {
	m := r.metrics()
	for rtax, rule := range metricRules {
		if m[rtax] == 0 || rule.word == "" {
			continue
		}
		b.WriteString(" " + rule.word)
		if rtax == unix.RTAX_MTU && r.MTULock {
			b.WriteString(" lock")
		}
		b.WriteString(" " + strconv.FormatUint(uint64(m[rtax]), 10) + rule.unit)
	}
	if r.ECN || r.TCPUsecTS {
		b.WriteString(" features")
	}
	if r.ECN {
		b.WriteString(" ecn")
	}
	if r.TCPUsecTS {
		b.WriteString(" tcp_usec_ts")
	}
	if r.CongCtl != "" {
		b.WriteString(" congctl ")
		if r.CongCtlLock {
			b.WriteString("lock ")
		}
		b.WriteString(r.CongCtl)
	}
	if r.Preference != PreferenceMedium {
		b.WriteString(" pref " + r.Preference.String())
	}
}

func (r *Route) metricFault() error {
	if r.plain() {
		return nil
	}
	m := r.metrics()
	for rtax, rule := range metricRules {
		if rule.limit != 0 && m[rtax] > rule.limit {
			return fmt.Errorf("%s %d: the kernel keeps no more than %d for a route", rule.word, m[rtax], rule.limit)
		}
	}
	switch {
	case r.MTULock && r.MTU == 0:
		return errors.New("MTULock without an MTU; give the one that is to be kept")
	case r.CongCtlLock && r.CongCtl == "":
		return errors.New("CongCtlLock without CongCtl; name the algorithm, such as cubic")
	case len(r.CongCtl) >= maximumAlgorithm:
		return fmt.Errorf("CongCtl %q has %d bytes; at most %d are possible", r.CongCtl, len(r.CongCtl), maximumAlgorithm-1)
	case strings.ContainsAny(r.CongCtl, "\x00 \t\n"), !utf8.ValidString(r.CongCtl):
		return fmt.Errorf("no congestion control algorithm can be named %q", r.CongCtl)
	case int(r.Preference) >= len(preferences):
		return fmt.Errorf("no preference: %v; the constants from PreferenceMedium to PreferenceHigh are", r.Preference)
	}
	return nil
}

// Preference says which of several IPv6 routes of one destination and metric is taken, as router
// advertisements do (RFC 4191).
type Preference uint8

const (
	PreferenceMedium Preference = iota // behind PreferenceHigh
	PreferenceLow                      // last
	PreferenceHigh                     // first
)

var preferences = [...]struct {
	name   string
	kernel uint8 // ICMPV6_ROUTER_PREF_
}{
	PreferenceMedium: {"medium", 0},
	PreferenceLow:    {"low", 3},
	PreferenceHigh:   {"high", 1},
}

// String gives ip(8)'s name: "low".
func (p Preference) String() string {
	if int(p) < len(preferences) {
		return preferences[p].name
	}
	return "Preference(" + strconv.Itoa(int(p)) + ")"
}

// MarshalText gives what String gives; a preference that does not exist is an error.
func (p Preference) MarshalText() ([]byte, error) {
	if int(p) >= len(preferences) {
		return nil, fmt.Errorf("rtnl: no preference: %v", p)
	}
	return []byte(p.String()), nil
}

// UnmarshalText takes ip(8)'s names.
func (p *Preference) UnmarshalText(text []byte) error {
	for i := range preferences {
		if preferences[i].name == string(text) {
			*p = Preference(i)
			return nil
		}
	}
	return fmt.Errorf("rtnl: no preference: %q; medium, low and high are", text)
}

// preferenceOf gives the Preference for which the kernel has that number. It makes medium of what it does not
// know, as RFC 4191 does.
func preferenceOf(kernel uint8) Preference {
	for p := range preferences {
		if preferences[p].kernel == kernel {
			return Preference(p)
		}
	}
	return PreferenceMedium
}
