package live

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/memory"
)

// startSites starts the server that leaks in a way.
func startSites(t *testing.T, leak string) *nodeServer {
	t.Helper()
	return startNode(t, append(launched(t), "LEAK="+leak, "PORT=0"), "testdata/sites/node/server.js")
}

// load sends requests on four connections, which it closes.
func (s *nodeServer) load(t *testing.T, requests int64) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}
	defer client.CloseIdleConnections()
	var sent atomic.Int64
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for sent.Add(1) <= requests {
				response, err := client.Get("http://127.0.0.1:" + s.line + "/")
				if !assert.NoError(t, err) {
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
		})
	}
	workers.Wait()
}

// namedOfNode names what one more load of the server leaves. Before, it sends warm requests.
func namedOfNode(t *testing.T, s *nodeServer, o *nodeProcess, warm, requests int64) (Naming, savedFiles) {
	t.Helper()
	s.load(t, warm)
	files := make(savedFiles)
	finish, err := o.name(t.Context(), files.save)
	require.NoError(t, err)
	s.load(t, requests)
	naming, err := finish(t.Context())
	require.NoError(t, err)
	assert.True(t, naming.Sampled)
	return naming, files
}

func TestNodeNamesWhatIsKept(t *testing.T) {
	// Between these numbers of elements V8 copies neither an array nor a Map into a larger one. A copy counts whole as kept,
	// though its original goes.
	const warm, requests = 11000, 4000
	for leak, want := range map[string]struct {
		first memory.Site
		bytes float64 // a request
	}{
		"static":      {memory.Site{Function: "openSession", Line: 21}, 80},
		"listener":    {memory.Site{Function: "subscribe", Line: 27}, 228},
		"cache":       {memory.Site{Function: "lookUp", Line: 33}, 212},
		"buffer":      {memory.Site{Function: "keepUpload", Line: 40, Class: "Buffer"}, 4096 + 200},
		"arraybuffer": {memory.Site{Function: "keepPage", Line: 45, Class: "ArrayBuffer"}, 4096 + 100},
		"worker":      {memory.Site{Function: "openSession", Line: 21}, 80},
	} {
		if !long() && (leak == "cache" || leak == "arraybuffer") {
			continue
		}
		t.Run(leak, func(t *testing.T) {
			s := startSites(t, leak)
			o := openedNode(t, s.process)
			naming, _ := namedOfNode(t, s, o, warm, requests)
			require.NotEmpty(t, naming.Sites)
			first := naming.Sites[0]
			assert.Equal(t, want.first.Function, first.Function)
			assert.Equal(t, want.first.Line, first.Line)
			assert.Equal(t, want.first.Class, first.Class)
			assert.True(t, first.InFunction)
			assert.True(t, strings.HasSuffix(first.File, "/testdata/sites/node/server.js"), first.File)
			assert.InEpsilon(t, want.bytes, float64(first.Bytes)/requests, 0.25)
		})
	}
}

func TestNodeNamesNothingOfACleanServer(t *testing.T) {
	s := startSites(t, "none")
	naming, files := namedOfNode(t, s, openedNode(t, s.process), 4000, 4000)
	assert.Empty(t, naming.Sites)
	require.Len(t, naming.Files, 1)
	p, err := readNodeProfile(files[naming.Files[0].Name])
	require.NoError(t, err)
	assert.NotEmpty(t, p.kept(), "a few things are kept once")
}

// sampled tells if the server samples what it allocates, and if V8 optimises its functions.
func (o *nodeProcess) sampled(t *testing.T) (samples, optimises bool) {
	t.Helper()
	i, err := dialInspector(t.Context(), o.dial, o.at.String())
	require.NoError(t, err)
	defer i.close()
	require.NoError(t, i.call(t.Context(), nodeMainThread, "HeapProfiler.enable", nil, nil))
	samples = i.call(t.Context(), nodeMainThread, "HeapProfiler.getSamplingProfile", nil, nil) == nil
	const never = 1 << 1 // OptimizationStatus::kNeverOptimize of V8
	status := 0
	const ask = "%GetOptimizationStatus(()=>0)"
	require.NoError(t, i.evaluate(t.Context(), nodeMainThread, ask, false, &status))
	return samples, status&never == 0
}

func TestNodeNamingEnds(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *nodeProcess, func(context.Context) (Naming, error)){
		"named": func(t *testing.T, _ *nodeProcess, finish func(context.Context) (Naming, error)) {
			_, err := finish(t.Context())
			require.NoError(t, err)
		},
		"interrupted": func(t *testing.T, _ *nodeProcess, finish func(context.Context) (Naming, error)) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := finish(ctx)
			require.ErrorIs(t, err, context.Canceled)
		},
		"closed": func(t *testing.T, o *nodeProcess, finish func(context.Context) (Naming, error)) {
			require.NoError(t, o.close(t.Context()))
			_, err := finish(t.Context())
			require.Error(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			port := freePort(t)
			s := startNode(t, []string{"LEAK=static", "PORT=0"}, "--allow-natives-syntax", "--inspect="+port, "testdata/sites/node/server.js")
			o := openedNode(t, s.process)
			finish, err := o.name(t.Context(), make(savedFiles).save)
			require.NoError(t, err)
			s.load(t, 100)
			samples, optimises := o.sampled(t)
			assert.True(t, samples)
			assert.False(t, optimises)
			end(t, o, finish)
			samples, optimises = o.sampled(t)
			assert.False(t, samples)
			assert.True(t, optimises)
			nodeLive(t, o)
		})
	}
}

func TestNodeThatEndsDoesNotWaitForItsNaming(t *testing.T) {
	s := startNode(t, launched(t), "testdata/node_holds.js")
	o := openedNode(t, s.process)
	finish, err := o.name(t.Context(), make(savedFiles).save)
	require.NoError(t, err)
	go func() { _, _ = http.Get("http://127.0.0.1:" + s.line + "/?exit") }()
	require.NoError(t, s.command.Wait())
	_, err = finish(t.Context())
	require.ErrorIs(t, err, memory.ErrGone)
}

func TestNodeHeapSnapshot(t *testing.T) {
	s := startSites(t, "worker")
	o := openedNode(t, s.process)
	o.snapshot = true
	require.Eventually(t, func() bool {
		i, err := dialInspector(t.Context(), o.dial, o.at.String())
		require.NoError(t, err)
		defer i.close()
		heaps, err := o.heaps(t.Context(), i)
		require.NoError(t, err)
		return len(heaps) == 2
	}, time.Minute, 50*time.Millisecond, "its worker starts")
	naming, files := namedOfNode(t, s, o, 10, 10)
	require.Len(t, naming.Files, 4, "a profile and a snapshot of each thread")
	for _, file := range naming.Files[2:] {
		var snapshot struct {
			Snapshot struct {
				Nodes int `json:"node_count"`
			} `json:"snapshot"`
			Strings []string `json:"strings"`
		}
		require.NoError(t, json.Unmarshal(files[file.Name], &snapshot), file.Name)
		assert.Greater(t, snapshot.Snapshot.Nodes, 1000)
		assert.Contains(t, snapshot.Strings, "Session")
	}
}
