#!/bin/sh
# bombardier sends a failed request up to five times, a POST as well, and counts it once.
#
# Expected: `bombardier -n 20` sends 20 requests, and each that the server closes without a response is one error.
# At most a GET is tried again, since a POST is not idempotent.
# Seen (bombardier 1.2.6, fasthttp 1.46.0): its client sends each request five times when the server closes the
# connection before a response. The server handles 100 requests, bombardier reports 20, for GET and for POST.
# Consequence: per-request figures (memory, log lines, CPU) are five times too high on a path that drops connections,
# and the latency of such an error is the time of five attempts.
#
# Output seen:
#   GET: bombardier reports 20, the server received 100; POST: bombardier reports 20, the server received 100
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
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync/atomic"
)

var received atomic.Int64

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	go func() {
		for {
			connection, err := listener.Accept()
			must(err)
			go handle(connection)
		}
	}()
	url := "http://" + listener.Addr().String() + "/"
	reportedGET, receivedGET := load("GET", url), received.Swap(0)
	reportedPOST, receivedPOST := load("POST", url), received.Swap(0)
	fmt.Printf("GET: bombardier reports %d, the server received %d; POST: bombardier reports %d, the server received %d\n",
		reportedGET, receivedGET, reportedPOST, receivedPOST)
	if reportedGET != 20 || receivedGET != 100 || reportedPOST != 20 || receivedPOST != 100 {
		fmt.Println("FAIL: a failed request is no longer sent five times and counted once")
		os.Exit(1)
	}
}

// handle counts the first request of a connection and closes it without a response.
func handle(connection net.Conn) {
	defer connection.Close()
	reader := bufio.NewReader(connection)
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return
		}
		if line == "\r\n" {
			received.Add(1)
			return
		}
	}
}

// load runs bombardier with 20 requests and returns how many it reports.
func load(method, url string) int {
	output, err := exec.Command("./bombardier", "-c", "1", "-n", "20", "-m", method, "-p", "r", "-o", "json", url).Output()
	must(err)
	var report struct{ Result struct{ Others int } }
	must(json.Unmarshal(output, &report))
	return report.Result.Others
}

func must(err error) {
	if err != nil {
		fmt.Println("FAIL:", err)
		os.Exit(1)
	}
}
END
GOBIN="$FOLDER" go install github.com/codesenberg/bombardier@v1.2.6 2>get.log || { cat get.log; exit 1; }
go build -o check .
./check
