#!/bin/sh
# What a Go server's heap has after forced collections depends on how many connections asked for them.
#
# Expected: two collections by /debug/pprof/heap?gc=1 free all that is garbage, what sync.Pool keeps included. So HeapAlloc of
# a server that keeps nothing is the same each time, to some hundred bytes.
# Seen (Go 1.26.8): it varies by less than 2 KiB if both requests come on one connection. If each has a connection of its
# own, readings differ three times as much from one to the next. net/http has a reader and a writer of 4 KiB for each
# connection, which it pools when the connection ends. When the second request is served, the first connection has just
# ended, or is about to: its buffers are used again, wait in a pool, or still belong to it. Collections do not decide that,
# timing does.
# Consequence: curl twice, or a scraper that closes its connections, hides a leak below that. Ask on one connection.
#
# Output seen:
#   mean change of HeapAlloc from one reading to the next: 5404 bytes with two connections, 1770 with one
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
	"fmt"
	"io"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) > 1 {
		serve()
	}
	server := exec.Command(os.Args[0], "serve")
	output, err := server.StdoutPipe()
	must(err)
	must(server.Start())
	line, err := bufio.NewReader(output).ReadString('\n')
	must(err)
	address := strings.TrimSpace(line)

	visitors := make([]*http.Client, 10)
	for i := range visitors {
		visitors[i] = &http.Client{Transport: &http.Transport{}}
	}
	heap := "http://" + address + "/debug/pprof/heap?gc=1&debug=1"
	change := func(reader *http.Client) int {
		sum, before := 0, -1
		const warmUp, rounds = 10, 40
		for round := range warmUp + rounds {
			for i := range 200 {
				get(visitors[i%len(visitors)], "http://"+address+"/")
			}
			get(reader, heap)
			found := regexp.MustCompile(`# HeapAlloc = (\d+)`).FindStringSubmatch(get(reader, heap))
			now, err := strconv.Atoi(found[1])
			must(err)
			if round >= warmUp {
				sum += max(now-before, before-now)
			}
			before = now
		}
		return sum / rounds
	}
	two := change(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}})
	one := change(&http.Client{Transport: &http.Transport{}})
	_ = server.Process.Kill()
	_ = server.Wait()
	fmt.Printf("%s: mean change of HeapAlloc from one reading to the next: %d bytes with two connections, %d with one\n", runtime.Version(), two, one)
	if two < 2*one || two < 1500 {
		fmt.Println("FAIL: connections no longer make the difference")
		os.Exit(1)
	}
}

// serve prints its address, and keeps nothing of what it answers.
func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello\n") })
	fmt.Println(listener.Addr())
	must(http.Serve(listener, nil))
}

func get(client *http.Client, address string) string {
	response, err := client.Get(address)
	must(err)
	body, err := io.ReadAll(response.Body)
	must(err)
	must(response.Body.Close())
	return string(body)
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
