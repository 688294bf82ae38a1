package lab

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// StartPrometheus builds the Prometheus whose version the lab runs, and starts it with the lab's own configuration, but for
// the places of the server and of the loader, host:port. It returns its address. It stops when the test ends.
func StartPrometheus(t testing.TB, server, loader string) string {
	t.Helper()
	program, err := filepath.Abs(built + "/prometheus")
	require.NoError(t, err)
	unlock, err := lock("prometheus")
	require.NoError(t, err)
	build := exec.Command("go", "build", "-C", Root+"/.ci/prometheus", "-o", program, "github.com/prometheus/prometheus/cmd/prometheus")
	build.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	unlock()
	require.NoError(t, err, string(output))

	content, err := os.ReadFile(Root + "/prometheus.yml")
	require.NoError(t, err)
	configuration := string(content)
	for inCompose, here := range map[string]string{
		`targets: ["server:9101"]`: `targets: ["` + server + `"]`,
		"dns_sd_configs:\n      - {names: [loader], type: A, port: 9102, refresh_interval: 1s}": `static_configs: [targets: ["` + loader + `"]]`,
	} {
		require.Equal(t, 1, strings.Count(configuration, inCompose), inCompose)
		configuration = strings.Replace(configuration, inCompose, here, 1)
	}
	folder := t.TempDir()
	file := filepath.Join(folder, "prometheus.yml")
	require.NoError(t, os.WriteFile(file, []byte(configuration), 0o600))
	address := "127.0.0.1:" + FreePorts(t, 1)[0]
	var log Buffer
	prometheus := exec.Command(program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(folder, "data"), "--web.listen-address="+address, "--log.level=warn")
	prometheus.Stdout, prometheus.Stderr = &log, &log
	require.NoError(t, prometheus.Start())
	t.Cleanup(func() {
		_ = prometheus.Process.Kill()
		_ = prometheus.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	require.Eventually(t, func() bool {
		resp, err := http.Get("http://" + address + "/-/ready")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, time.Minute, 100*time.Millisecond, "%s", &log)
	return address
}
