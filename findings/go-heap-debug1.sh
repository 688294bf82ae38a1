#!/bin/sh
# Go's heap profile as text (/debug/pprof/heap?debug=1) shows sampled figures, not estimates of the heap.
#
# Expected: the text and the binary profile (debug=0) of one heap show the same number of bytes in use.
# Seen (Go 1.26.8, google/pprof 20261016): the runtime samples about one allocation in 512 KiB. The binary profile
# is scaled up for the samples that were not taken. The text is not, and only its "@ heap/1048576" hints at that.
# With a million live objects of 64 bytes, the text is too low by a factor of about 8000.
# Consequence: whoever compares the text with HeapAlloc or RSS, or reads growth from it, misses nearly all of it.
#
# Output seen:
#   go1.26.8: HeapAlloc 64.1 MB, text: 128 objects, 0.0 MB; binary: 1041539 objects, 67.1 MB
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
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"

	"github.com/google/pprof/profile"
)

type node struct {
	next *node
	rest [56]byte
}

func main() {
	var head *node
	for range 1_000_000 {
		head = &node{next: head}
	}
	runtime.GC()
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)

	var text, binary bytes.Buffer
	must(pprof.Lookup("heap").WriteTo(&text, 1))
	must(pprof.Lookup("heap").WriteTo(&binary, 0))
	runtime.KeepAlive(head)

	var textObjects, textBytes int64
	_, err := fmt.Sscanf(text.String(), "heap profile: %d: %d", &textObjects, &textBytes)
	must(err)
	parsed, err := profile.Parse(&binary)
	must(err)
	var objects, inUse int64
	for _, sample := range parsed.Sample {
		objects += sample.Value[2]
		inUse += sample.Value[3]
	}
	fmt.Printf("%s: HeapAlloc %.1f MB, text: %d objects, %.1f MB; binary: %d objects, %.1f MB\n", runtime.Version(),
		float64(memory.HeapAlloc)/1e6, textObjects, float64(textBytes)/1e6, objects, float64(inUse)/1e6)
	if inUse < 32e6 || textBytes > 3.2e6 {
		fmt.Println("FAIL: the text is no longer far below the binary profile")
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
go get github.com/google/pprof@v0.0.0-20261016150608-1facf8f91b50 2>get.log || { cat get.log; exit 1; }
go build -o check .
./check
