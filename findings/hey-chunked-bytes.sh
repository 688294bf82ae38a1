#!/bin/sh
# hey reports no bytes at all for responses that come in chunks.
#
# Expected: "Total data" and "Size/request" are what was read from the bodies, which hey reads to the end.
# Seen (hey 0.1.5): they are sums of the Content-Length header. A chunked response has none, so 99000 bytes that were
# read are no bytes, and both lines are missing. The same bodies with a Content-Length are 99000 bytes.
# Consequence: throughput of a server that streams is unknown, and that of one with both kinds of responses is too small,
# without a word. Any proxy that compresses on the fly has the same effect.
#
# Output seen:
#   Content-Length: Total data: 99000 bytes; chunked: no Total data; the server wrote 99000 and 99000 bytes
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
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync/atomic"
)

var written atomic.Int64

func main() {
	server := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if request.URL.Path == "/length" {
			response.Header().Set("Content-Length", strconv.Itoa(1000))
		} else {
			response.(http.Flusher).Flush()
		}
		n, err := response.Write(make([]byte, 1000))
		must(err)
		written.Add(int64(n))
	}))
	length, lengthWritten := load(server.URL+"/length"), written.Swap(0)
	chunked, chunkedWritten := load(server.URL+"/chunked"), written.Swap(0)
	fmt.Printf("Content-Length: %s; chunked: %s; the server wrote %d and %d bytes\n",
		length, chunked, lengthWritten, chunkedWritten)
	if length != "Total data: 99000 bytes" || chunked != "no Total data" || lengthWritten != 99000 || chunkedWritten != 99000 {
		fmt.Println("FAIL: chunked bodies now count")
		os.Exit(1)
	}
}

// load runs hey with 99 requests and returns its line of bytes.
func load(url string) string {
	output, err := exec.Command("./hey", "-n", "99", "-c", "3", url).Output()
	must(err)
	found := regexp.MustCompile(`Total data:\s+(\d+ bytes)`).FindSubmatch(output)
	if found == nil {
		return "no Total data"
	}
	return "Total data: " + string(found[1])
}

func must(err error) {
	if err != nil {
		fmt.Println("FAIL:", err)
		os.Exit(1)
	}
}
END
GOBIN="$FOLDER" go install github.com/rakyll/hey@v0.1.5 2>get.log || { cat get.log; exit 1; }
go build -o check .
./check
