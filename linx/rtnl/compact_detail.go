package rtnl

import (
	"bytes"
	"unique"

	"golang.org/x/sys/unix"
)

// detail is what few routes have, and many that have it have alike. Each is kept once, behind a
// unique.Handle, so that a route stays small and two are compared by one word.
type detail struct {
	source     ip
	metrics    metrics
	algorithm  algorithm // of congestion control
	preference uint8     // ICMPV6_ROUTER_PREF_; 0 for IPv4
}

// algorithm is a name, zero-terminated; an array, so that to decode it allocates nothing.
type algorithm [maximumAlgorithm]byte

const maximumAlgorithm = 16 // TCP_CA_NAME_MAX

func (a *algorithm) String() string { return string(bytes.TrimRight(a[:], "\x00")) }

// intern gives the handle of d: the zero one for the zero detail, and only for that.
func intern(d *detail) unique.Handle[detail] {
	if *d == (detail{}) {
		return unique.Handle[detail]{}
	}
	return unique.Make(*d)
}

// packDetail gives what of r is detail.
func packDetail(r *Route) unique.Handle[detail] {
	if r.plain() && !r.Source.IsValid() {
		return unique.Handle[detail]{}
	}
	d := detail{source: packIP(r.Source), metrics: r.metrics(), preference: preferences[r.Preference].kernel}
	copy(d.algorithm[:], r.CongCtl)
	return intern(&d)
}

// unpackDetail fills in what of u is detail.
func (r *route) unpackDetail(u *Route) {
	d := r.details()
	u.Source = d.source.addr(r.v6)
	d.metrics.unpack(u)
	u.CongCtl = d.algorithm.String()
	u.Preference = preferenceOf(d.preference)
}

// agrees says whether seen has the detail that want asks for, and no other. What the kernel fills in is what
// a router advertises of itself: a hop limit, an MTU, a preference.
func (want *route) agrees(seen *route) bool {
	if seen.protocol != unix.RTPROT_RA {
		return seen.detail == want.detail
	}
	asked, has := want.details(), seen.details()
	for _, rtax := range []int{unix.RTAX_HOPLIMIT, unix.RTAX_MTU} {
		if asked.metrics[rtax] == 0 {
			has.metrics[rtax] = 0
		}
	}
	if asked.preference == 0 {
		has.preference = 0
	}
	return has == asked
}

// details gives the detail that r's handle is of.
func (r *route) details() detail {
	if r.detail == (unique.Handle[detail]{}) {
		return detail{}
	}
	return r.detail.Value()
}
