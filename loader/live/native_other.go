//go:build !linux

package live

import (
	"context"
	"errors"
)

// openNative fails: the processes are found in Linux's /proc.
func openNative(context.Context, process, Options) (opened, error) {
	return nil, errors.New("malloc_info is read on Linux only")
}
