package footprint

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// What a loader may hold: with 1,000 iterations, it stays within mostInAll.
const (
	mostOfAnIteration = 24 << 10 // bytes: in the report, in the series, and as garbage of both
	mostInAll         = 64 << 20 // bytes
	mostSeries        = 14       // of an iteration
)

// soak is how long and how hard a loader works while another one judges it.
type soak struct {
	requests int      // in each of its iterations
	judging  []string // settings of the other one
}

// wantedSoak is a short one, or one of the length that LEAKLAB_SOAK says: in an hour about 1,000 iterations of 100,000
// requests, in less time as many of fewer requests.
func wantedSoak(t *testing.T) soak {
	t.Helper()
	const fewest, most, times = 500, 100_000, 20
	text := os.Getenv("LEAKLAB_SOAK")
	if text == "" {
		return soak{fewest, []string{"TRIES=auto", "MAX_TRIES=100", "LOAD_COMMAND=sleep 0.5"}}
	}
	length, err := time.ParseDuration(text)
	require.NoError(t, err, "LEAKLAB_SOAK")
	return soak{
		min(max(int(most*length.Hours()), fewest), most),
		[]string{fmt.Sprint("TRIES=", times), fmt.Sprint("LOAD_COMMAND=sleep ", (length / times).Seconds())},
	}
}

// startLoader starts a loader by itself, for the server on port. The program that draws is not beside it: it would be
// measured as a part of it.
func startLoader(t *testing.T, port, metricsPort string, settings ...string) *lab.Run {
	t.Helper()
	folder := t.TempDir()
	program := filepath.Join(folder, "loader")
	content, err := os.ReadFile(lab.Loader)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(program, content, 0o700))
	r := &lab.Run{Cmd: exec.Command(program), Results: filepath.Join(folder, "results"), Metrics: metricsPort}
	r.Env = append(os.Environ(), "PORT="+port, "METRICS_PORT="+metricsPort, "RESULTS="+r.Results, "RELEASE=0")
	r.Env = append(r.Env, settings...)
	r.Stdout, r.Stderr = &r.Out, &r.Err
	require.NoError(t, r.Start())
	t.Cleanup(func() { _ = r.Process.Kill(); _ = r.Wait() })
	return r
}

// held is what a loader says that it holds.
type held struct{ iteration, bytes, series, goroutines, files int }

// holds returns the most of what the loader holds at a few moments, since much comes and goes with each iteration.
func holds(t *testing.T, r *lab.Run) held {
	t.Helper()
	var most held
	for range 20 {
		response, err := http.Get("http://127.0.0.1:" + r.Metrics + "/metrics")
		require.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		series := 0
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			series++
			name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			count, _ := strconv.ParseFloat(value, 64)
			switch name {
			case "leaklab_iteration":
				most.iteration = max(most.iteration, int(count))
			case "process_resident_memory_bytes":
				most.bytes = max(most.bytes, int(count))
			case "go_goroutines":
				most.goroutines = max(most.goroutines, int(count))
			case "process_open_fds":
				most.files = max(most.files, int(count))
			}
		}
		most.series = max(most.series, series)
		time.Sleep(20 * time.Millisecond)
	}
	require.NotZero(t, most.iteration*most.goroutines*most.files, "%+v", most)
	return most
}

func TestLoaderDoesNotLeak(t *testing.T) {
	lab.Quiet(t)
	const workers, warmUp = 10, 20
	plan := wantedSoak(t)
	ports := lab.FreePorts(t, 4)
	demo := lab.StartDemo(t, ports[0], ports[1])
	loader := startLoader(t, ports[0], ports[2], "TRIES=10000", "SETTLE=0", fmt.Sprint("REQUESTS=", plan.requests),
		fmt.Sprint("WORKERS=", workers), fmt.Sprint("SERVER_PID=", demo.Process.Pid))
	loader.AwaitOutput(t, fmt.Sprintf("Iteration: %d of", warmUp))
	before := holds(t, loader)
	judge := startLoader(t, ports[2], ports[3], append(plan.judging, "REQUEST_PATH=/metrics", "SETTLE=50ms",
		fmt.Sprint("TOLERANCE=", float64(mostOfAnIteration)/float64(plan.requests)),
		fmt.Sprint("SERVER_PID=", loader.Process.Pid), "METRICS_URL=http://127.0.0.1:"+ports[2]+"/metrics")...)
	code := judge.ExitCode()
	after := holds(t, loader)
	t.Logf("%+v, then %+v", before, after)

	assert.Equal(t, 0, code, "%s%s", &judge.Out, &judge.Err)
	assert.Contains(t, lab.Words(judge.Out.String()), "counted by the server: leaklab_requests_total")
	assert.Less(t, after.bytes, mostInAll)
	assert.LessOrEqual(t, after.series-before.series, mostSeries*(after.iteration-before.iteration+1))
	assert.LessOrEqual(t, after.goroutines, before.goroutines+2*workers)
	assert.LessOrEqual(t, after.files, before.files+2*workers)
}
