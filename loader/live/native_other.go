//go:build !linux

package live

import (
	"context"
	"errors"
)

// opensNative fails: the processes are found in Linux's /proc.
func opensNative() func(context.Context, process, Options) (opened, error) {
	return func(context.Context, process, Options) (opened, error) {
		return nil, errors.New("malloc_info is read on Linux only")
	}
}

// opensJemalloc fails as well.
func opensJemalloc() func(context.Context, process, Options) (opened, error) {
	return func(context.Context, process, Options) (opened, error) {
		return nil, errors.New("jemalloc is asked on Linux only")
	}
}
