//go:build linux && !amd64

package live

// oldWaits are system calls that wait, and that newer architectures have not.
var oldWaits []int
