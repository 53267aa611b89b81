package reconcile

import (
	"fmt"
	"time"
)

// FightError is why an object is pending that another writer keeps undoing. Five repairs of it within ten
// seconds are a fight, and from then on the source leaves it alone between repairs: for a second at
// first, twice as long after each repair that did not last, up to a minute. The fight is over when no
// repair was needed for that long, and ten seconds at least. All else is healed at full speed, and what
// is to be removed is removed.
//
// It is the sources of this module that notice fights; the loop knows nothing of them.
type FightError struct {
	By    string    // what is known of the other writer, as "of protocol 4 (static)"; empty: nothing
	Until time.Time // when the object is repaired next
}

func (e *FightError) Error() string {
	by := ""
	if e.By != "" {
		by = ", " + e.By + ","
	}
	return fmt.Sprintf("another writer%s keeps undoing it: left alone until %s", by, e.Until.Format(time.TimeOnly))
}
