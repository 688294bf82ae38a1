package live

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/memory"
)

// leaking is a running testdata/sites/jvm/Leaks.java.
type leaking struct {
	*program
	url string
}

// leaks runs the server with a kind of leak.
func leaks(t *testing.T, folder, kind string, options ...string) leaking {
	t.Helper()
	port := freePort(t)
	cmd := exec.Command("java", append(options, "-Dsun.net.httpserver.nodelay=true", "-cp", folder, "Leaks")...)
	cmd.Env = append(os.Environ(), "LEAK="+kind, "PORT="+port)
	return leaking{program: started(t, cmd), url: "http://127.0.0.1:" + port + "/"}
}

// load sends requests from four clients.
func (l leaking) load(requests int) {
	l.t.Helper()
	const clients = 4
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range requests / clients {
				response, err := client.Get(l.url)
				if !assert.NoError(l.t, err) {
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				_ = response.Body.Close()
			}
		})
	}
	all.Wait()
}

// compiledLeaks returns a folder with the compiled server.
func compiledLeaks(t *testing.T) string {
	t.Helper()
	need(t, "javac")
	folder := t.TempDir()
	output, err := exec.Command("javac", "-d", folder, "testdata/sites/jvm/Leaks.java").CombinedOutput()
	require.NoError(t, err, "%s", output)
	return folder
}

func TestX(t *testing.T) {
	folder := compiledLeaks(t)
	for _, kind := range []string{"static", "listener", "cache", "thread", "direct"} {
		t.Run(kind, func(t *testing.T) {
			p := leaks(t, folder, kind, trackNative)
			p.load(2000)
			o, err := p.attach()
			require.NoError(t, err)
			n, err := o.(namer).name(t.Context(), func(name string, write func(io.Writer) error) error {
				f, err := os.Create(filepath.Join("/tmp/s2x", kind+".jfr"))
				require.NoError(t, err)
				defer f.Close()
				return write(f)
			})
			require.NoError(t, err)
			p.load(2000)
			naming, err := n(t.Context())
			require.NoError(t, err)
			for _, s := range naming.Sites {
				fmt.Printf("%+v\n", s)
			}
		})
	}
	_ = memory.Live{}
}
