#!/bin/sh
# A descriptor that Go's network poller knows wakes a thread each time that it becomes readable, though no goroutine reads it.
#
# Expected: the runtime's poller is woken by a descriptor while a goroutine waits for it. One that is known to the poller,
# but is read by system calls of its own, costs nothing more.
# Seen (Go 1.26.8, Linux 6.18): os.NewFile registers a non-blocking descriptor with epoll for good, edge-triggered, and not
# for the time of a Read. With one goroutine that waits for anything else, an idle thread waits in epoll_wait, and each
# byte that arrives wakes it. It finds nobody to run, looks for other work, and waits again.
# Consequence: a program that polls descriptors of its own, below one that it has given to Go, pays a wake-up of the
# scheduler for each event that it handles itself. It has to take the interest away (EPOLL_CTL_MOD) while it does.
#
# Output seen:
#   wake-ups of other threads by 2000 bytes: 2070 with a registered pipe, 120 with one that is not
set -eu

export GOWORK=off GOFLAGS=-modcacherw GOTOOLCHAIN=go1.26.8
FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
trap 'exit 1' HUP INT TERM
export GOMODCACHE="$FOLDER/modules" GOCACHE="$FOLDER/cache" GOTMPDIR="$FOLDER"
cd "$FOLDER"

cat >go.mod <<'END'
module finding

go 1.26.0
END
cat >main.go <<'END'
package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

const bytes = 2000

// wakeUps is how often other threads have left a wait while bytes went through a pipe, one each half millisecond.
func wakeUps(read, write int) int64 {
	before := others()
	pause := syscall.NsecToTimespec(int64(time.Millisecond / 2))
	var b [1]byte
	for range bytes {
		raw(syscall.SYS_WRITE, uintptr(write), uintptr(unsafe.Pointer(&b)), 1)
		raw(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&pause)), 0, 0)
		raw(syscall.SYS_READ, uintptr(read), uintptr(unsafe.Pointer(&b)), 1)
	}
	return others() - before
}

// raw is a system call that Go's scheduler does not know of.
func raw(call, a, b, c uintptr) { syscall.RawSyscall(call, a, b, c) }

// others is how often threads other than this one have given up the processor to wait.
func others() int64 {
	var all, this syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &all))
	const thread = 1 // RUSAGE_THREAD
	must(syscall.Getrusage(thread, &this))
	return all.Nvcsw - this.Nvcsw
}

func pipe() (read, write int) {
	var ends [2]int
	must(syscall.Pipe2(ends[:], syscall.O_NONBLOCK|syscall.O_CLOEXEC))
	return ends[0], ends[1]
}

func main() {
	runtime.GOMAXPROCS(2)
	runtime.LockOSThread()
	idle, open, err := os.Pipe() // somebody waits for something, as in any server
	must(err)
	go func() { _, _ = idle.Read(make([]byte, 1)) }()
	time.Sleep(100 * time.Millisecond)

	read, write := pipe()
	file := os.NewFile(uintptr(read), "pipe") // registers it
	registered := wakeUps(read, write)
	runtime.KeepAlive(file)
	apart := wakeUps(pipe())
	runtime.KeepAlive(open)
	fmt.Printf("%s: wake-ups of other threads by %d bytes: %d with a registered pipe, %d with one that is not\n", runtime.Version(), bytes, registered, apart)
	if registered < bytes*9/10 || apart > bytes/4 {
		fmt.Println("FAIL: expected about one for each byte with the registered pipe, and few with the other")
		os.Exit(1)
	}
}

func must(err error) {
	if err != nil {
		fmt.Println("FAIL:", err)
		os.Exit(1)
	}
}
END
go build -o check .
./check
