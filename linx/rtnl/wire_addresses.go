package rtnl

import (
	"golang.org/x/sys/unix"

	"github.com/linx-go/linx-go/internal/rtnetlink"
)

const ifaProto = 11 // IFA_PROTO: Linux 5.18

// decodeAddress reads a struct ifaddrmsg and its attributes.
func decodeAddress(body []byte, a *address) bool {
	if len(body) < unix.SizeofIfAddrmsg {
		return false
	}
	*a = address{
		v6:        body[0] == unix.AF_INET6,
		bits:      body[1],
		flags:     uint32(body[2]),
		scope:     body[3],
		link:      int32(native.Uint32(body[4:])),
		valid:     forever,
		preferred: forever,
	}
	if !a.v6 && body[0] != unix.AF_INET {
		return false
	}
	var local, other ip
	for typ, v := range rtnetlink.Attributes(body[unix.SizeofIfAddrmsg:]) {
		switch typ {
		case unix.IFA_ADDRESS:
			copy(other[:], v)
		case unix.IFA_LOCAL:
			copy(local[:], v)
		case unix.IFA_BROADCAST:
			copy(a.broadcast[:], v)
		case unix.IFA_LABEL:
			copy(a.label[:len(a.label)-1], v)
		case unix.IFA_CACHEINFO:
			if len(v) >= 8 {
				a.preferred, a.valid = native.Uint32(v), native.Uint32(v[4:])
			}
		case unix.IFA_FLAGS:
			a.flags = uint32At(v)
		case unix.IFA_RT_PRIORITY:
			a.metric = uint32At(v)
		case ifaProto:
			a.protocol = uint8At(v)
		}
	}
	if !a.v6 && a.is(unix.IFA_F_DEPRECATED) {
		a.preferred = 0 // of one that is valid forever, the flag alone tells
	}
	// IFA_ADDRESS is the peer's where there is one; IPv6 leaves out IFA_LOCAL where there is none.
	switch {
	case local == ip{}:
		a.local = other
	case local == other:
		a.local = local
	default:
		a.local, a.peer = local, other
	}
	return true
}

// putAddress adds a request that creates a with NLM_F_EXCL, or changes it with NLM_F_REPLACE: to what a says,
// in all that can be changed in place.
func putAddress(b *rtnetlink.Batch, flag uint16, a *address) {
	b.Begin(unix.RTM_NEWADDR, unix.NLM_F_CREATE|flag)
	putIfaddrmsg(b, a)
	if a.flags > 0xff {
		b.Uint32(unix.IFA_FLAGS, a.flags)
	}
	if a.broadcast != [4]byte{} {
		b.Bytes(unix.IFA_BROADCAST, a.broadcast[:])
	}
	if a.label[0] != 0 {
		b.Bytes(unix.IFA_LABEL, a.label[:])
	}
	if a.metric != 0 {
		b.Uint32(unix.IFA_RT_PRIORITY, a.metric)
	}
	if a.valid != forever || a.preferred != forever {
		var lifetimes [unix.SizeofIfaCacheinfo]byte
		native.PutUint32(lifetimes[:], a.preferred)
		native.PutUint32(lifetimes[4:], a.valid)
		b.Bytes(unix.IFA_CACHEINFO, lifetimes[:])
	}
	if a.protocol != 0 {
		b.Uint8(ifaProto, a.protocol)
	}
}

// dropAddress adds a request that deletes a. The kernel compares no protocol: whoever's it is by then.
func dropAddress(b *rtnetlink.Batch, a *address) {
	b.Begin(unix.RTM_DELADDR, 0)
	putIfaddrmsg(b, a)
}

func putIfaddrmsg(b *rtnetlink.Batch, a *address) {
	var fixed [unix.SizeofIfAddrmsg]byte
	fixed[0], fixed[1], fixed[2], fixed[3] = family(a.v6), a.bits, uint8(a.flags), a.scope
	native.PutUint32(fixed[4:], uint32(a.link))
	b.Raw(fixed[:])
	b.Bytes(unix.IFA_LOCAL, a.local.bytes(a.v6))
	if a.peer != (ip{}) {
		b.Bytes(unix.IFA_ADDRESS, a.peer.bytes(a.v6))
	} else {
		b.Bytes(unix.IFA_ADDRESS, a.local.bytes(a.v6))
	}
}

// askAddresses makes b the request for the addresses of one interface or, where 0, of all.
func askAddresses(b *rtnetlink.Batch, link int32) {
	b.Reset()
	b.Begin(unix.RTM_GETADDR, unix.NLM_F_DUMP)
	var fixed [unix.SizeofIfAddrmsg]byte
	native.PutUint32(fixed[4:], uint32(link))
	b.Raw(fixed[:])
}
