package compare

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// suspect is a server whose history has a leak; %s is what it does with a request, %d makes each version another.
const suspect = `package main

import (
	"io"
	"net/http"
	_ "net/http/pprof"
	"os"
)

const version = %d

var kept [][]byte

func made() []byte { return make([]byte, 4096) }

func main() {
	requests := make(chan []byte, 1000)
	go func() {
		for b := range requests {
			%s
		}
	}()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		requests <- made()
		io.WriteString(w, "hello")
	})
	panic(http.ListenAndServe(os.Getenv("HOST")+":"+os.Getenv("PORT"), nil))
}
`

// git bisect run finds the commit that brought the leak, and skips those that do not build. What it has recorded of that
// commit names the site.
func TestBisectFindsTheCommit(t *testing.T) {
	lab.Quiet(t)
	git := lab.Need(t, "git")
	repository, results := t.TempDir(), filepath.Join(t.TempDir(), "results")
	in := func(program string, args ...string) string {
		cmd := exec.Command(program, args...)
		cmd.Dir = repository
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.com",
			"GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.com", "GOWORK=off", "GOFLAGS=-buildvcs=false")
		port := lab.FreePorts(t, 2)
		cmd.Env = append(cmd.Env, "PORT="+port[0], "METRICS_PORT="+port[1], "RESULTS="+results, lab.PprofAt(port[0]),
			"TRIES=20", "GOGC=10", "REQUESTS=3000", "WORKERS=10", "SETTLE=50ms", "RELEASE=0", "TOLERANCE=512", "REQUEST_PATH=/")
		output, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s %q:\n%s", program, args, output)
		return string(output)
	}
	in(git, "init", "--quiet")
	require.NoError(t, os.WriteFile(filepath.Join(repository, "go.mod"), []byte("module suspect\n\ngo 1.26\n"), 0o600))
	commits, firstBad, broken := 6, 3, []int{4}
	if lab.Long() {
		commits, firstBad, broken = 12, 7, []int{4, 9}
	}
	for commit := 1; commit <= commits; commit++ {
		does := "_ = b"
		if commit >= firstBad {
			does = "kept = append(kept, b)"
		}
		if slices.Contains(broken, commit) {
			does = "this does not build"
		}
		require.NoError(t, os.WriteFile(filepath.Join(repository, "main.go"), fmt.Appendf(nil, suspect, commit, does), 0o600))
		in(git, "add", ".")
		in(git, "commit", "--quiet", "-m", fmt.Sprintf("commit %d", commit))
	}
	script, err := filepath.Abs(lab.Script)
	require.NoError(t, err)
	in(git, "bisect", "start", "HEAD", fmt.Sprintf("HEAD~%d", commits-1))
	output := in(git, "bisect", "run", "sh", "-c", "go build -o suspect . || exit 125\n"+
		"RESULTS=$RESULTS/$(git rev-parse HEAD) "+script+" ./suspect")
	assert.Regexp(t, `(?m)^[0-9a-f]{40} is the first bad commit$`, output)
	assert.Contains(t, output, fmt.Sprintf("\n    commit %d\n", firstBad))

	loader, err := filepath.Abs(lab.Loader)
	require.NoError(t, err)
	shown := exec.Command("sh", "-c", loader+" verdict $RESULTS/$(git rev-parse refs/bisect/bad)/*")
	shown.Dir, shown.Env = repository, append(os.Environ(), "RESULTS="+results)
	said, _ := shown.CombinedOutput()
	assert.Equal(t, 1, shown.ProcessState.ExitCode(), string(said))
	assert.Regexp(t, `(?m)^main\.made \(main\.go:\d+\): 4`, string(said))
}
