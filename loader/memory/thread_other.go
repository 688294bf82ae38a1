//go:build !linux

package memory

import "time"

// threadTime is 0: it is unknown here.
func threadTime() time.Duration { return 0 }
