//go:build !linux

package live

import "syscall"

func asUser(uint32) *syscall.SysProcAttr { return nil }
