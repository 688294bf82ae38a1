package main

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// converse sends messages over a WebSocket and expects a greeting in answer to each.
func converse(t *testing.T, url string, messages int) {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), url, nil)
	require.NoError(t, err)
	defer func() { _ = conn.CloseNow() }()
	for range messages {
		require.NoError(t, conn.Write(t.Context(), websocket.MessageBinary, []byte("leaklab")))
		kind, answer, err := conn.Read(t.Context())
		require.NoError(t, err)
		assert.Equal(t, websocket.MessageText, kind)
		assert.Equal(t, "Hello, warp!", string(answer))
	}
	require.NoError(t, conn.Close(websocket.StatusNormalClosure, ""))
}

// leaveEvents subscribes, reads the first event, and leaves.
func leaveEvents(t *testing.T, url string, client *http.Client) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	require.NoError(t, err)
	request.Header.Set("Accept", "text/event-stream")
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	assert.Equal(t, "text/event-stream", response.Header.Get("Content-Type"))
	lines := bufio.NewScanner(response.Body)
	require.True(t, lines.Scan())
	assert.Equal(t, "data: Hello, warp!", lines.Text())
	require.True(t, lines.Scan())
	assert.Empty(t, lines.Text())
}

// Whatever LEAK is, each protocol has a path, and that of plain HTTP answers each as it is asked.
func TestTheDemoSpeaksWebSocketAndEventStreams(t *testing.T) {
	for _, mode := range leakModes() {
		server := httptest.NewServer(newHandler(config{Leak: mode.name, LeakEntries: 1, LeakTTL: leakTTL(time.Second)}, prometheus.NewRegistry()))
		for _, path := range []string{"/hello/warp", "/ws/warp"} {
			converse(t, server.URL+path, 3)
		}
		for _, path := range []string{"/hello/warp", "/events/warp"} {
			leaveEvents(t, server.URL+path, server.Client())
		}
		server.Close()
	}
	code, _ := get(t, newHandler(config{Leak: "none"}, prometheus.NewRegistry()), "/ws/warp")
	assert.Equal(t, http.StatusUpgradeRequired, code)
}

// A session hangs on a WebSocket, too: each of its messages adds to it.
func TestAMessageIsARequestToTheDemonstration(t *testing.T) {
	const messages = 20
	for _, mode := range []leakMode{"session", "heap", "socket"} {
		var server *httptest.Server
		handler := newHandler(config{Leak: mode, LeakBytes: 1 << 20}, prometheus.NewRegistry())
		server = httptest.NewUnstartedServer(handler)
		server.Config.ConnContext = withConnection
		server.Start()
		conn, _, err := websocket.Dial(t.Context(), server.URL+"/ws/warp", nil)
		require.NoError(t, err)
		before := liveHeap()
		for range messages {
			require.NoError(t, conn.Write(t.Context(), websocket.MessageText, nil))
			_, _, err = conn.Read(t.Context())
			require.NoError(t, err)
		}
		assert.InDelta(t, messages, float64(liveHeap()-before)/(1<<20), 1, mode)
		require.NoError(t, conn.Close(websocket.StatusNormalClosure, ""))
		server.Close()
	}
}

// A subscriber does not hold the server up when it ends.
func TestAnEventStreamEndsWithTheServer(t *testing.T) {
	ending := make(chan struct{})
	server := httptest.NewUnstartedServer(newHandler(config{Leak: "none"}, prometheus.NewRegistry()))
	server.Config.BaseContext = func(net.Listener) context.Context {
		return context.WithValue(context.Background(), endingKey{}, (<-chan struct{})(ending))
	}
	server.Start()
	defer server.Close()
	response, err := server.Client().Get(server.URL + "/events/warp")
	require.NoError(t, err)
	defer response.Body.Close()
	close(ending)
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
	}
	assert.NoError(t, lines.Err(), "the response ends as it should")
}
