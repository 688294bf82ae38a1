#!/bin/sh
# vegeta's latencies include requests that failed, so a failing server looks faster.
#
# Expected: the mean and the percentiles of the latency describe responses. A request without one has no latency.
# Seen (vegeta 12.13.0): Metrics.Latencies takes each result, also those with an error and status code 0.
# When half of the connections are closed at once, the mean of a server that needs 50 ms falls to about 25 ms.
# Consequence: a server that starts to drop connections under memory pressure shows falling latencies.
# Read them together with Success, or filter the results before they are added.
#
# Output seen:
#   healthy: success 100%, mean 50 ms; half of the connections closed at once: success 50%, mean 26 ms, minimum 0 ms
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
	"net"
	"net/http"
	"os"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

const delay = 50 * time.Millisecond

func main() {
	healthy := listen()
	go http.Serve(healthy, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(delay) }))
	closing := listen()
	go func() {
		for {
			connection, err := closing.Accept()
			must(err)
			connection.Close()
		}
	}()
	before := attack(healthy)
	after := attack(healthy, closing)
	fmt.Printf("healthy: success %.0f%%, mean %d ms; half of the connections closed at once: success %.0f%%, mean %d ms, minimum %d ms\n",
		before.Success*100, before.Latencies.Mean.Milliseconds(),
		after.Success*100, after.Latencies.Mean.Milliseconds(), after.Latencies.Min.Milliseconds())
	if before.Success != 1 || after.Success != 0.5 || before.Latencies.Mean < delay ||
		after.Latencies.Mean > before.Latencies.Mean || after.Latencies.Min >= delay {
		fmt.Println("FAIL: failed requests no longer lower the latencies")
		os.Exit(1)
	}
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	return listener
}

// attack sends 100 requests in 2 seconds, in turn to each listener.
func attack(listeners ...net.Listener) *vegeta.Metrics {
	var targets []vegeta.Target
	for _, listener := range listeners {
		targets = append(targets, vegeta.Target{Method: "GET", URL: "http://" + listener.Addr().String()})
	}
	var metrics vegeta.Metrics
	rate := vegeta.Rate{Freq: 50, Per: time.Second}
	for result := range vegeta.NewAttacker().Attack(vegeta.NewStaticTargeter(targets...), rate, 2*time.Second, "") {
		metrics.Add(result)
	}
	metrics.Close()
	return &metrics
}

func must(err error) {
	if err != nil {
		fmt.Println("FAIL:", err)
		os.Exit(1)
	}
}
END
go get github.com/tsenart/vegeta/v12/lib@v12.13.0 2>get.log || { cat get.log; exit 1; }
go build -o check .
./check
