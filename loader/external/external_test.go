package external

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/load"
)

func command(t *testing.T, words ...string) (c *Command, printed func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "load.log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { _ = log.Close() })
	return &Command{Words: words, Limit: time.Hour, Log: log}, func() string {
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(content)
	}
}

func TestWhatAToolTellsIsCounted(t *testing.T) {
	c, printed := command(t, "cat", "testdata/hey-404.txt")
	meter := load.NewMeter()
	for iteration := 1; iteration <= 2; iteration++ {
		before := time.Now()
		result, err := c.Run(t.Context(), iteration, meter)
		require.NoError(t, err)
		assert.False(t, result.Uncounted)
		assert.EqualValues(t, 200, result.Requests)
		assert.EqualValues(t, 200, result.ErrorCount())
		assert.Zero(t, result.Percentile(99))
		assert.WithinRange(t, result.StartedAt, before, time.Now())
		assert.Positive(t, result.Elapsed)
	}
	totals := meter.Snapshot()
	assert.EqualValues(t, 400, totals.Requests)
	assert.Equal(t, map[int]uint64{404: 400}, totals.Codes)
	assert.Regexp(t, `^== iteration 1, \S+Z\n\nSummary:[^=]*== iteration 2, \S+Z\n\nSummary:`, printed())
}

func TestATableThatIsLongerThanWhatIsReadOfOtherOutputs(t *testing.T) {
	const row = "0.0032,0.0004,0.0000,0.0001,0.0025,0.0001,200,0.0011"
	const rows = 2 * mostOutput / len(row)
	c, _ := command(t, "sh", "-c", `echo "$1"; yes "$2" | head -n "$3"`, "-", heyHeader, row, strconv.Itoa(rows))
	result, err := c.Run(t.Context(), 1, load.NewMeter())
	require.NoError(t, err)
	assert.False(t, result.Uncounted)
	assert.True(t, result.Reported)
	assert.EqualValues(t, rows, result.Requests)
}

func TestWhatAToolLeavesOutIsNoted(t *testing.T) {
	for file, note := range map[string]string{
		"h2load-1.52.0-warm-up.txt":      "h2load does not count the requests of its warm-up.",
		"autocannon-9.0.0-drop.txt":      "autocannon does not tell how many requests without a response it has sent.",
		"autocannon-9.0.0-rate-drop.txt": "autocannon does not tell how many requests without a response it has sent.",
	} {
		c, _ := command(t, "cat", "testdata/"+file)
		result, err := c.Run(t.Context(), 1, load.NewMeter())
		require.NoError(t, err)
		assert.True(t, result.Partial, file)
		assert.Equal(t, []string{note}, result.Notes, file)
	}

	c, _ := command(t, "sh", "-c", `echo "Complete requests:      50000"; : ab -t 3`)
	result, err := c.Run(t.Context(), 1, load.NewMeter())
	require.NoError(t, err)
	assert.False(t, result.Partial)
	assert.Equal(t, []string{"ab -t ended at 50000 requests, before its time: it does unless -n, with a larger number, follows -t."}, result.Notes)
}

func TestAToolThatDoesNotEndIsKilled(t *testing.T) {
	c, _ := command(t, "sh", "-c", "echo asking; sleep 1000; echo never")
	c.Limit = 100 * time.Millisecond
	_, err := c.Run(t.Context(), 1, load.NewMeter())
	assert.EqualError(t, err, "LOAD_COMMAND did not end within 100ms")
	var failure *Failure
	require.ErrorAs(t, err, &failure)
	assert.NotContains(t, failure.Ending(), "never")
}

func TestSomeToolsDoNotTell(t *testing.T) {
	c, _ := command(t, "echo", "done")
	meter := load.NewMeter()
	result, err := c.Run(t.Context(), 1, meter)
	require.NoError(t, err)
	assert.True(t, result.Uncounted)
	assert.Zero(t, meter.Requests())
}

// ending is the end of the tool's output, from an error.
func ending(t *testing.T, err error) string {
	t.Helper()
	var failure *Failure
	require.ErrorAs(t, err, &failure)
	return failure.Ending()
}

