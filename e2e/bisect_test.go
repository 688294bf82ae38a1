package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// suspect is a server whose history has a leak; %s is what it does with a request, %d makes each version another.
const suspect = `package main

import (
	"io"
	"net/http"
	"os"
)

const version = %d

var kept [][]byte

func main() {
	requests := make(chan []byte, 1000)
	go func() {
		for b := range requests {
			%s
		}
	}()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		requests <- make([]byte, 1024)
		io.WriteString(w, "hello")
	})
	panic(http.ListenAndServe(os.Getenv("HOST")+":"+os.Getenv("PORT"), nil))
}
`

// git bisect run finds the commit that brought the leak, and skips those that do not build.
func TestBisectFindsTheCommit(t *testing.T) {
	git := need(t, "git")
	repository := t.TempDir()
	in := func(program string, args ...string) string {
		cmd := exec.Command(program, args...)
		cmd.Dir = repository
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.com",
			"GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.com", "GOWORK=off", "GOFLAGS=-buildvcs=false")
		port := freePorts(t, 2)
		cmd.Env = append(cmd.Env, "PORT="+port[0], "METRICS_PORT="+port[1], "RESULTS="+filepath.Join(t.TempDir(), "results"),
			"TRIES=8", "REQUESTS=15000", "WORKERS=10", "SETTLE=50ms", "RELEASE=0", "TOLERANCE=64", "REQUEST_PATH=/")
		output, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s %q:\n%s", program, args, output)
		return string(output)
	}
	in(git, "init", "--quiet")
	require.NoError(t, os.WriteFile(filepath.Join(repository, "go.mod"), []byte("module suspect\n\ngo 1.26\n"), 0o600))
	for commit := 1; commit <= 12; commit++ {
		does := "_ = b"
		if commit >= 7 {
			does = "kept = append(kept, b)"
		}
		if commit == 4 || commit == 9 {
			does = "this does not build"
		}
		require.NoError(t, os.WriteFile(filepath.Join(repository, "main.go"), fmt.Appendf(nil, suspect, commit, does), 0o600))
		in(git, "add", ".")
		in(git, "commit", "--quiet", "-m", fmt.Sprintf("commit %d", commit))
	}
	script, err := filepath.Abs(testMe)
	require.NoError(t, err)
	in(git, "bisect", "start", "HEAD", "HEAD~11")
	output := in(git, "bisect", "run", "sh", "-c", "go build -o suspect . || exit 125; "+script+" ./suspect")
	assert.Regexp(t, `(?m)^[0-9a-f]{40} is the first bad commit$`, output)
	assert.Regexp(t, `(?m)^    commit 7$`, output)
}

// table is a recorded run of 12 iterations with 100,000 requests each that keep the given bytes a request.
func table(t *testing.T, bytesPerRequest int) string {
	t.Helper()
	text := "iteration,requests,rss_start_bytes,rss_end_bytes\n"
	for n := range 12 {
		text += fmt.Sprintf("%d,100000,%d,%d\n", n+1, 20_000_000+n*100_000*bytesPerRequest, 20_000_000+(n+1)*100_000*bytesPerRequest)
	}
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "iterations.csv"), []byte(text), 0o600))
	return folder
}

func TestRecordedRunsAreCompared(t *testing.T) {
	leaking, more, clean := table(t, 100), table(t, 200), table(t, 0)
	for _, test := range []struct {
		before, after string
		code          int
		out           string
	}{
		{leaking, clean, 0, "Comparison: fixed\n"},
		{clean, leaking, 1, "Comparison: worse\n"},
		{leaking, more, 1, "Comparison: worse\n"},
		{more, leaking, 0, "Comparison: better\n"},
		{clean, filepath.Join(clean, "iterations.csv"), 0, "Comparison: same\n"},
		{clean, "/does/not/exist", 2, "/does/not/exist"},
	} {
		loader := exec.Command("../.build/loader", "compare", test.before, test.after)
		output, _ := loader.CombinedOutput()
		assert.Equal(t, test.code, loader.ProcessState.ExitCode(), string(output))
		assert.Contains(t, string(output), test.out)
	}
}

func TestRecordedRunsAreDrawnTogether(t *testing.T) {
	picture := filepath.Join(t.TempDir(), "compare.svg")
	output, err := exec.Command("../.build/draw", table(t, 0), table(t, 100), picture).CombinedOutput()
	require.NoError(t, err, string(output))
	content, err := os.ReadFile(picture)
	require.NoError(t, err)
	require.Contains(t, string(content), "new - old = 100.0 bytes/request")
	drawing := exec.Command("../.build/draw", "a", "b")
	output, _ = drawing.CombinedOutput()
	assert.Equal(t, 2, drawing.ProcessState.ExitCode())
	assert.Contains(t, string(output), "usage: draw FOLDER\n")
}
