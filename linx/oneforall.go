package linx

import "github.com/thejerf/suture/v4"

// OneForAll is not written yet.
func OneForAll(name string, services ...suture.Service) suture.Service { panic("not yet") }
