package memory

import "context"

// Completing returns the functions that complete a reading of OfTree, from what Linux shows beside /proc/PID. port is the
// one that the server listens on. Each adds the figures of one source, or nothing where that is missing. A new source is a
// file NAME_linux.go and a line here.
func Completing(root, port int, adopted ...func() []int) []func(context.Context, *Reading) {
	return []func(context.Context, *Reading){
		ownCgroup(root),
		members(root, port, adopted...),
	}
}
