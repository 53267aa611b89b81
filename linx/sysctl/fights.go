package sysctl

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/linx-go/linx-go/internal/fight"
)

// FightError is why a key is pending that another writer keeps changing: five repairs within ten seconds
// are a fight, and from then on the key is left alone between repairs, for a second at first, twice as long
// after each repair that did not last, up to a minute. A fight is over when no repair was needed for that
// long, and ten seconds at least. All other keys are held as ever. A new desired value is written at once.
type FightError struct {
	Got   Value     // what the other writer has put there
	Until time.Time // when the key is repaired next
}

func (e *FightError) Error() string {
	return fmt.Sprintf("another writer keeps changing it, to %q by now: left alone until %s",
		e.Got, e.Until.Format(time.TimeOnly))
}

func (e *FightError) waits() bool { return true }

// fights are the keys that others keep changing.
type fights struct {
	fight.Watch[key]
	log *slog.Logger
}

// repairs tells whether c writes what was written before, and known to be.
func (o Owned) repairs(c change) bool { return c.verb == Set && o.Applied == c.value && !o.Claimed }

// repaired counts a repair.
func (f *fights) repaired(c change, now time.Time) {
	if f.Repaired(c.key, now) {
		f.log.Warn("another writer keeps changing a sysctl; holding back", "key", c.key.String(),
			"desired", string(c.value), "theirs", string(c.before))
	}
}

// end forgets the fights that are over. amiss tells whether a key needs a repair now.
func (f *fights) end(now time.Time, amiss func(key) bool) {
	for _, k := range f.Ended(now, amiss) {
		f.log.Info("nobody keeps changing the sysctl any more", "key", k.String())
	}
}
