#!/bin/sh
# gopsutil's Process.MemoryInfo leaves five of its seven fields at 0 on Linux.
#
# Expected: MemoryInfoStat has RSS, VMS, HWM, Data, Stack, Locked and Swap, and /proc/PID/status has all of them, so
# all are filled in, or an error tells that they are not supported.
# Seen (gopsutil 4.26.10): only RSS and VMS are read, from statm. HWM, Data, Stack, Locked and Swap are 0, without
# an error, and written as 0 into JSON.
# Consequence: an exporter that publishes them shows a peak below the RSS, and a server that is being swapped out
# looks as if it used no swap: its falling RSS then reads as memory that was returned.
#
# Output seen:
#   MemoryInfo: {"rss":4780032,"vms":1561841664,"hwm":0,"data":0,"stack":0,"locked":0,"swap":0}
#   status: VmHWM 4668 kB, VmData 74268 kB, VmStk 132 kB
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

	"github.com/shirou/gopsutil/v4/process"
)

// status returns a field of /proc/self/status in kB.
func status(name string) (kilobytes int64) {
	data, err := os.ReadFile("/proc/self/status")
	must(err)
	_, line, _ := strings.Cut(string(data), name+":")
	_, err = fmt.Sscanf(line, "%d kB", &kilobytes)
	must(err)
	return kilobytes
}

func main() {
	this, err := process.NewProcess(int32(os.Getpid()))
	must(err)
	info, err := this.MemoryInfo()
	must(err)
	peak, data, stack := status("VmHWM"), status("VmData"), status("VmStk")
	fmt.Println("MemoryInfo:", info)
	fmt.Printf("status: VmHWM %d kB, VmData %d kB, VmStk %d kB\n", peak, data, stack)
	if info.RSS == 0 || info.VMS == 0 || info.HWM != 0 || info.Data != 0 || info.Stack != 0 ||
		peak == 0 || data == 0 || stack == 0 {
		fmt.Println("FAIL: MemoryInfo no longer leaves HWM, Data and Stack at 0")
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
go get github.com/shirou/gopsutil/v4/process@v4.26.10 2>get.log || { cat get.log; exit 1; }
go build -o check .
./check
