package process

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"

	"leaklab/e2e/internal/lab"
)

// The page of an exporter beside the server: its own memory is not the server's.
const exporterPage = "nginx_up 1\nnginx_http_requests_total 7\nprocess_resident_memory_bytes 1e7\nnginx_exporter_build_info{version=\"1.4.2\"} 1\n" +
	"mirror_requests_total{to=\"here\"} 3\n"

func TestMetricsAreChosenByHand(t *testing.T) {
	t.Parallel()
	ports := lab.FreePorts(t, 3)
	lab.StartDemo(t, ports[0], ports[1])
	url := "http://127.0.0.1:" + ports[1] + "/metrics"
	exporter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, exporterPage) }))
	defer exporter.Close()

	const resident, counted = "METRICS_MEMORY=process_resident_memory_bytes", `mirror_requests_total{to="here"}`
	hidden := "SERVER_PID=4194304"
	for name, test := range map[string]struct {
		settings  []string
		arguments []string
		code      int
		out, err  string
	}{
		"memory": {[]string{resident, "METRICS_URL=" + url}, []string{"attach"}, 125, "Memory:  process_resident_memory_bytes of " + url + ", exact to ", ""},
		"no such memory": {[]string{"METRICS_MEMORY=rss", "METRICS_URL=" + url}, []string{"attach"}, 2, "",
			`METRICS_MEMORY="rss": expected a metric of ` + url + ": it has "},
		"no page":  {[]string{resident}, []string{"attach"}, 2, "", `METRICS_MEMORY="process_resident_memory_bytes": expected METRICS_URL as well`},
		"launched": {[]string{resident, "METRICS_URL=" + url}, []string{"--", "false"}, 2, "", `expected none for a server that the loader starts: its processes are read`},
		"exporter": {[]string{hidden, "METRICS_URL=" + exporter.URL}, []string{"attach"}, 125, "",
			"process_resident_memory_bytes is the memory of the nginx exporter, not the server's; choose another metric by METRICS_MEMORY"},
		"its own memory": {[]string{resident, "METRICS_URL=" + exporter.URL}, []string{"attach"}, 125, "Memory:  process_resident_memory_bytes of " + exporter.URL, ""},
		"requests": {[]string{"REQUESTS=0", "LOAD_COMMAND=true", "METRICS_REQUESTS=" + counted, "METRICS_URL=" + exporter.URL}, []string{"attach"}, 125,
			"The requests were counted by the server: " + counted + " at METRICS_URL.", ""},
		"no such requests": {[]string{"METRICS_REQUESTS=calls_total", "METRICS_URL=" + url}, []string{"attach"}, 2, "",
			`METRICS_REQUESTS="calls_total": expected a metric of ` + url + ": it has http_requests_total"},
	} {
		t.Run(name, func(t *testing.T) {
			loader := exec.Command(lab.Loader, test.arguments...)
			loader.Env = append(os.Environ(), "PORT="+ports[0], "METRICS_PORT="+ports[2], "RESULTS="+t.TempDir(), "TRIES=1", "REQUESTS=100", "SETTLE=0s", "RELEASE=0", "START_TIMEOUT=300ms")
			loader.Env = append(loader.Env, test.settings...)
			var stdout, stderr bytes.Buffer
			loader.Stdout, loader.Stderr = &stdout, &stderr
			_ = loader.Run()
			assert.Equal(t, test.code, loader.ProcessState.ExitCode(), stderr.String())
			assert.Contains(t, lab.Words(stdout.String()), lab.Words(test.out))
			assert.Contains(t, stderr.String(), test.err)
		})
	}
}
