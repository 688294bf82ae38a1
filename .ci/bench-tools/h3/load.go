package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// plan is a load.
type plan struct {
	at, api, profile     string
	connections, streams int
	duration             time.Duration
}

// exchange sends one request and reads its response to the end. Each belongs to one goroutine, which has its buffer.
type exchange func(ctx context.Context, buffer []byte) error

// load opens all connections, then sends requests, and prints their number and how many seconds they took.
func (p plan) load(ctx context.Context) error {
	connections, done, err := p.open(ctx)
	defer done()
	if err != nil {
		return err
	}
	if p.profile != "" {
		file, err := os.Create(p.profile)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	// Garbage is most of the heap: collected seldom, it takes less time.
	debug.SetGCPercent(400)
	// Nobody looks at the clock for each request.
	over := make(chan struct{})
	begin := time.Now()
	time.AfterFunc(p.duration, func() { close(over) })

	counts := make([]int, len(connections)*p.streams)
	failed := make(chan error, len(counts))
	var all sync.WaitGroup
	for i := range counts {
		all.Go(func() {
			buffer := make([]byte, 4096)
			for answered := 0; ; answered++ {
				select {
				case <-over:
					counts[i] = answered
					return
				default:
				}
				if err := connections[i/p.streams](ctx, buffer); err != nil {
					failed <- fmt.Errorf("request %d of a stream: %w", answered+1, err)
					return
				}
			}
		})
	}
	all.Wait()
	took := time.Since(begin)
	select {
	case err := <-failed:
		return err
	default:
	}
	sum := 0
	for _, answered := range counts {
		sum += answered
	}
	fmt.Printf("requests %d seconds %.3f\n", sum, took.Seconds())
	return nil
}

// open makes the connections one after the other, over one socket. done closes what was opened.
func (p plan) open(ctx context.Context) (connections []exchange, done func(), err error) {
	done = func() {}
	server, err := net.ResolveUDPAddr("udp", p.at)
	if err != nil {
		return nil, done, err
	}
	// quic-go asks for receive and send buffers of 7 MiB, and sends with GSO if the kernel has it.
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, done, err
	}
	socket, transport := &quic.Transport{Conn: conn}, &http3.Transport{DisableCompression: true}
	done = func() {
		_ = transport.Close()
		_ = socket.Close()
		_ = conn.Close()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+p.at+"/hello/warp", nil)
	if err != nil {
		return nil, done, err
	}
	insecure := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{http3.NextProtoH3}}
	for range p.connections {
		connection, err := socket.Dial(ctx, server, insecure, &quic.Config{MaxIncomingStreams: -1})
		if err != nil {
			return nil, done, err
		}
		made, err := exchangeOf(p.api, transport, connection, request)
		if err != nil {
			return nil, done, err
		}
		connections = append(connections, made)
	}
	return connections, done, nil
}
