package process

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

func TestInterruptKeepsWhatWasMeasured(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			r := lab.Start(t, []string{"TRIES=10000", "DURATION=200ms"})
			r.AwaitOutput(t, "Iteration: 2 of 10000")
			require.NoError(t, r.Process.Signal(signal))
			assert.Equal(t, 125, r.ExitCode())
			assert.Regexp(t, `^loader: iteration \d+ of 10000: interrupted \(`+signal.String()+`\)`, r.Err.String())
			assert.GreaterOrEqual(t, len(r.Rows(t)), 2)
			lab.AssertNoServerLeft(t, r.ServerPID(t))
		})
	}
}

func TestKilledLoaderLeavesRowsAndNoServer(t *testing.T) {
	t.Parallel()
	r := lab.Start(t, []string{"TRIES=10000", "DURATION=200ms"})
	r.AwaitOutput(t, "Iteration: 2 of 10000")
	require.NoError(t, r.Process.Kill())
	r.ExitCode()
	assert.GreaterOrEqual(t, len(r.Rows(t)), 2)
	lab.AssertNoServerLeft(t, r.ServerPID(t))
}

// A run may be interrupted at any moment, and leaves a report of what it had by then.
func TestInterruptedAtAnyMoment(t *testing.T) {
	const atATime, tries = 4, 2
	runs := 16
	if lab.Long() {
		runs = 50
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	settings := []string{fmt.Sprintf("TRIES=%d", tries), "REQUESTS=100", "SETTLE=20ms"}

	most := time.Hour // the shortest that a whole run takes
	for range 3 {
		began := time.Now()
		lab.Start(t, settings, lab.Faulty).ExitCode()
		most = min(most, time.Since(began))
	}
	t.Logf("within %s", most)

	type interrupted struct {
		*lab.Run
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
		port := lab.FreePorts(t, 1)[0]
		r := interrupted{lab.Start(t, append(settings, "PORT="+port), lab.Faulty), port, fmt.Sprintf("%s after %s", signal, moment)}
		all = append(all, r)
		wait.Go(func() {
			defer func() { <-slots }()
			time.Sleep(moment)
			_ = r.Process.Signal(signal)
			r.ExitCode()
		})
	}
	wait.Wait()

	ended := map[string]int{}
	for _, r := range all {
		what := fmt.Sprintf("%s\n%s%s", r.what, &r.Out, &r.Err)
		lab.AssertPortFree(t, r.port)
		if folders, _ := filepath.Glob(filepath.Join(r.Results, "*")); len(folders) == 0 {
			ended["before anything"]++
			continue
		}
		assert.Equal(t, 125, r.ProcessState.ExitCode(), what)
		leftovers, err := filepath.Glob(filepath.Join(r.Folder(t), ".*"))
		require.NoError(t, err)
		assert.Empty(t, leftovers, what)
		rows, file := r.Rows(t), r.RunFile(t)
		assert.Len(t, file.Iterations, len(rows), what)
		ended[file.State]++
		if file.State == "complete" {
			assert.Len(t, rows, tries, what)
			continue
		}
		assert.Equal(t, "ended early", file.State, what)
		assert.Regexp(t, `interrupted \((interrupt|terminated|hangup)\)$`, file.Reason, what)
		assert.Contains(t, r.Content(t, "report.md"), "ended early", what)
		assert.True(t, strings.HasSuffix(r.Content(t, "report.html"), "</html>\n"), what)
	}
	t.Log(ended)
	assert.Greater(t, ended["ended early"], runs/10, "the moments are within the runs")
}

func TestASecondInterruptEndsAtOnce(t *testing.T) {
	t.Parallel()
	r := lab.Start(t, []string{"TRIES=1000", "DURATION=100ms"}, "sh", "-c", "trap '' TERM; "+lab.Faulty+" & while :; do sleep 1; done")
	r.AwaitOutput(t, "Iteration: 1 of 1000")
	require.NoError(t, r.Process.Signal(syscall.SIGINT))
	r.AwaitVerdict(t) // now it waits for the server, for 5 s
	require.NoError(t, r.Process.Signal(syscall.SIGINT))
	r.ExitCode()
	status, ok := r.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	assert.Equal(t, syscall.SIGINT, status.Signal(), "not an exit code in the end")
	assert.Len(t, r.RunFile(t).Iterations, len(r.Rows(t)))
	lab.AssertNoServerLeft(t, r.ServerPID(t))
}
