package live

import "golang.org/x/sys/unix"

// oldWaits are system calls that wait, and that newer architectures have not.
var oldWaits = []int{unix.SYS_EPOLL_WAIT, unix.SYS_POLL, unix.SYS_SELECT, unix.SYS_PAUSE}
