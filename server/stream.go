package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
)

// eventInterval is the time between two events of a stream.
const eventInterval = 10 * time.Millisecond

// asksForWebSocket is true for a handshake of the WebSocket protocol.
func asksForWebSocket(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// asksForEvents is true for a subscription as a browser makes it.
func asksForEvents(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

// negotiated serves a WebSocket, an event stream or a call of gRPC to the client that asks for one, and other to the rest.
func negotiated(leak leak, other http.HandlerFunc) http.HandlerFunc {
	call := serveCalls(leak)
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case isCall(r):
			call(w, r)
		case asksForWebSocket(r):
			serveSocket(leak)(w, r)
		case asksForEvents(r):
			serveEvents(leak)(w, r)
		default:
			other(w, r)
		}
	}
}

// serveSocket greets in answer to each message of a WebSocket. A message is a request to the demonstration.
func serveSocket(leak leak) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true}) // from any origin
		if err != nil {
			return // the client has been told
		}
		defer func() { _ = conn.CloseNow() }()
		conn.SetReadLimit(-1)
		for {
			_, message, err := conn.Reader(r.Context())
			if err == nil {
				_, err = io.Copy(io.Discard, message)
			}
			if err != nil {
				return
			}
			leak(unheard{}, r)
			if conn.Write(r.Context(), websocket.MessageText, []byte(greeting(r))) != nil {
				return
			}
		}
	}
}

// streamKey is the key of the *stream in the context of a request that has one.
type streamKey struct{}

// stream is an event stream or a call of gRPC, in one goroutine.
type stream struct {
	leave func() // if the client leaves it before its end; nil for nothing
}

// left is called if the client has left the stream before its end.
func (s *stream) left() {
	if s.leave != nil {
		s.leave()
	}
}

// endingKey is the key of a channel, in the context of every request, that is closed when the server is to end.
type endingKey struct{}

// serveEvents sends a greeting at once and then at each eventInterval, until the client or the server ends. An event is a
// request to the demonstration.
func serveEvents(leak leak) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		events := new(stream)
		r = r.WithContext(context.WithValue(r.Context(), streamKey{}, events))
		ending, _ := r.Context().Value(endingKey{}).(<-chan struct{})
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		event := "data: " + strings.NewReplacer("\r", " ", "\n", " ").Replace(greeting(r)) + "\n\n"
		ticker := time.NewTicker(eventInterval)
		defer ticker.Stop()
		for {
			leak(unheard{}, r)
			if _, err := io.WriteString(w, event); err != nil || http.NewResponseController(w).Flush() != nil {
				events.left()
				return
			}
			select {
			case <-r.Context().Done():
				events.left()
				return
			case <-ending:
				return
			case <-ticker.C:
			}
		}
	}
}

func greeting(r *http.Request) string { return fmt.Sprintf("Hello, %s!", r.PathValue("name")) }

// unheard is the response to a message or an event, which has none.
type unheard struct{}

func (unheard) Header() http.Header { return make(http.Header) }

func (unheard) Write(b []byte) (int, error) { return len(b), nil }

func (unheard) WriteHeader(int) {}
