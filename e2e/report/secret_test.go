package report

import (
	"encoding/base64"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// assertSecret checks that nothing the run has printed or written, nor what it has shown, holds the secret.
func assertSecret(t *testing.T, r *lab.Run, shown string) {
	t.Helper()
	for _, secret := range []string{"hunter2", base64.StdEncoding.EncodeToString([]byte("me:hunter2"))} {
		assert.NotContains(t, r.Out.String(), secret)
		assert.NotContains(t, r.Err.String(), secret)
		assert.False(t, strings.Contains(shown, secret), "metrics")
		err := filepath.WalkDir(r.Results, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			assert.False(t, strings.Contains(string(content), secret), path)
			return err
		})
		if !os.IsNotExist(err) {
			assert.NoError(t, err)
		}
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	admin := lab.FreePorts(t, 1)[0]
	url := "http://me:hunter2@127.0.0.1:" + admin
	r := lab.Start(t, []string{"TRIES=2", "DURATION=700ms", "HEADERS=X-Key: hunter2|Cookie: hunter2", "BASIC_AUTH=me:hunter2", "BODY=hunter2", "METHOD=POST",
		"METRICS_URL=" + url + "/metrics?token=hunter2", "PPROF_URL=" + url + "/debug/pprof/"}, "env", "METRICS_PORT="+admin, lab.Server)
	var shown lab.Buffer
	go func() { // until the last values have been read
		for t.Context().Err() == nil {
			if response, err := http.Get("http://127.0.0.1:" + r.Metrics + "/metrics"); err == nil {
				_, _ = io.Copy(&shown, response.Body)
				_ = response.Body.Close()
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
	r.ExitCode()
	assert.Empty(t, r.Err.String())
	assert.Len(t, r.Rows(t), 2)
	assert.True(t, strings.Contains(shown.String(), "leaklab_requests_total"), "the loader's metrics")
	assert.Contains(t, r.Content(t, "report.md"), "Set HEADERS and BASIC_AUTH and BODY as well")
	assert.Contains(t, r.Content(t, "run.json"), "http://xxxxx@127.0.0.1:"+admin+"/metrics?xxxxx")
	files, err := filepath.Glob(filepath.Join(r.Folder(t), "heap-*.pb.gz"))
	require.NoError(t, err)
	assert.Len(t, files, 2, "it has been let in")
	assertSecret(t, r, shown.String())
}

func TestSecretsAreNotShownInErrors(t *testing.T) {
	t.Parallel()
	nothing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>\n")) }))
	defer nothing.Close()
	wrong := strings.Replace(nothing.URL, "http://", "http://me:hunter2@", 1) + "/?token=hunter2"
	here := nothing.URL[strings.LastIndex(nothing.URL, ":")+1:]
	closed := "http://me:hunter2@127.0.0.1:" + lab.FreePorts(t, 1)[0] + "/?token=hunter2"
	port := lab.FreePorts(t, 1)[0]
	demo := []string{"--", "env", "METRICS_PORT=" + lab.FreePorts(t, 1)[0], lab.Server}
	for name, test := range map[string]struct {
		settings []string
		command  []string
		code     int
		want     string
	}{
		"settings": {[]string{"HEADERS=X-Key hunter2", "BASIC_AUTH=hunter2", "BODY=hunter2", "BODY_FILE=x", "METRICS_URL=ftp://me:hunter2@host/",
			"PPROF_URL=//host/?token=hunter2", "LOAD_COMMAND=hey -H hunter2 {uri}"}, demo, 2, `LOAD_COMMAND: {uri}`},
		"no program":    {[]string{"LOAD_COMMAND=/does/not/exist hunter2"}, demo, 2, `LOAD_COMMAND: expected`},
		"tool fails":    {[]string{"LOAD_COMMAND=sh -c 'exit 3' hunter2"}, demo, 125, "LOAD_COMMAND failed"},
		"no counter":    {[]string{"ALIGN=true", "METRICS_URL=" + closed}, demo, 125, "http://xxxxx@127.0.0.1:"},
		"not a counter": {[]string{"ALIGN=true", "METRICS_URL=" + wrong}, demo, 125, "/?xxxxx: text format"},
		"no memory":     {[]string{"METRICS_URL=" + wrong, "SERVER_PID=4194304", "PORT=" + here}, nil, 125, "/?xxxxx: text format"},
		"no profiles":   {[]string{"PPROF_URL=" + closed, "REQUESTS=10"}, demo, 125, "loader: no profiles: http://xxxxx@127.0.0.1:"},
	} {
		t.Run(name, func(t *testing.T) {
			r := lab.Attach(t, append([]string{"PORT=" + port, "TRIES=1", "SETTLE=50ms", "LEAK=none"}, test.settings...), test.command...)
			assert.Equal(t, test.code, r.ExitCode(), "%s%s", &r.Out, &r.Err)
			assert.Contains(t, r.Err.String(), test.want)
			assertSecret(t, r, "")
		})
	}
}

// What a tool prints stays in load.log and on the terminal; the report is pasted elsewhere.
func TestWhatAToolPrintsIsNotInTheReport(t *testing.T) {
	t.Parallel()
	r := lab.Start(t, []string{"TRIES=2", `LOAD_COMMAND=sh -c 'echo Authorization: $0; exit 3' hunter2`})
	assert.Equal(t, 125, r.ExitCode())
	assert.Contains(t, r.Content(t, "load.log"), "Authorization: hunter2")
	for _, name := range []string{"run.json", "report.md", "report.html"} {
		assert.NotContains(t, r.Content(t, name), "hunter2", name)
	}
	assert.Equal(t, "iteration 1 of 2: LOAD_COMMAND failed with exit code 3", r.RunFile(t).Reason)
}

// A server decides what its last lines and its command line hold; none of it steers the terminal or becomes a formula.
func TestAServerCannotInject(t *testing.T) {
	t.Parallel()
	const evil = "\x1b[2J\x1b]0;title\a\r=cmd()\u009b31m\u202e<script>alert(1)</script>`@octocat`|[l](http://e.example)\xff"
	r := lab.Start(t, []string{"TRIES=3", "REQUESTS=100"}, "env", "METRICS_PORT="+lab.FreePorts(t, 1)[0], "EVIL="+evil, lab.Server)
	r.AwaitOutput(t, "Iteration: 3 of 3")
	r.ExitCode()
	const harmless = `\x1b[2J\x1b]0;title\x07`
	assert.Contains(t, r.Out.String(), harmless)
	for _, text := range []string{r.Out.String(), r.Content(t, "report.md"), r.Content(t, "report.html")} {
		assert.NotRegexp(t, "[\x00-\x08\x0b-\x1f\x7f]", text)
		assert.NotContains(t, text, "\u202e")
		assert.NotContains(t, text, "\u009b")
	}
	assert.NotContains(t, r.Content(t, "report.html"), "<script")
	for _, name := range []string{"iterations.csv", "samples.csv"} {
		for line := range strings.Lines(strings.SplitAfterN(r.Content(t, name), "\n", 2)[1]) {
			assert.Regexp(t, `^[0-9][0-9.,:TZ-]*\n$`, line, "%s: figures and times alone", name)
		}
	}

	dies := lab.Start(t, []string{"TRIES=3", "START_TIMEOUT=5s"}, "printf", `\033[2J\033]0;title\007\rlast words\n`)
	assert.Equal(t, 125, dies.ExitCode())
	assert.Contains(t, dies.Err.String(), harmless+`\x0dlast words`)
	assert.NotRegexp(t, "[\x00-\x08\x0b-\x1f\x7f]", dies.Err.String())
}
