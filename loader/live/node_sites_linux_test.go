package live

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/memory"
)

// saved keeps files in memory.
type saved map[string][]byte

func (s saved) save(name string, write func(io.Writer) error) error {
	var b bytes.Buffer
	err := write(&b)
	s[name] = b.Bytes()
	return err
}

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

// namedOfNode names what one more load of the server leaves, and returns by how much live memory has grown meanwhile.
func namedOfNode(t *testing.T, s *nodeServer, o *nodeProcess, requests int64) (Naming, saved, int64) {
	t.Helper()
	s.load(t, requests)
	before := nodeLive(t, o)
	files := make(saved)
	finish, err := o.name(t.Context(), files.save)
	require.NoError(t, err)
	s.load(t, requests)
	naming, err := finish(t.Context())
	require.NoError(t, err)
	assert.True(t, naming.Sampled)
	return naming, files, nodeLive(t, o).Bytes - before.Bytes
}

func TestNodeNamesWhatIsKept(t *testing.T) {
	const requests = 4000
	for leak, want := range map[string]struct {
		first memory.Site
		bytes float64 // a request; 0 if as much as live memory grows
	}{
		"static":      {memory.Site{Function: "openSession", Line: 21}, 80},
		"listener":    {memory.Site{Function: "subscribe", Line: 27}, 0},
		"cache":       {memory.Site{Function: "lookUp", Line: 33}, 0},
		"buffer":      {memory.Site{Function: "keepUpload", Line: 40, Class: "Buffer"}, 4096 + 200},
		"arraybuffer": {memory.Site{Function: "keepPage", Line: 45, Class: "ArrayBuffer"}, 4096 + 100},
		"worker":      {memory.Site{Function: "openSession", Line: 21}, 80},
	} {
		t.Run(leak, func(t *testing.T) {
			s := startSites(t, leak)
			o := openedNode(t, s.process)
			naming, _, grown := namedOfNode(t, s, o, requests)
			for _, site := range naming.Sites {
				t.Logf("%+v %.1f", site, float64(site.Bytes)/requests)
			}
			require.NotEmpty(t, naming.Sites)
			first := naming.Sites[0]
			assert.Equal(t, want.first.Function, first.Function)
			assert.Equal(t, want.first.Line, first.Line)
			assert.Equal(t, want.first.Class, first.Class)
			assert.True(t, first.InFunction)
			assert.True(t, strings.HasSuffix(first.File, "/testdata/sites/node/server.js"), first.File)
			bytes := want.bytes
			if bytes == 0 {
				bytes = float64(grown) / requests
			}
			t.Logf("%.1f planted, %.1f live", bytes, float64(grown)/requests)
			assert.InEpsilon(t, bytes, float64(first.Bytes)/requests, 0.25)
		})
	}
}

func TestNodeNamesNothingOfACleanServer(t *testing.T) {
	s := startSites(t, "none")
	naming, files, _ := namedOfNode(t, s, openedNode(t, s.process), 4000)
	assert.Empty(t, naming.Sites)
	require.Len(t, naming.Files, 1)
	p, err := readNodeProfile(files[naming.Files[0].Name])
	require.NoError(t, err)
	for _, s := range p.kept() {
		t.Logf("%d %.0f %+v", s.samples, s.bytes, s.Site)
	}
	assert.NotEmpty(t, p.calls)
}
