// Package main is a server that leaks LEAK_BYTES a request in the way that LEAK names, on 127.0.0.1:PORT; 0 is any free
// port, and the address is printed. LEAK=none does the same work, and keeps nothing. It shows its profiles at /debug/pprof/.
package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"strconv"
	"strings"
	"sync"
)

type server struct {
	size      int
	mu        sync.Mutex
	number    int
	sessions  map[int][]byte
	listeners []func() int
	cache     sync.Map
}

// register keeps a session for each request.
//
//go:noinline
func (s *server) register(number int) {
	s.sessions[number] = make([]byte, s.size)
}

// subscribe adds a listener that is never removed, and captures a buffer.
//
//go:noinline
func (s *server) subscribe(number int) {
	buffer := make([]byte, s.size)
	s.listeners = append(s.listeners, func() int { return len(buffer) + number })
}

// render fills a cache that evicts nothing. The standard library allocates for it.
//
//go:noinline
func (s *server) render(number int) {
	page := strings.Repeat("x", s.size)
	s.cache.Store(number, page)
}

// await leaves a goroutine that waits for a channel without a sender.
//
//go:noinline
func (*server) await(int) {
	never := make(chan int)
	go func() { <-never }()
}

// work allocates as the leaks do, and keeps nothing.
func (s *server) work(number int) {
	number %= 2
	s.register(number)
	s.subscribe(number)
	s.listeners = s.listeners[:0]
	s.render(number)
}

func main() {
	size, err := strconv.Atoi(os.Getenv("LEAK_BYTES"))
	if err != nil {
		size = 1 << 10
	}
	s := &server{size: size, sessions: make(map[int][]byte, 1<<17), listeners: make([]func() int, 0, 1<<17)}
	leak := map[string]func(int){
		"map": s.register, "closure": s.subscribe, "cache": s.render, "goroutine": s.await, "none": s.work,
	}[os.Getenv("LEAK")]
	if leak == nil {
		panic(`LEAK: expected map, closure, cache, goroutine or none`)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		leak(s.number)
		s.number++
		fmt.Fprintln(w, "ok")
	})
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		panic(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	panic(http.Serve(listener, mux))
}
