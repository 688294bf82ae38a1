// Package main is a server that keeps memory as it is told, and prints the address that it listens on.
package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"strconv"
	"sync"
)

type block [512]byte

var (
	mu   sync.Mutex
	kept []*block // has room for all, so that it never grows
)

func main() {
	kept = make([]*block, 0, 100_000)
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	times := func(r *http.Request) int {
		n, _ := strconv.Atoi(r.FormValue("n"))
		return n
	}
	mux.HandleFunc("/keep", func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		for range times(r) {
			one := new(block)
			one[0] = 1 // a page that was never touched is not in RAM
			kept = append(kept, one)
		}
	})
	mux.HandleFunc("/finalizers", func(_ http.ResponseWriter, r *http.Request) {
		for range times(r) {
			runtime.SetFinalizer(new(block), func(*block) {})
		}
	})
	mux.HandleFunc("/goroutines", func(_ http.ResponseWriter, r *http.Request) {
		for range times(r) {
			go func() { select {} }()
		}
	})
	mux.HandleFunc("/threads", func(_ http.ResponseWriter, r *http.Request) {
		var ready sync.WaitGroup
		for range times(r) {
			ready.Add(1)
			go func() {
				runtime.LockOSThread()
				ready.Done()
				select {}
			}()
		}
		ready.Wait()
	})
	mux.HandleFunc("/ended", func(_ http.ResponseWriter, r *http.Request) {
		var all sync.WaitGroup
		end := make(chan struct{})
		for range times(r) {
			all.Go(func() { <-end })
		}
		close(end)
		all.Wait()
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	panic(http.Serve(listener, mux))
}
