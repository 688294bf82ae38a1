package compare

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// checkout makes a folder like that of a checkout whose programs are built; its demo server has the METRICS_PORT. It
// returns the loader's path.
func checkout(t *testing.T, metricsPort string) string {
	t.Helper()
	build := filepath.Join(t.TempDir(), ".build")
	require.NoError(t, os.Mkdir(build, 0o700))
	demo, err := filepath.Abs(lab.Server)
	require.NoError(t, err)
	script := fmt.Sprintf("#!/bin/sh\nMETRICS_PORT=%s exec '%s' \"$@\"\n", metricsPort, demo)
	require.NoError(t, os.WriteFile(filepath.Join(build, "server"), []byte(script), 0o700))
	program, err := os.ReadFile(lab.Loader)
	require.NoError(t, err)
	loader := filepath.Join(build, "loader")
	require.NoError(t, os.WriteFile(loader, program, 0o700))
	return loader
}

// execute runs a program with this environment alone, and returns what it prints and its exit code.
func execute(t *testing.T, environment []string, program string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, environment...)
	output, err := cmd.CombinedOutput()
	if err != nil {
		require.ErrorAs(t, err, new(*exec.ExitError))
	}
	return string(output), cmd.ProcessState.ExitCode()
}

func TestRunIsMadeAgainFromItsRecord(t *testing.T) {
	lab.Quiet(t)
	ports := lab.FreePorts(t, 4)
	results := filepath.Join(t.TempDir(), "results")
	original := checkout(t, ports[3])
	output, code := execute(t, []string{"PORT=" + ports[0], "METRICS_PORT=" + ports[1], "RESULTS=" + results, "TRIES=10", "GOGC=10", "REQUESTS=3000", "WORKERS=10",
		lab.PprofAt(ports[3]), "SETTLE=50ms", "RELEASE=0", "TOLERANCE=512", "LEAK=heap", "LEAK_BYTES=4096", "METHOD=POST", "BODY=hunter2"},
		original, "--", filepath.Join(filepath.Dir(original), "server"))
	require.Equal(t, 1, code, output)
	first := lab.Newest(t, results, 1)

	// Elsewhere, with settings of another run in the shell, and a server with other variables.
	loader := checkout(t, ports[3])
	now := []string{"METRICS_PORT=" + ports[2], "RESULTS=" + results, "TRIES=1", "LEAK=none", "GOGC=20"}
	output, code = execute(t, now, loader, "reproduce", first)
	assert.Equal(t, 2, code)
	assert.Equal(t, "loader: "+filepath.Join(first, "run.json")+": BODY: expected in the environment, as it was for the recorded run: what may be secret is not written down\n", output)
	lab.Newest(t, results, 1)

	output, code = execute(t, append(now, "BODY=hunter2"), loader, "reproduce", filepath.Join(first, "run.json"))
	assert.Equal(t, 1, code, output)
	assert.Contains(t, output, "\nReproduction: the same verdict, leak\n")
	assert.Regexp(t, `\n-+\n +old +new\nServer's GOGC +10 +20\n=+\n`, output, "nothing else differs")
	lab.AssertComparison(t, `[a-z ]+`, output)
	second := lab.Newest(t, results, 2)
	assert.Len(t, lab.RowsIn(t, second), 10)
	recorded, again := lab.ReadRunFile(t, first), lab.ReadRunFile(t, second)
	assert.Equal(t, recorded.Reproduce, again.Reproduce)
	assert.NotContains(t, output, "hunter2")
}

func TestRecordsThatCannotBeMadeAgain(t *testing.T) {
	t.Parallel()
	results := filepath.Join(t.TempDir(), "results")
	record := filepath.Join(t.TempDir(), "run.json")
	for content, want := range map[string]string{
		"": "not a run.json: the file is empty",
		`{"format":2,"state":"complete","verdict":{"kind":"leak"}}`:                                                            "not a run.json: format is 2; expected 1",
		`{"format":1,"state":"complete","verdict":{"kind":"leak"}}`:                                                            `way is ""; expected "launched", "demo", "composed", "image" or "attached"`,
		`{"format":1,"state":"complete","verdict":{"kind":"leak"},"way":"composed"}`:                                           "docker compose run --rm --use-aliases loader reproduce /results/",
		`{"format":1,"state":"complete","verdict":{"kind":"leak"},"way":"launched"}`:                                           "server_arguments is empty; expected the server's command",
		`{"format":1,"state":"complete","verdict":{"kind":"leak"},"settings":[{"name":"TRIES","value":"x"}],"way":"attached"}`: "with its settings, and those of the environment:\nTRIES=\"x\": expected a whole number",
	} {
		require.NoError(t, os.WriteFile(record, []byte(content), 0o600))
		output, code := execute(t, []string{"RESULTS=" + results}, lab.Loader, "reproduce", record)
		assert.Equal(t, 2, code, content)
		assert.Contains(t, output, "loader: "+record+": ")
		assert.Contains(t, output, want)
	}
	output, code := execute(t, nil, lab.Loader, "reproduce", "/does/not/exist")
	assert.Equal(t, 2, code)
	assert.Equal(t, "loader: expected the folder of a run, or its run.json: open /does/not/exist: no such file or directory\n", output)
	assert.NoDirExists(t, results)
}
