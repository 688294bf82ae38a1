//go:build !linux

package memory

import "context"

// Completing returns no functions: nothing but the process tree is read here.
func Completing(int, int, ...func() []int) []func(context.Context, *Reading) { return nil }
