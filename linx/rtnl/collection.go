package rtnl

// collection is a list that is built anew and mostly turns out to be the last one again. That is shared for as
// long as they agree, so that a pass that changes nothing copies nothing.
type collection[T comparable] struct {
	last, own []T
	agreed    int // how many of last are in it; all there are, while own is nil
}

func (c *collection[T]) add(v T) {
	if c.own == nil {
		if c.agreed < len(c.last) && c.last[c.agreed] == v {
			c.agreed++
			return
		}
		c.own = append(make([]T, 0, max(len(c.last), c.agreed+1)), c.last[:c.agreed]...)
	}
	c.own = append(c.own, v)
}

func (c *collection[T]) list() []T {
	switch {
	case c.own != nil:
		return c.own
	case c.agreed == 0:
		return nil
	}
	return c.last[:c.agreed:c.agreed]
}
