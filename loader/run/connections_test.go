package run

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/scrape"
)

// few accepts as many connections at a time as there is room for, like a server with a process for each.
type few struct {
	net.Listener
	room chan struct{}
}

func (l few) Accept() (net.Conn, error) {
	l.room <- struct{}{}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.room
		return nil, err
	}
	return &roomy{Conn: conn, leave: sync.OnceFunc(func() { <-l.room })}, nil
}

type roomy struct {
	net.Conn
	leave func()
}

func (c *roomy) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// serveFew starts a server with that many workers, which shows its memory at /metrics.
func serveFew(t *testing.T, workers int) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			w.Header().Set("Connection", "close")
			fmt.Fprintln(w, "process_resident_memory_bytes 5e7")
		}
	}))
	server.Listener = few{server.Listener, make(chan struct{}, workers)}
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// measureBeside measures three iterations with 4 kept connections of a server that is read at its METRICS_URL.
func measureBeside(t *testing.T, server *httptest.Server, c *connections, notes *bytes.Buffer) (opened []int, err error) {
	t.Helper()
	page := server.URL + "/metrics"
	c.beside(page, "")
	plan := load.Plan{Address: server.Listener.Addr().String(), Workers: 4, Requests: 40, Timeout: time.Minute, Protocol: load.HTTP1, Kept: c.keep(true)}
	plan.Behaviour = load.NewBehaviour(load.ShapeNamed("keepalive"), load.Request{Paths: []string{"/"}}, plan.Address)
	endpoint := memory.NewEndpoint(page, scrape.Selector{}, scrape.Selector{})
	iterations := lab.Iterations(t.Context(), lab.Plan{Tries: 3, Settle: time.Millisecond, Server: lab.Server{
		Generate: lab.Generate(plan), Sampler: memory.NewSampler(endpoint.Read), Meter: load.NewMeter(),
		AfterLoad: func(ctx context.Context) { c.makeRoom(ctx, notes) },
	}})
	for i, err := range iterations {
		if err != nil {
			return opened, err
		}
		assert.EqualValues(t, 40, i.Requests)
		assert.EqualValues(t, 50e6, i.End.Total)
		open := 0
		if c.kept[0].Any() {
			open = i.Load.Connections
		}
		opened = append(opened, open)
	}
	c.close()
	return opened, nil
}

// A server whose workers are all taken by kept connections cannot answer at METRICS_URL.
func TestKeptConnectionsMakeRoomForThePageOfTheServer(t *testing.T) {
	t.Parallel()
	var notes bytes.Buffer
	server := serveFew(t, 4)
	open, err := measureBeside(t, server, new(connections), &notes)
	require.NoError(t, err)
	// A read of the page may come before the last worker connects: then the page answers in the first iteration.
	assert.Equal(t, []int{0, 0}, open[1:])
	assert.Equal(t, "loader: CONNECTIONS=kept: "+server.URL+"/metrics answers only when the connections of the load are closed: going on with CONNECTIONS=fresh\n", notes.String())
}

func TestConnectionsAreKeptBesideAPageThatAnswers(t *testing.T) {
	t.Parallel()
	var notes bytes.Buffer
	open, err := measureBeside(t, serveFew(t, 5), new(connections), &notes)
	require.NoError(t, err)
	assert.Equal(t, []int{4, 4, 4}, open)
	assert.Empty(t, notes.String())
}

// A page that never answers has nothing to do with the connections. Nor has one that nothing listens at.
func TestConnectionsAreKeptBesideAPageThatNeverAnswers(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	mute := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		<-r.Context().Done()
	}))
	defer mute.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	c := new(connections)
	c.beside(gone.URL, mute.URL+"/debug/pprof/")
	var notes bytes.Buffer
	open, err := measureBeside(t, serveFew(t, 5), c, &notes)
	require.NoError(t, err)
	assert.Equal(t, []int{0, 4, 4}, open, "they were closed once, to see if it answers then")
	assert.Empty(t, notes.String())
	mute.Close()
	assert.EqualValues(t, 2, asked.Load())
}
