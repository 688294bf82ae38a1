package scrape

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPublic(t *testing.T) {
	for address, want := range map[string]string{
		"http://server:9101/metrics":         "http://server:9101/metrics",
		"http://me:hunter2@host/metrics":     "http://xxxxx@host/metrics",
		"http://hunter2@host/metrics":        "http://xxxxx@host/metrics",
		"https://host/metrics?token=hunter2": "https://host/metrics?xxxxx",
		"https://host/a#hunter2":             "https://host/a",
		"http://[:hunter2@/":                 "(an address that cannot be read)",
	} {
		assert.Equal(t, want, Public(address))
		assert.Equal(t, strings.Contains(want, "xxxxx") || strings.HasPrefix(want, "("), LeftOut(want), want)
	}
}

func TestLeftOut(t *testing.T) {
	assert.True(t, LeftOut("http://me:xxxxx@host/"), "as it was recorded once")
	assert.False(t, LeftOut("http://me@host/?a=b"))
	assert.False(t, LeftOut(""))
}

func TestErrorsHoldNoSecrets(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/redirect":
			http.Redirect(w, r, "ftp://hunter2@host/?token=hunter2", http.StatusFound)
		case "/text":
			_, _ = w.Write([]byte("<html>\n"))
		case "/line":
			_, _ = w.Write([]byte("go_threads " + strings.Repeat("1", lineLimit) + "\n"))
		case "/closed":
			panic(http.ErrAbortHandler)
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer server.Close()
	here := strings.Replace(server.URL, "http://", "http://me:hunter2@", 1)
	for _, address := range []string{
		here + "/redirect?token=hunter2", here + "/text?token=hunter2", here + "/line?token=hunter2", here + "/closed?token=hunter2", here + "/?token=hunter2",
		"http://hunter2@127.0.0.1:1/?token=hunter2", "http://hunter2@127.0.0.1:x/", "http://hunter2@no-such-name.invalid/?token=hunter2",
	} {
		_, err := Fetch(t.Context(), address)
		require.Error(t, err, address)
		assert.NotContains(t, err.Error(), "hunter2")
	}
}
