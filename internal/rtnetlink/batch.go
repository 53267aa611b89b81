package rtnetlink

// Batch is a list of requests being built. The zero value is empty and ready; Reset keeps its memory for the
// next one. It is not safe for concurrent use.
type Batch struct{}

// Reset empties the batch.
func (b *Batch) Reset() { panic("not yet") }

// Len is the number of requests.
func (b *Batch) Len() int { panic("not yet") }

// Begin starts the next request. flags gains NLM_F_REQUEST; Conn sets sequence numbers and acks.
func (b *Batch) Begin(typ uint16, flags uint16) { panic("not yet") }

// Raw appends the fixed part of the request, such as a struct rtmsg, padded to 4 bytes.
func (b *Batch) Raw(fixed []byte) { panic("not yet") }

// Bytes appends an attribute.
func (b *Batch) Bytes(typ uint16, v []byte) { panic("not yet") }

// Uint32 appends an attribute in the machine's byte order, as do Uint16 and Uint8.
func (b *Batch) Uint32(typ uint16, v uint32) { panic("not yet") }
func (b *Batch) Uint16(typ uint16, v uint16) { panic("not yet") }
func (b *Batch) Uint8(typ uint16, v uint8)   { panic("not yet") }

// String appends an attribute with a NUL at its end.
func (b *Batch) String(typ uint16, v string) { panic("not yet") }

// Nest starts a nested attribute; the func it returns ends it. (NLA_F_NESTED is the caller's to give in typ.)
func (b *Batch) Nest(typ uint16) (end func()) { panic("not yet") }
