#!/bin/sh
# A process that Go's os/exec starts inherits the parent's peak RSS as its "maximum resident set size".
#
# Expected: ProcessState.SysUsage().Maxrss (wait4's ru_maxrss) is the peak of the program that was started.
# Seen (Go 1.26.8, Linux 6.18): Go starts children with vfork semantics, so until exec the child shares the parent's
# memory. On exec the kernel folds the peak of the memory left behind into the child's ru_maxrss.
# `true` is reported with 200 MB, because its parent once had 200 MB. The child's own VmHWM is right.
# Consequence: a test harness written in Go with a large heap overstates the peak of each small server that it starts,
# and growth of the harness looks like growth of the server. Read VmHWM in /proc/PID/status instead.
#
# Output seen:
#   small parent: true has ru_maxrss 2 MB; parent of 200 MB: true has ru_maxrss 202 MB; VmHWM of a child: 2 MB
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
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// maxRSS returns ru_maxrss of a run of `true`, in MB.
func maxRSS() int64 {
	command := exec.Command("true")
	must(command.Run())
	return command.ProcessState.SysUsage().(*syscall.Rusage).Maxrss >> 10
}

func main() {
	before := maxRSS()
	large := make([]byte, 200<<20)
	for i := range large {
		large[i] = 1
	}
	after := maxRSS()
	status, err := exec.Command("grep", "VmHWM", "/proc/self/status").Output()
	must(err)
	runtime.KeepAlive(large)
	var peak int64
	_, err = fmt.Sscanf(strings.TrimPrefix(string(status), "VmHWM:"), "%d kB", &peak)
	must(err)
	fmt.Printf("%s: small parent: true has ru_maxrss %d MB; parent of 200 MB: true has ru_maxrss %d MB; VmHWM of a child: %d MB\n",
		runtime.Version(), before, after, peak>>10)
	if before > 100 || after < 200 || peak>>10 > 100 {
		fmt.Println("FAIL: the child no longer inherits the parent's peak")
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
