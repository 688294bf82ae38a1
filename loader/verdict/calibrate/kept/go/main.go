// Command go is an HTTP server that makes 8 KiB of garbage in each request, and keeps an array of 64 bytes of every
// KEEP_EVERY-th if KEEP=1.
//
// The list has room for all of them from the start, so that it does not grow.
package main

import (
	"io"
	"log"
	"net"
	"net/http"
	_ "net/http/pprof" // where live memory is read
	"os"
	"strconv"
	"sync/atomic"
)

const room = 4_000_000

var (
	keep     = os.Getenv("KEEP") == "1"
	kept     = make([]*[64]byte, room)
	requests atomic.Uint64
	garbage  atomic.Pointer[[]byte]
)

func main() {
	every, err := strconv.ParseUint(os.Getenv("KEEP_EVERY"), 10, 64)
	if err != nil || every == 0 {
		every = 1
	}
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		b := make([]byte, 8<<10)
		garbage.Store(&b)
		if number := requests.Add(1); keep && number%every == 0 {
			kept[number/every%room] = new([64]byte)
		}
		io.WriteString(w, "hello\n")
	})
	log.Fatal(http.ListenAndServe(net.JoinHostPort("127.0.0.1", os.Getenv("PORT")), nil))
}
