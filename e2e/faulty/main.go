// Command faulty is a server with a fault, for the tests: it listens on HOST:PORT and answers, but from the request with
// the number FAULT_AFTER on, counted from 1, it does what FAULT says:
//
//	crash   ends with exit code 3, once if FAULT_ONCE names a file, which it creates then
//	hang    accepts and never answers
//	close   closes each connection, and every new one
//
// It says on stderr when that has begun, and when it is asked to end. It listens after START_AFTER, keeps KEEP bytes of each request, and takes ANSWER_AFTER to answer.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	go func() {
		fmt.Fprintln(os.Stderr, <-asked)
		os.Exit(0)
	}()
	time.Sleep(duration("START_AFTER"))
	fault, after, keep, pause := os.Getenv("FAULT"), number("FAULT_AFTER"), number("KEEP"), duration("ANSWER_AFTER")
	var requests atomic.Int64
	var begins sync.Once
	var mu sync.Mutex
	var kept [][]byte
	err := http.ListenAndServe(net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) >= after && after > 0 {
			begins.Do(func() { fmt.Fprintln(os.Stderr, "fault:", fault, "at", time.Now().Format(time.RFC3339Nano)) })
			switch fault {
			case "crash":
				crash(os.Getenv("FAULT_ONCE"))
			case "hang":
				select {}
			case "close":
				panic(http.ErrAbortHandler)
			}
		}
		if keep > 0 {
			block := make([]byte, keep)
			for n := 0; n < len(block); n += 4096 {
				block[n] = 1 // it is resident
			}
			mu.Lock()
			kept = append(kept, block)
			mu.Unlock()
		}
		time.Sleep(pause)
		fmt.Fprint(w, "hello")
	}))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// crash ends the server, if it has not done so before.
func crash(once string) {
	if once != "" {
		file, err := os.OpenFile(once, os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return
		}
		_ = file.Close()
	}
	os.Exit(3)
}

func number(name string) int64 {
	n, _ := strconv.ParseInt(os.Getenv(name), 10, 64)
	return n
}

func duration(name string) time.Duration {
	d, _ := time.ParseDuration(os.Getenv(name))
	return d
}
