package rtnl

import "testing"

// FuzzDecode: whatever bytes come, nothing is read beyond them, and what is decoded can be printed.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x02\x10\x00\x00\xfe\x4c\x00\x01\x00\x00\x00\x00\x08\x00\x01\x00\x0a\x01\x00\x00\x08\x00\x05\x00\x0a\x00\x00\x01"))
	f.Add([]byte("\x0a\x30\x00\x00\xfe\x04\x00\x01\x00\x00\x00\x00\x10\x00\x09\x00\x08\x00\x00\x00\x02\x00\x00\x00\x04\x00\x05\x00"))
	f.Add([]byte("\x02\x18\x80\x00\x02\x00\x00\x00\x08\x00\x01\x00\x0a\x00\x00\x02\x08\x00\x02\x00\x0a\x00\x00\x03\x05\x00\x0b\x00\x4c"))
	f.Add([]byte("\x02\x00\x08\x00\x64\x00\x00\x01\x00\x00\x00\x00\x08\x00\x06\x00\x05\x00\x00\x00\x08\x00\x02\x00\x0a\x00\x00\x00\x05\x00\x15\x00\x4c"))
	f.Add([]byte("\x00\x00\x01\x00\x07\x00\x00\x00\x43\x10\x01\x00\x00\x00\x00\x00\x08\x00\x03\x00br0\x00\x24\x00\x12\x00\x0b\x00\x01\x00bridge\x00\x00" +
		"\x14\x00\x02\x00\x08\x00\x01\x00\x01\x00\x00\x00\x05\x00\x07\x00\x01\x00\x00\x00"))
	f.Add([]byte("\x020\x00000000000\x05\x00\x15\x000")) // an encapsulation of no kind
	f.Fuzz(func(t *testing.T, body []byte) {
		var r route
		if new(routeDecoder).decode(body, &r) {
			_ = r.unpack("v0").String()
		}
		var a address
		if decodeAddress(body, &a) {
			_, _ = a.unpack("v0").String(), a.key()
		}
		var n seenNeighbor
		if decodeNeighbor(body, &n) {
			_, _ = n.unpack(func(int32) string { return "v0" }).String(), n.holder(func(int32) string { return "v0" }).String()
		}
		var ru seenRule
		if decodeRule(body, &ru) {
			old := ru.unpack()
			_, _ = old.String(), old.fault()
		}
		if _, _, ok := decodeLink(body); ok {
			l := decodeLinkFully(body, func(int32) string { return "v0" })
			_, _ = l.String(), l.fault()
		}
		if name, l, ok := decodeLink(body); ok && (len(name) == 0 || l.index <= 0) {
			t.Error(name, l)
		}
	})
}
