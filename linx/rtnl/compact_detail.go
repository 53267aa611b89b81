package rtnl

import (
	"unique"

	"golang.org/x/sys/unix"
)

// detail is what few routes have, and many that have it have alike. Each is kept once, behind a unique.Handle,
// so that a route stays small and two are compared by one word.
type detail struct {
	source  ip
	metrics metrics
}

// metrics are the kernel's, by RTAX_ less 1; 0: not given.
type metrics [unix.RTAX_MAX]uint32

func (m *metrics) of(rtax int) *uint32 { return &m[rtax-1] }

// intern gives the handle of d: the zero one for the zero detail, and only for that.
func intern(d *detail) unique.Handle[detail] {
	if *d == (detail{}) {
		return unique.Handle[detail]{}
	}
	return unique.Make(*d)
}

// packDetail gives what of r is detail.
func packDetail(r *Route) unique.Handle[detail] {
	d := detail{source: packIP(r.Source)}
	*d.metrics.of(unix.RTAX_MTU) = r.MTU
	return intern(&d)
}

// unpackDetail fills in what of u is detail.
func (r *route) unpackDetail(u *Route) {
	d := r.details()
	u.Source = d.source.addr(r.v6)
	u.MTU = *d.metrics.of(unix.RTAX_MTU)
}

// details gives the detail that r's handle is of.
func (r *route) details() detail {
	if r.detail == (unique.Handle[detail]{}) {
		return detail{}
	}
	return r.detail.Value()
}

// encap is how packets are wrapped on their way to a next hop.
type encap struct {
	kind uint16 // LWTUNNEL_ENCAP_
}
