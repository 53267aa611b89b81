package rtnl

import (
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

func putDetail(b *rtnetlink.Batch, r *route) {
	d := r.details()
	if d.source != (ip{}) {
		b.Bytes(unix.RTA_PREFSRC, d.source.bytes(r.v6))
	}
	if d.preference != 0 {
		b.Uint8(unix.RTA_PREF, d.preference)
	}
	if d.metrics == (metrics{}) && d.algorithm == (algorithm{}) {
		return
	}
	end := b.Nest(unix.RTA_METRICS | unix.NLA_F_NESTED)
	for rtax, value := range d.metrics {
		if value != 0 {
			b.Uint32(uint16(rtax), value)
		}
	}
	if d.algorithm != (algorithm{}) {
		b.String(unix.RTAX_CC_ALGO, d.algorithm.String())
	}
	end()
}

// decodeMetrics reads RTA_METRICS. It says no to what d cannot hold.
func (d *detail) decodeMetrics(nested []byte) bool {
	known := true
	for typ, v := range rtnetlink.Attributes(nested) {
		switch {
		case typ == unix.RTAX_CC_ALGO:
			copy(d.algorithm[:maximumAlgorithm-1], v)
		case int(typ) < len(d.metrics):
			d.metrics[typ] = uint32At(v)
		default:
			known = false
		}
	}
	return known
}
