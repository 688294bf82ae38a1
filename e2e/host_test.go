package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestResultsThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	marker := filepath.Join(t.TempDir(), "started")
	for name, test := range map[string]struct{ results, message string }{
		"a file is in their place": {file, "expected a folder, or the name of one that is not there yet"},
		"no folder above":          {filepath.Join(t.TempDir(), "missing", "results"), "mkdir .*: no such file or directory: nothing was measured"},
	} {
		t.Run(name, func(t *testing.T) {
			r := startUnbuilt(t, []string{"RESULTS=" + test.results}, "touch", marker)
			assert.Equal(t, 2, r.exitCode())
			assert.Regexp(t, fmt.Sprintf(`^RESULTS=%q: %s\n$`, test.results, test.message), r.err.String())
			assert.Empty(t, r.out.String())
			assert.NoFileExists(t, marker)
		})
	}
}

// startOnDisk starts a run whose results are on a file system of its own, mounted with the given options. What is there
// in the end is copied to its results as the test sees them.
func startOnDisk(t *testing.T, options string, settings []string, command ...string) *run {
	t.Helper()
	unshare := []string{"unshare", "--mount"}
	if exec.Command(unshare[0], append(unshare[1:], "true")...).Run() != nil {
		unshare = []string{"unshare", "--map-root-user", "--mount"}
		if output, err := exec.Command(unshare[0], append(unshare[1:], "true")...).CombinedOutput(); err != nil {
			t.Skipf("nobody may mount here: %v: %s", err, output)
		}
	}
	disk := t.TempDir()
	const script = `mount -t tmpfs -o "$0" none "$DISK" || exit 99
"$@"
code=$?
mkdir "$COPY" && cp -a "$DISK/." "$COPY"
exit $code`
	words := append(unshare, "sh", "-c", script, options, loader, "--")
	copied := filepath.Join(t.TempDir(), "results")
	r := startProgram(t, append([]string{"RESULTS=" + disk, "DISK=" + disk, "COPY=" + copied}, settings...), append(words, command...)...)
	r.results = copied
	return r
}

func TestReadOnlyDisk(t *testing.T) {
	r := startOnDisk(t, "ro", nil, faulty)
	assert.Equal(t, 2, r.exitCode())
	assert.Regexp(t, `^RESULTS="[^"]+": mkdir .*: read-only file system: nothing was measured\n$`, r.err.String())
	assert.Empty(t, r.out.String())
}

// What a run leaves on a disk that has too little room, whenever that is.
func TestFullDisk(t *testing.T) {
	for _, size := range []string{"4k", "16k", "40k", "120k"} {
		t.Run(size, func(t *testing.T) {
			t.Parallel()
			r := startOnDisk(t, "size="+size, []string{"TRIES=200", "REQUESTS=20", "SETTLE=10ms"}, faulty)
			assert.Equal(t, 125, r.exitCode(), "%s%s", &r.out, &r.err)
			assert.Regexp(t, `^loader: the disk is full: .*: no space left on device; .* holds the whole rows that there was room for\n$`, r.err.String())
			for _, name := range []string{"iterations.csv", "samples.csv"} {
				if content := r.content(t, name); content != "" {
					assert.True(t, strings.HasSuffix(content, "\n"), "%s ends with a whole row: %q", name, content)
				}
			}
			blocks := strings.Count(r.out.String(), "\nIteration: ")
			assert.Equal(t, min(blocks, 1), strings.Count(r.out.String(), "\nVerdict: "), "what was measured is judged")
			if blocks > 0 {
				rows := r.rows(t)
				assert.GreaterOrEqual(t, len(rows), blocks-1)
				assertNoServerLeft(t, r.serverPID(t))
			}
			leftovers, err := filepath.Glob(filepath.Join(r.folder(t), ".*"))
			require.NoError(t, err)
			assert.Empty(t, leftovers)
		})
	}
}

