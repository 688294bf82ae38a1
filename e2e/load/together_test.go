package load

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"leaklab/e2e/internal/lab"
)

// Two loaders of one server on this machine keep in step without knowing of each other.
func TestTwoLoadersBeginTogether(t *testing.T) {
	lab.Quiet(t)
	ports := lab.FreePorts(t, 2)
	lab.StartDemo(t, ports[0], ports[1])
	settings := []string{"ALIGN=true", "TRIES=3", "DURATION=300ms", "SETTLE=50ms", "WORKERS=2", "PORT=" + ports[0], "METRICS_URL=http://127.0.0.1:" + ports[1] + "/metrics"}
	loaders := []*lab.Run{lab.Attach(t, settings), lab.Attach(t, settings)}
	var tables [][][]string
	for _, r := range loaders {
		assert.Equal(t, 125, r.ExitCode(), "%s", &r.Err)
		assert.Contains(t, r.Out.String(), "together with other loaders every 2s\n")
		tables = append(tables, r.Rows(t))
	}
	lab.AssertTogether(t, tables, 2*time.Second)
	for _, rows := range tables {
		for _, row := range rows {
			own := lab.Number(t, row, lab.ColumnRate) * lab.Number(t, row, lab.ColumnDuration)
			assert.GreaterOrEqual(t, lab.Number(t, row, lab.ColumnRequests)+1, own, "those of both loaders")
		}
	}
	for n := range tables {
		var own float64
		for _, row := range tables[n] {
			own += lab.Number(t, row, lab.ColumnRate) * lab.Number(t, row, lab.ColumnDuration)
		}
		assert.Greater(t, lab.Sum(t, tables[n], lab.ColumnRequests), 1.1*own, "not its own alone")
	}
}

func TestLoadersTogetherNeedACounter(t *testing.T) {
	t.Parallel()
	metrics := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "process_resident_memory_bytes 1e7\n")
	}))
	defer metrics.Close()
	r := lab.Start(t, []string{"ALIGN=true", "METRICS_URL=" + metrics.URL})
	assert.Equal(t, 2, r.ExitCode())
	assert.Contains(t, r.Err.String(), "ALIGN=true: expected a counter of the server's requests at METRICS_URL")
}
