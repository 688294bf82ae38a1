package docker

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/dashboard"
	"leaklab/e2e/internal/lab"
)

// liveFiles are the compose files for live memory of any image.
const liveFiles = imageFiles + ":" + lab.Root + "/compose/live.yml"

// newLiveLab is the lab with a server of testdata, whose image has another user than root. It keeps something of each
// request, or nothing.
func newLiveLab(t *testing.T, server string, keeps bool, settings ...string) *composeLab {
	t.Helper()
	environment := filepath.Join(t.TempDir(), "image.env")
	require.NoError(t, os.WriteFile(environment, []byte("KEEP="+strconv.FormatBool(keeps)+"\n"), 0o600))
	l := newComposeLab(t, append([]string{liveFiles, "SERVER_PORT=8080", "SERVER_ENV_FILE=" + environment, "REQUEST_PATH=/",
		"TRIES=10", "REQUESTS=10000", "TOLERANCE=16"}, settings...)...)
	image := l.project + "-" + server
	l.environment = append(l.environment, "SERVER_IMAGE="+image)
	output, err := l.docker(nil, "build", "--quiet", "--tag", image, "testdata/"+server)
	require.NoError(t, err, output)
	t.Cleanup(func() {
		l.compose(nil, "down", "--timeout=2")
		output, err := l.docker(nil, "image", "rm", "--force", image)
		assert.NoError(t, err, output)
	})
	return l
}

// liveGrowth is how much live memory has grown from the end of the third iteration to that of the last, in bytes a request.
func (l *composeLab) liveGrowth() float64 {
	l.t.Helper()
	content, err := os.ReadFile(filepath.Join(lab.Newest(l.t, l.results, 1), "run.json"))
	require.NoError(l.t, err)
	var run struct {
		Iterations []struct {
			Requests     float64
			LiveEndBytes *float64 `json:"live_end_bytes"`
		}
	}
	require.NoError(l.t, json.Unmarshal(content, &run))
	require.Len(l.t, run.Iterations, 10)
	requests := 0.0
	for n, i := range run.Iterations {
		require.NotNil(l.t, i.LiveEndBytes, "iteration %d", n+1)
		if n > 2 {
			requests += i.Requests
		}
	}
	return (*run.Iterations[9].LiveEndBytes - *run.Iterations[2].LiveEndBytes) / requests
}

func TestLiveMemoryOfAnImageInDocker(t *testing.T) {
	for server, want := range map[string]struct{ keeps, within float64 }{
		"jvm":  {104, 0.05},
		"node": {80, 0.25}, // a header of three words and seven values
	} {
		t.Run(server+" leaks", func(t *testing.T) {
			l := newLiveLab(t, server, true)
			l.up()
			code, logs := l.awaitLoader(), l.mustCompose(nil, "logs", "--no-log-prefix", "loader")
			lab.AssertVerdict(t, "leak", logs)
			assert.Equal(t, 1, code)
			assert.Contains(t, logs, "read after each iteration, by "+server+"\n")
			assert.InEpsilon(t, want.keeps, l.liveGrowth(), want.within)
			assert.Equal(t, "running", l.inspect("server").State.Status, "no signal has ended it")
			d := dashboard.Read(t)
			l.assertBarsEqualTable(d, l.newestRows(1)) // Prometheus has found the loader
			for name, query := range d.Queries() {
				if ofLiveMemory(query) {
					assert.NotEmpty(t, l.query(query.Text(), query.Instant), name)
				}
			}

			loader := l.inspect("loader")
			assert.Equal(t, []string{"ALL"}, loader.HostConfig.CapDrop)
			assert.ElementsMatch(t, []string{"CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE", "CAP_KILL", "CAP_SETUID", "CAP_SETGID"}, loader.HostConfig.CapAdd)
			assert.True(t, loader.HostConfig.ReadonlyRootfs)
			assert.Contains(t, loader.HostConfig.SecurityOpt, "no-new-privileges:true")
		})
		t.Run(server+" does not leak, and the loader has the server's user", func(t *testing.T) {
			l := newLiveLab(t, server, false, "SERVER_USER=1000:1000")
			l.up()
			code, logs := l.awaitLoader(), l.mustCompose(nil, "logs", "--no-log-prefix", "loader")
			lab.AssertVerdict(t, "no leak", logs)
			assert.Equal(t, 0, code)
			assert.Contains(t, logs, "read after each iteration, by "+server+"\n")
			assert.InDelta(t, 0, l.liveGrowth(), 4)
			assert.Equal(t, "1000:1000", l.inspect("loader").Config.User)
		})
	}
}