func TestAToolMustGoOnTelling(t *testing.T) {
	once := filepath.Join(t.TempDir(), "once")
	c, _ := command(t, "sh", "-c", `[ -e "$1" ] || cat testdata/wrk.txt; touch "$1"; echo done`, "-", once)
	_, err := c.Run(t.Context(), 1, load.NewMeter())
	require.NoError(t, err)
	_, err = c.Run(t.Context(), 2, load.NewMeter())
	assert.EqualError(t, err, "LOAD_COMMAND no longer reports its requests")
	assert.Equal(t, "its last lines:\n  done", ending(t, err))
}

func TestAToolThatFails(t *testing.T) {
	for _, test := range []struct {
		words        []string
		want, ending string
	}{
		{[]string{"sh", "-c", "exit 3"}, "LOAD_COMMAND failed with exit code 3", "it printed nothing"},
		{[]string{"sh", "-c", "seq 12; echo no connection >&2; exit 1"},
			"LOAD_COMMAND failed with exit code 1", "its last lines:\n  4\n  5\n  6\n  7\n  8\n  9\n  10\n  11\n  12\n  no connection"},
		{[]string{"sh", "-c", "kill -9 $$"}, "LOAD_COMMAND was killed (killed)", "it printed nothing"},
	} {
		c, _ := command(t, test.words...)
		_, err := c.Run(t.Context(), 1, load.NewMeter())
		assert.EqualError(t, err, test.want)
		assert.Equal(t, test.ending, ending(t, err))
	}
	c, _ := command(t, "/does/not/exist")
	_, err := c.Run(t.Context(), 1, load.NewMeter())
	assert.ErrorContains(t, err, "LOAD_COMMAND cannot be started: ")
}

// process returns the number that the tool has printed first.
func process(t *testing.T, printed func() string) int {
	t.Helper()
	lines := strings.Split(printed(), "\n")
	require.Greater(t, len(lines), 2, lines)
	pid, err := strconv.Atoi(lines[1])
	require.NoError(t, err)
	return pid
}

func assertGone(t *testing.T, pid int) {
	t.Helper()
	assert.Eventually(t, func() bool {
		status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		return syscall.Kill(pid, 0) != nil || err == nil && strings.Contains(string(status), ") Z ")
	}, time.Minute, 10*time.Millisecond)
}

func TestNothingOfTheToolIsLeft(t *testing.T) {
	t.Run("when it has ended", func(t *testing.T) {
		c, printed := command(t, "sh", "-c", "sleep 1000 & echo $!")
		_, err := c.Run(t.Context(), 1, load.NewMeter())
		require.NoError(t, err)
		assertGone(t, process(t, printed))
	})
	t.Run("when the run is interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		interrupted := errors.New("interrupted")
		c, printed := command(t, "sh", "-c", "trap '' TERM INT; sleep 1000 & echo $!; wait")
		go func() {
			for len(strings.Split(printed(), "\n")) < 3 {
				time.Sleep(time.Millisecond)
			}
			cancel(interrupted)
		}()
		_, err := c.Run(ctx, 1, load.NewMeter())
		assert.ErrorIs(t, err, interrupted)
		assertGone(t, process(t, printed))
	})
}

func TestTheGuardKnowsTheGroup(t *testing.T) {
	started := filepath.Join(t.TempDir(), "started")
	c, printed := command(t, "sh", "-c", `echo $$; cat; touch "$1"`, "-", started)
	guarded, dismissed := 0, false
	c.Guard = func(group int) (func(), error) {
		guarded = group
		time.Sleep(100 * time.Millisecond) // as on a busy machine
		assert.NoFileExists(t, started)
		return func() { dismissed = true }, nil
	}
	_, err := c.Run(t.Context(), 1, load.NewMeter())
	require.NoError(t, err)
	assert.Equal(t, process(t, printed), guarded)
	assert.True(t, dismissed)
	assert.FileExists(t, started)

	none := errors.New("no guard")
	c.Guard = func(int) (func(), error) { return nil, none }
	require.NoError(t, os.Remove(started))
	_, err = c.Run(t.Context(), 2, load.NewMeter())
	assert.ErrorIs(t, err, none)
	assert.NoFileExists(t, started)
}
