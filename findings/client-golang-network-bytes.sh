#!/bin/sh
# process_network_receive_bytes_total of Prometheus' Go client counts the traffic of other processes.
#
# Expected: "Number of bytes received by the process over the network.", as its help text says.
# Seen (client_golang 1.25.0): the process collector reads /proc/PID/net/netstat, which belongs to the network
# namespace. A process that never opened a socket counts what all other processes of the host or pod transfer.
# Consequence: "bytes received per request" of a server beside its load generator counts each byte at both ends,
# and growth of the counter does not show that this server is busy.
#
# Output seen:
#   sockets of this process: 0; another process sent 50 MB to itself; received +52.9 MB, sent +52.9 MB here
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
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

func main() {
	if len(os.Args) > 1 {
		transfer()
		return
	}
	received, sent := counters()
	must(exec.Command(os.Args[0], "transfer").Run())
	receivedThen, sentThen := counters()
	received, sent = receivedThen-received, sentThen-sent

	sockets := 0
	files, err := filepath.Glob("/proc/self/fd/*")
	must(err)
	for _, file := range files {
		if target, _ := os.Readlink(file); strings.HasPrefix(target, "socket:") {
			sockets++
		}
	}
	fmt.Printf("sockets of this process: %d; another process sent 50 MB to itself; received +%.1f MB, sent +%.1f MB here\n",
		sockets, received/1e6, sent/1e6)
	if received < 50e6 || sent < 50e6 {
		fmt.Println("FAIL: the traffic of the other process is no longer counted")
		os.Exit(1)
	}
}

// transfer sends 50 MB over loopback from this process to itself.
func transfer() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	go func() {
		connection, err := net.Dial("tcp", listener.Addr().String())
		must(err)
		_, err = connection.Write(make([]byte, 50_000_000))
		must(err)
		must(connection.Close())
	}()
	connection, err := listener.Accept()
	must(err)
	_, err = io.Copy(io.Discard, connection)
	must(err)
}

// counters returns the collector's two network counters, in bytes.
func counters() (received, sent float64) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	families, err := registry.Gather()
	must(err)
	for _, family := range families {
		switch family.GetName() {
		case "process_network_receive_bytes_total":
			received = family.Metric[0].Counter.GetValue()
		case "process_network_transmit_bytes_total":
			sent = family.Metric[0].Counter.GetValue()
		}
	}
	return received, sent
}

func must(err error) {
	if err != nil {
		fmt.Println("FAIL:", err)
		os.Exit(1)
	}
}
END
go get github.com/prometheus/client_golang/prometheus/collectors@v1.25.0 2>get.log || { cat get.log; exit 1; }
go build -o check .
./check
