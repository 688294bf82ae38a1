package foreign

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// gunicornCommand is a gunicorn whose four workers end after some 1,200 requests each, of 200 in an iteration of 800. What
// a worker's threads take at their start is small beside what it keeps by then.
func gunicornCommand(t *testing.T, port, kind string, keeps int) []string {
	t.Helper()
	folder, err := filepath.Abs("../testdata")
	require.NoError(t, err)
	return []string{"env", fmt.Sprint("KEEP=", keeps), "PYTHONDONTWRITEBYTECODE=1", lab.Need(t, "gunicorn"), "--workers=4", "--worker-class=" + kind, "--threads=2",
		"--max-requests=1000", "--max-requests-jitter=400", "--keep-alive=1", "--chdir=" + folder, "--bind=127.0.0.1:" + port, "keeps:app"}
}

// The server as a whole does not grow: what a worker keeps goes with it.
func TestWorkersOfGunicornFromDebian(t *testing.T) {
	lab.Quiet(t)
	const keeps = 8192
	for _, test := range []struct {
		kind  string
		keeps int
	}{{"gthread", keeps}, {"sync", 0}} {
		t.Run(fmt.Sprintf("%s keeps %d bytes", test.kind, test.keeps), func(t *testing.T) {
			port := lab.FreePorts(t, 1)[0]
			r := lab.Start(t, []string{"PORT=" + port, "TRIES=30", "REQUESTS=800", "WORKERS=8", "TOLERANCE=2048", "LIVE=off"},
				gunicornCommand(t, port, test.kind, test.keeps)...)
			code := r.ExitCode()
			out := lab.Words(r.Out.String())
			assert.Regexp(t, `\d+ workers were replaced while the growth was judged: what a worker had kept went with it, which hides a leak\.`, out)
			found := r.RunFile(t).Verdict.Ageing
			require.NotNil(t, found, out)
			if test.keeps == 0 {
				assert.NotEqual(t, 1, code, out)
				assert.Less(t, found.Upper, 2048.0)
				assert.Contains(t, out, "But as it ages, each grows by less than")
			} else {
				assert.Equal(t, 1, code, "%s%s", out, &r.Err)
				assert.Contains(t, out, "leak memory of a worker +")
				assert.InEpsilon(t, keeps, found.Growth, 0.4)
			}

			again := exec.Command(lab.Loader, "verdict", "--tolerance=2048", filepath.Join(r.Folder(t), "iterations.csv"))
			printed, _ := again.Output()
			assert.Equal(t, code, again.ProcessState.ExitCode(), "the recorded run is judged the same")
			assert.Equal(t, lab.Verdicts(r.Out.String()), lab.Verdicts(string(printed)))
			lab.AssertNoServerLeft(t, r.ServerPID(t))
		})
	}
}
