package rtnetlink

import "golang.org/x/sys/unix"

// Batch is a list of requests being built. The zero value is empty and ready; Reset keeps its memory for the
// next one. It is not safe for concurrent use.
type Batch struct {
	buf    []byte
	starts []int // where each request begins in buf
}

// Reset empties the batch.
func (b *Batch) Reset() { b.buf, b.starts = b.buf[:0], b.starts[:0] }

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

// Nest starts a nested attribute; the func it returns ends it. (NLA_F_NESTED is the caller's to give in typ.)
func (b *Batch) Nest(typ uint16) (end func()) {
	start := len(b.buf)
	b.attribute(typ, 0)
	return func() { native.PutUint16(b.buf[start:], uint16(len(b.buf)-start)) }
}

func (b *Batch) attribute(typ uint16, size int) {
	b.buf = native.AppendUint16(b.buf, uint16(unix.SizeofNlAttr+size))
	b.buf = native.AppendUint16(b.buf, typ)
}

func (b *Batch) pad() {
	for len(b.buf)%4 != 0 {
		b.buf = append(b.buf, 0)
	}
}

// request gives the bytes of request i.
func (b *Batch) request(i int) []byte { return b.buf[b.starts[i]:b.end(i)] }

// end is where request i ends.
func (b *Batch) end(i int) int {
	if i+1 < len(b.starts) {
		return b.starts[i+1]
	}
	return len(b.buf)
}

// seal fills in what the header of request i lacks.
func (b *Batch) seal(i int, seq uint32, ack bool) {
	r := b.request(i)
	native.PutUint32(r, uint32(len(r)))
	native.PutUint32(r[8:], seq)
	flags := native.Uint16(r[6:]) &^ unix.NLM_F_ACK
	if ack {
		flags |= unix.NLM_F_ACK
	}
	native.PutUint16(r[6:], flags)
}
