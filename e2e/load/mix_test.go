package load

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// A server counts as many requests of each line as its weight says, with the line's method and body.
func TestAMixIsSentByItsWeights(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	urls := filepath.Join(folder, "urls.txt")
	require.NoError(t, os.WriteFile(urls, []byte("# mostly reading\n7 /items?page=1\n2 POST /items {\"name\": \"warp\"}\nPUT /items/7 @item.json\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "item.json"), []byte("{}"), 0o600))
	for _, protocol := range []string{"http1", "h2c"} {
		t.Run(protocol, func(t *testing.T) {
			var mu sync.Mutex
			counted := make(map[string]int)
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				assert.NoError(t, err)
				mu.Lock()
				defer mu.Unlock()
				counted[strings.TrimSpace(r.Method+" "+r.URL.RequestURI()+" "+string(body))]++
			}))
			server.Config.Protocols = new(http.Protocols)
			server.Config.Protocols.SetHTTP1(true)
			server.Config.Protocols.SetUnencryptedHTTP2(true)
			server.Start()
			defer server.Close()
			host, port, err := net.SplitHostPort(server.Listener.Addr().String())
			require.NoError(t, err)
			r := lab.Attach(t, []string{"HOST=" + host, "PORT=" + port, "PROTOCOL=" + protocol, "URL_FILE=" + urls, "TRIES=3", "REQUESTS=333", "SETTLE=10ms", "WORKERS=7"})
			assert.Equal(t, 125, r.ExitCode(), "%s%s", &r.Out, &r.Err)
			assert.Empty(t, r.Err.String())
			assert.Contains(t, r.Out.String(), "http://"+net.JoinHostPort(host, port)+", as in "+urls+" ("+protocol+")")
			mu.Lock()
			defer mu.Unlock()
			// Before three iterations of 333, the loader asks once if the server answers.
			assert.Equal(t, map[string]int{"GET /items?page=1": 700, `POST /items {"name": "warp"}`: 200, "PUT /items/7 {}": 100}, counted)
		})
	}
}
