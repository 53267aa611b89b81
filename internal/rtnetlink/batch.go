package rtnetlink

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// Batch is a list of requests being built. The zero value is empty and ready; Reset keeps its memory for the
// next one. It is not safe for concurrent use, nor to be copied.
//
// An attribute has a length of 16 bits. A longer one makes the Conn refuse the whole batch.
type Batch struct {
	buf    []byte
	starts []int  // where each request begins in buf
	nests  []int  // where each nested attribute that has not ended begins
	close  func() // endNest: made once, as a func made for each Nest costs an allocation
	bad    error  // about the first attribute that was too long
}

// Reset empties the batch.
func (b *Batch) Reset() { b.buf, b.starts, b.nests, b.bad = b.buf[:0], b.starts[:0], b.nests[:0], nil }

// Len is the number of requests.
func (b *Batch) Len() int { return len(b.starts) }

// Begin starts the next request. flags gains NLM_F_REQUEST; Conn sets sequence numbers and acks.
func (b *Batch) Begin(typ uint16, flags uint16) {
	b.starts = append(b.starts, len(b.buf))
	b.buf = native.AppendUint32(b.buf, 0) // the length: see request
	b.buf = native.AppendUint16(b.buf, typ)
	b.buf = native.AppendUint16(b.buf, flags|unix.NLM_F_REQUEST)
	b.buf = native.AppendUint64(b.buf, 0) // sequence number and port id
}

// Raw appends the fixed part of the request, such as a struct rtmsg, padded to 4 bytes.
func (b *Batch) Raw(fixed []byte) {
	b.buf = append(b.buf, fixed...)
	b.pad()
}

// Bytes appends an attribute.
func (b *Batch) Bytes(typ uint16, v []byte) {
	b.attribute(typ, len(v))
	b.buf = append(b.buf, v...)
	b.pad()
}

// Uint32 appends an attribute in the machine's byte order, as do Uint16 and Uint8.
func (b *Batch) Uint32(typ uint16, v uint32) {
	b.attribute(typ, 4)
	b.buf = native.AppendUint32(b.buf, v)
}

// Uint16 appends an attribute of 2 bytes.
func (b *Batch) Uint16(typ uint16, v uint16) {
	b.attribute(typ, 2)
	b.buf = native.AppendUint16(b.buf, v)
	b.pad()
}

// Uint8 appends an attribute of 1 byte.
func (b *Batch) Uint8(typ uint16, v uint8) {
	b.attribute(typ, 1)
	b.buf = append(b.buf, v)
	b.pad()
}

// String appends an attribute with a NUL at its end.
func (b *Batch) String(typ uint16, v string) {
	b.attribute(typ, len(v)+1)
	b.buf = append(b.buf, v...)
	b.buf = append(b.buf, 0)
	b.pad()
}

// Nest starts a nested attribute; the func it returns ends the innermost one. (NLA_F_NESTED is the
// caller's to give in typ.)
func (b *Batch) Nest(typ uint16) (end func()) {
	if b.close == nil {
		b.close = b.endNest
	}
	b.nests = append(b.nests, len(b.buf))
	b.attribute(typ, 0)
	return b.close
}

func (b *Batch) endNest() {
	last := len(b.nests) - 1
	start := b.nests[last]
	b.nests = b.nests[:last]
	b.check(native.Uint16(b.buf[start+2:]), len(b.buf)-start)
	native.PutUint16(b.buf[start:], uint16(len(b.buf)-start))
}

func (b *Batch) attribute(typ uint16, size int) {
	b.check(typ, unix.SizeofNlAttr+size)
	b.buf = native.AppendUint16(b.buf, uint16(unix.SizeofNlAttr+size))
	b.buf = native.AppendUint16(b.buf, typ)
}

// check remembers that an attribute's length, header included, does not fit: cut off, it would make the
// kernel take what follows for something else.
func (b *Batch) check(typ uint16, size int) {
	if size > math.MaxUint16 && b.bad == nil {
		b.bad = fmt.Errorf("rtnetlink: requests[%d]: attribute %d is %d bytes long; want at most %d",
			len(b.starts)-1, typ&^unix.NLA_F_NESTED, size, math.MaxUint16)
	}
}

func (b *Batch) pad() {
	for len(b.buf)%4 != 0 {
		b.buf = append(b.buf, 0)
	}
}

// Request gives the bytes of request i; the length and the sequence number are filled in when it is sent.
func (b *Batch) Request(i int) []byte { return b.buf[b.starts[i]:b.end(i)] }

// end is where request i ends.
func (b *Batch) end(i int) int {
	if i+1 < len(b.starts) {
		return b.starts[i+1]
	}
	return len(b.buf)
}

// seal fills in what the header of request i lacks.
func (b *Batch) seal(i int, seq uint32, ack bool) {
	r := b.Request(i)
	native.PutUint32(r, uint32(len(r)))
	native.PutUint32(r[8:], seq)
	flags := native.Uint16(r[6:]) &^ unix.NLM_F_ACK
	if ack {
		flags |= unix.NLM_F_ACK
	}
	native.PutUint16(r[6:], flags)
}
