#!/bin/sh
# Memory given back from within transparent huge pages leaves the RSS, but the kernel does not free it.
#
# Expected: after madvise(MADV_DONTNEED) the RSS falls, and as much memory of the machine is free again.
# Seen (Linux 6.18): a process fills 400 MB of huge pages, and gives back all but the last 4 KiB of each 2 MiB. Its RSS
# falls to nearly nothing, and AnonHugePages to 0. The machine has as little free memory as before, until the rest
# goes too. By Documentation/admin-guide/mm/transhuge.rst huge pages are split late, under memory pressure.
# Consequence: allocators give memory back in this way (Go, jemalloc, tcmalloc). A small RSS can stand for far more
# memory, and no field of /proc/PID shows it.
#
# Output seen:
#   filled: RSS +400 MB, free memory -366 MB; given back: -399 MB, +0 MB; unmapped: -1 MB, +360 MB
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

const (
	size = 400 << 20
	huge = 2 << 20
	page = 4 << 10
)

func main() {
	if enabled, err := os.ReadFile("/sys/kernel/mm/transparent_hugepage/enabled"); err != nil || strings.Contains(string(enabled), "[never]") {
		fmt.Println("FAIL: this machine has transparent huge pages turned off")
		os.Exit(1)
	}
	memory, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	must(err)
	must(syscall.Madvise(memory, syscall.MADV_HUGEPAGE))
	rss, free := resident()
	for at := 0; at < size; at += page {
		memory[at] = 1
	}
	hugePages := read("/proc/self/smaps_rollup", "AnonHugePages:")
	filledRSS, filledFree := resident()
	for at := 0; at < size; at += huge {
		must(syscall.Madvise(memory[at:at+huge-page], syscall.MADV_DONTNEED))
	}
	backRSS, backFree := resident()
	must(syscall.Munmap(memory))
	unmappedRSS, unmappedFree := resident()

	fmt.Printf("filled: RSS %+d MB, free memory %+d MB; given back: %+d MB, %+d MB; unmapped: %+d MB, %+d MB\n",
		filledRSS-rss, filledFree-free, backRSS-filledRSS, backFree-filledFree, unmappedRSS-backRSS, unmappedFree-backFree)
	if hugePages < 300 {
		fmt.Println("FAIL: this machine gave no huge pages, so nothing can be seen")
		os.Exit(1)
	}
	// Other processes take and free memory too, so the free memory has wide bounds.
	if backRSS-filledRSS > -350 || backFree-filledFree > 150 || unmappedRSS-backRSS < -50 || unmappedFree-backFree < 250 {
		fmt.Println("FAIL: the kernel now frees what leaves the RSS, or leaves it in the RSS")
		os.Exit(1)
	}
}

// resident returns the RSS of this process and the free memory of the machine, in MB.
func resident() (rss, free int) {
	return read("/proc/self/smaps_rollup", "Rss:"), read("/proc/meminfo", "MemFree:")
}

// read returns the field of a file in /proc, in MB.
func read(path, field string) int {
	content, err := os.ReadFile(path)
	must(err)
	_, line, _ := strings.Cut(string(content), field)
	var kilobytes int
	_, err = fmt.Sscanf(line, "%d kB", &kilobytes)
	must(err)
	return kilobytes >> 10
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
