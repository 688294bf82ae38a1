package memory

import "context"

// Completing returns the functions that complete a reading of the process root and its descendants, from what Linux
// shows beside /proc/PID. Each adds the figures of one source, or nothing where that is missing. A new source is a file
// NAME_linux.go and a line here.
func Completing(root int) []func(context.Context, *Reading) {
	return []func(context.Context, *Reading){
		ownCgroup(root),
	}
}