func TestResultsRemovedDuringTheRun(t *testing.T) {
	r := startUnbuilt(t, []string{"TRIES=10000", "REQUESTS=200"}, faulty)
	r.awaitOutput(t, "Iteration: 2 of 10000")
	folder := r.folder(t)
	require.NoError(t, os.Rename(r.results, r.results+".gone")) // all at once
	assert.Equal(t, 125, r.exitCode())
	assert.Equal(t, fmt.Sprintf("loader: the folder %s is gone; what was measured is on the terminal alone\n", folder), r.err.String())
	assert.Contains(t, r.out.String(), "\nIteration: 3 of 10000\n")
	assert.Contains(t, r.out.String(), "\nVerdict: ")
	assertNoServerLeft(t, r.serverPID(t))
}

// A run may be interrupted at any moment, and leaves a report of what it had by then.
func TestInterruptedAtAnyMoment(t *testing.T) {
	const runs, atATime, tries = 50, 4, 2
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	settings := []string{fmt.Sprintf("TRIES=%d", tries), "REQUESTS=100", "SETTLE=20ms"}

	most := time.Hour // the shortest that a whole run takes
	for range 3 {
		began := time.Now()
		startUnbuilt(t, settings, faulty).exitCode()
		most = min(most, time.Since(began))
	}
	t.Logf("within %s", most)

	type interrupted struct {
		*run
		port string
		what string
	}
	var all []interrupted
	slots := make(chan struct{}, atATime)
	var wait sync.WaitGroup
	for range runs {
		moment := time.Duration(random.Int64N(int64(most)))
		signal := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}[random.IntN(3)]
		slots <- struct{}{}
		port := freePorts(t, 1)[0]
		r := interrupted{startUnbuilt(t, append(settings, "PORT="+port), faulty), port, fmt.Sprintf("%s after %s", signal, moment)}
		all = append(all, r)
		wait.Go(func() {
			defer func() { <-slots }()
			time.Sleep(moment)
			_ = r.Process.Signal(signal)
			r.exitCode()
		})
	}
	wait.Wait()

	ended := map[string]int{}
	for _, r := range all {
		what := fmt.Sprintf("%s\n%s%s", r.what, &r.out, &r.err)
		assertNobodyListens(t, r.port)
		if folders, _ := filepath.Glob(filepath.Join(r.results, "*")); len(folders) == 0 {
			ended["before anything"]++
			continue
		}
		assert.Equal(t, 125, r.ProcessState.ExitCode(), what)
		leftovers, err := filepath.Glob(filepath.Join(r.folder(t), ".*"))
		require.NoError(t, err)
		assert.Empty(t, leftovers, what)
		rows, file := r.rows(t), r.runFile(t)
		assert.Len(t, file.Iterations, len(rows), what)
		ended[file.State]++
		if file.State == "complete" {
			assert.Len(t, rows, tries, what)
			continue
		}
		assert.Equal(t, "ended early", file.State, what)
		assert.Regexp(t, `interrupted \((interrupt|terminated|hangup)\)$`, file.Reason, what)
		assert.Contains(t, r.content(t, "report.md"), "ended early", what)
		assert.True(t, strings.HasSuffix(r.content(t, "report.html"), "</html>\n"), what)
	}
	t.Log(ended)
	assert.Greater(t, ended["ended early"], runs/10, "the moments are within the runs")
}

func TestASecondInterruptEndsAtOnce(t *testing.T) {
	r := startUnbuilt(t, []string{"TRIES=1000", "DURATION=100ms"}, "sh", "-c", "trap '' TERM; "+faulty+" & while :; do sleep 1; done")
	r.awaitOutput(t, "Iteration: 1 of 1000")
	require.NoError(t, r.Process.Signal(syscall.SIGINT))
	r.awaitOutput(t, "Verdict: ") // now it waits for the server, for 5 s
	require.NoError(t, r.Process.Signal(syscall.SIGINT))
	r.exitCode()
	status, ok := r.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	assert.Equal(t, syscall.SIGINT, status.Signal(), "not an exit code in the end")
	assert.Len(t, r.runFile(t).Iterations, len(r.rows(t)))
	assertNoServerLeft(t, r.serverPID(t))
}
