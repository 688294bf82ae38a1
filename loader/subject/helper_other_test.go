//go:build !linux

package subject

// asHelper is false: the tests that need another program run on Linux only.
func asHelper() bool { return false }

// followNamed does nothing: orphans are followed on Linux only.
func followNamed(*Process) {}
