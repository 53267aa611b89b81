package rtnetlink

import "iter"

// Attributes walks the attributes in b (what follows a message's fixed part, or the payload of a nested one): type
// without its flag bits, and payload, which points into b. It stops at the first malformed one; Malformed tells.
func Attributes(b []byte) iter.Seq2[uint16, []byte] { panic("not yet") }
