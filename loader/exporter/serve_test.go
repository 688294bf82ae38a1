package exporter

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A scraper that has given up stores nothing, so the run waits for the next scrape.
func TestAScrapeThatWasGivenUpIsNotTheLast(t *testing.T) {
	e, err := Listen("127.0.0.1:0")
	require.NoError(t, err)
	defer e.Close()
	e.AwaitFinalScrape(t.Context(), 0)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	handler := e.show(prometheus.NewRegistry())
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(over, http.MethodGet, "/metrics", nil))
	assert.False(t, isClosed(e.finished))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/metrics", nil))
	assert.True(t, isClosed(e.finished))
}

func isClosed(done chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}
