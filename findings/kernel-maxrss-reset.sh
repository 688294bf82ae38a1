#!/bin/sh
# getrusage's maximum resident set size of a running process can fall.
#
# Expected: ru_maxrss is a maximum since the start, kept apart from VmHWM. Writing 5 to /proc/PID/clear_refs
# is documented to reset the peak in /proc/PID/status, so ru_maxrss could check it.
# Seen (Linux 6.18, and by the kernel's code since 4.0): getrusage takes the peak from the same place, so both fall to
# the RSS of that moment. Until the next exec there is no trace of the old peak.
# Consequence: a tool that resets the peak between iterations also changes what the server reports about itself
# (Node.js resourceUsage().maxRSS, Python's resource module), and a "maximum" over time is no longer monotonic.
#
# Output seen:
#   with 200 MB: ru_maxrss 209 MB; released: ru_maxrss 209 MB; after clear_refs: ru_maxrss 9 MB, VmHWM 9 MB
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
	"strings"
	"syscall"
)

// maxRSS returns ru_maxrss of this process, in MB.
func maxRSS() int64 {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return usage.Maxrss >> 10
}

func main() {
	memory, err := syscall.Mmap(-1, 0, 200<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	must(err)
	for i := range memory {
		memory[i] = 1
	}
	with := maxRSS()
	must(syscall.Munmap(memory))
	released := maxRSS()
	must(os.WriteFile("/proc/self/clear_refs", []byte("5"), 0))
	reset := maxRSS()

	status, err := os.ReadFile("/proc/self/status")
	must(err)
	_, line, _ := strings.Cut(string(status), "VmHWM:")
	var peak int64
	_, err = fmt.Sscanf(line, "%d kB", &peak)
	must(err)
	fmt.Printf("with 200 MB: ru_maxrss %d MB; released: ru_maxrss %d MB; after clear_refs: ru_maxrss %d MB, VmHWM %d MB\n",
		with, released, reset, peak>>10)
	if with < 200 || released < 200 || reset > 100 {
		fmt.Println("FAIL: ru_maxrss no longer falls with clear_refs")
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
uname -r
go build -o check .
./check
