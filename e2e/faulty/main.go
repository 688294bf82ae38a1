// Command faulty is a server with a fault, for the tests: it listens on HOST:PORT and answers, but from the request with
// the number FAULT_AFTER on, counted from 1, it does what FAULT says:
//
//	crash   ends with exit code 3, once if FAULT_ONCE names a file, which it creates then
//	reexec  starts anew in the same process, with execve, once as crash
//	hang    accepts and never answers
//	close   closes each connection, and every new one
//
// It says on stderr when that has begun, and when it is asked to end. It listens after START_AFTER, keeps KEEP bytes of
// each request, and takes ANSWER_AFTER to answer. With MASTER set it is a master that listens, and whose worker does all
// this; when that ends, another one follows.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
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
	listener, err := listen()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if os.Getenv("MASTER") != "" {
		fmt.Fprintln(os.Stderr, work(listener))
		os.Exit(1)
	}
	fault, after, keep, pause := os.Getenv("FAULT"), number("FAULT_AFTER"), number("KEEP"), duration("ANSWER_AFTER")
	var requests atomic.Int64
	var begins sync.Once
	var mu sync.Mutex
	var kept [][]byte
	err = http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) >= after && after > 0 {
			begins.Do(func() { fmt.Fprintln(os.Stderr, "fault:", fault, "at", time.Now().Format(time.RFC3339Nano)) })
			switch fault {
			case "crash":
				if first(os.Getenv("FAULT_ONCE")) {
					os.Exit(3)
				}
			case "reexec":
				if first(os.Getenv("FAULT_ONCE")) {
					fmt.Fprintln(os.Stderr, syscall.Exec(os.Args[0], os.Args, os.Environ()))
				}
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

// inherited is the file descriptor of a worker that is the master's socket.
const inherited = 3

// listen listens on HOST:PORT, or takes the socket of the master.
func listen() (net.Listener, error) {
	if os.Getenv("WORKER") != "" {
		return net.FileListener(os.NewFile(inherited, "listener"))
	}
	return net.Listen("tcp", net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")))
}

// work runs one worker after the other. It returns why there can be none.
func work(listener net.Listener) error {
	socket, err := listener.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	for {
		worker := exec.Command(os.Args[0])
		worker.Env = append(os.Environ(), "MASTER=", "WORKER=yes", "START_AFTER=")
		worker.Stderr = os.Stderr
		worker.ExtraFiles = []*os.File{socket}
		if err := worker.Start(); err != nil {
			return err
		}
		_ = worker.Wait() // however it ends
	}
}

// first is true unless the file that once names is there; it is created then. Without a name it is always true.
func first(once string) bool {
	if once == "" {
		return true
	}
	file, err := os.OpenFile(once, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false
	}
	_ = file.Close()
	return true
}

func number(name string) int64 {
	n, _ := strconv.ParseInt(os.Getenv(name), 10, 64)
	return n
}

func duration(name string) time.Duration {
	d, _ := time.ParseDuration(os.Getenv(name))
	return d
}
