package rtnetlink

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// inside tells whether part lies in whole, capacity included, so that an append cannot reach what follows.
func inside(part, whole []byte) bool {
	if cap(part) == 0 {
		return true
	}
	p, w := uintptr(unsafe.Pointer(unsafe.SliceData(part))), uintptr(unsafe.Pointer(unsafe.SliceData(whole)))
	return cap(part) == len(part) && p >= w && p+uintptr(len(part)) <= w+uintptr(len(whole))
}

func FuzzMessages(f *testing.F) {
	var b Batch
	for i := range 3 {
		addRoute(&b, i)
		b.seal(i, uint32(i), true)
	}
	f.Add(b.buf)
	f.Add(b.buf[:len(b.buf)-1])
	f.Add(append([]byte{15, 0, 0, 0}, b.buf[4:]...)) // shorter than a header
	f.Add(append([]byte{0xff, 0xff, 0xff, 0xff}, b.buf[4:]...))
	f.Add(append([]byte{17, 0, 0, 0}, b.buf[4:17]...)) // without its padding
	f.Fuzz(func(t *testing.T, data []byte) {
		sum := 0
		for h, body := range Messages(data) {
			sum += unix.SizeofNlMsghdr + len(body)
			if !inside(body, data) || sum > len(data) {
				t.Fatalf("message %+v reaches beyond the datagram", h)
			}
			for _, v := range Attributes(body) {
				if !inside(v, body) {
					t.Fatal("an attribute reaches beyond its message")
				}
			}
			errorOf(h, body)
		}
	})
}

func FuzzAttributes(f *testing.F) {
	f.Add([]byte{8, 0, 1, 0, 1, 2, 3, 4, 5, 0, 2, 0, 9})
	f.Add([]byte{3, 0, 1, 0})
	f.Add([]byte{4, 0, 1, 0x80, 4, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		sum := 0
		for typ, v := range Attributes(data) {
			sum += unix.SizeofNlAttr + len(v)
			if !inside(v, data) || sum > len(data) || typ&unix.NLA_F_NESTED != 0 {
				t.Fatalf("attribute %d of %d bytes at %d", typ, len(v), sum)
			}
		}
	})
}

func FuzzErrorOf(f *testing.F) {
	f.Add(uint16(unix.NLMSG_ERROR), uint16(unix.NLM_F_ACK_TLVS), make([]byte, 20))
	f.Add(uint16(unix.NLMSG_DONE), uint16(unix.NLM_F_ACK_TLVS), []byte{0xff, 0xff, 0xff, 0xff, 6, 0, 1, 0, 'x', 0})
	f.Fuzz(func(t *testing.T, typ, flags uint16, body []byte) {
		if err := errorOf(Header{Type: typ, Flags: flags}, body); err != nil && err.Error() == "" {
			t.Fatal("an error without a text")
		}
	})
}

// Both walks are used for every message of every pass.
func TestWalkingAllocatesNothing(t *testing.T) {
	var b Batch
	for i := range 100 {
		addRoute(&b, i)
		b.seal(i, 0, false)
	}
	sum := 0
	n := testing.AllocsPerRun(100, func() {
		for _, body := range Messages(b.buf) {
			for typ := range Attributes(body[unix.SizeofRtMsg:]) {
				sum += int(typ)
			}
		}
	})
	if n != 0 {
		t.Errorf("%v allocations per 100 messages", n)
	}
}
