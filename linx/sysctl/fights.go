package sysctl

import (
	"log/slog"
	"time"

	"github.com/linx-go/linx-go/internal/fight"
)

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
