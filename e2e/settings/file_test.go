package settings

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// script is a copy of the script in a separate checkout, where nothing is built: go notes what it is asked for.
type script struct{ folder string }

func newScript(t *testing.T) script {
	t.Helper()
	s := script{t.TempDir()}
	for name, source := range map[string]string{"test-me.sh": lab.Script, ".build/loader": lab.Loader, "loader/draw.sh": lab.Root + "/loader/draw.sh"} {
		content, err := os.ReadFile(source)
		require.NoError(t, err)
		s.write(t, name, string(content))
	}
	s.write(t, "bin/go", "#!/bin/sh\necho \"$*\" >>\"$(dirname \"$0\")/asked\"\n")
	s.write(t, ".env", "")
	return s
}

func (s script) write(t *testing.T, name, content string) {
	t.Helper()
	path := filepath.Join(s.folder, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o700))
}

// run returns what the script prints, and its exit code.
func (s script) run(t *testing.T, environment []string, arguments ...string) (string, int) {
	t.Helper()
	ports := lab.FreePorts(t, 2)
	cmd := exec.Command(filepath.Join(s.folder, "test-me.sh"), arguments...)
	cmd.Env = append([]string{"PATH=" + filepath.Join(s.folder, "bin") + ":" + os.Getenv("PATH"), "PORT=" + ports[0], "METRICS_PORT=" + ports[1],
		"RESULTS=" + filepath.Join(s.folder, "results")}, environment...)
	output, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil {
		require.True(t, errors.As(err, &exit), err)
	}
	return string(output), cmd.ProcessState.ExitCode()
}

// told is a command that ends at once, and tells what it has been given.
var told = []string{"sh", "-c", `echo "TRIES=$TRIES LEAK=$LEAK REQUEST_PATH=$REQUEST_PATH $*"; exit 1`, "-"}

// settings are those of the newest of that many runs, as NAME=VALUE.
func (s script) settings(t *testing.T, runs int) []string {
	t.Helper()
	var settings []string
	for _, setting := range lab.ReadRunFile(t, lab.Newest(t, filepath.Join(s.folder, "results"), runs)).Settings {
		settings = append(settings, setting.Name+"="+setting.Value)
	}
	return settings
}

func TestSettingsFileIsReadButDoesNotOverride(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.write(t, ".env", "# comment\n\nTRIES=10\r\nREQUEST_PATH=/a?b=c\nLEAK=heap")
	output, code := s.run(t, []string{"TRIES=3", "LEAK="}, append(told, "my server", "--flag")...)
	assert.Equal(t, 125, code)
	assert.Contains(t, output, "\n  TRIES=3 LEAK= REQUEST_PATH= my server --flag\n", "the server has what is exported")
	assert.Subset(t, s.settings(t, 1), []string{"TRIES=3", "REQUEST_PATH=/a?b=c"}, "what is exported wins")
	output, _ = s.run(t, nil, append([]string{"--request-path", "/d"}, told...)...)
	assert.Contains(t, output, "\n  TRIES= LEAK= REQUEST_PATH= \n")
	assert.Subset(t, s.settings(t, 2), []string{"TRIES=10", "REQUEST_PATH=/d"}, "a flag wins")

	s.write(t, ".env", "TRIES=10\nrm -rf x\nTIRES=11\nDURATION=\"3s\"\n")
	path := filepath.Join(s.folder, ".env")
	output, code = s.run(t, nil, told...)
	assert.Equal(t, 2, code)
	assert.Equal(t, path+":2: expected NAME=VALUE, found: rm -rf x\n"+
		path+":3: TIRES: expected a setting; did you mean TRIES?\n"+
		path+":4: expected no quotes around a VALUE, and no comment after it, found: DURATION\n", output, "all at once, and nothing is started")
}

// The server has what the user has exported, as it was, and is told where to listen.
func TestTheServerInheritsWhatIsExported(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	s.write(t, ".env", "WORKERS=7\nTIMEOUT=1s\nRATE=5\nHOST=127.0.0.1\n")
	exported := []string{"LIVE=off", "RATE=2", "name=a", "value=b", "root=c", "line=d", "told=e", "code=f", "vcs=g", "HOST=localhost"}
	_, code := s.run(t, exported, "--tries", "5", "env")
	assert.Equal(t, 125, code)
	log, err := os.ReadFile(filepath.Join(lab.Newest(t, filepath.Join(s.folder, "results"), 1), "server.log"))
	require.NoError(t, err)
	inherited := strings.Split(strings.TrimSuffix(string(log), "\n"), "\n")
	assert.Subset(t, inherited, exported)
	for _, variable := range inherited {
		name, _, _ := strings.Cut(variable, "=")
		if !slices.Contains(exported, variable) {
			assert.Contains(t, []string{"PATH", "PORT", "RESULTS", "PWD", "OLDPWD", "SHLVL", "_"}, name, "the last few are the shell's")
		}
	}
}

func TestScriptBuildsWhatIsNeeded(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	asked := func() string {
		content, err := os.ReadFile(filepath.Join(s.folder, "bin/asked"))
		require.NoError(t, err)
		require.NoError(t, os.Remove(filepath.Join(s.folder, "bin/asked")))
		return string(content)
	}
	s.run(t, nil, "--tries", "5", "false")
	assert.Contains(t, asked(), " ./loader\n")
	output, code := s.run(t, nil, "--tries", "5")
	assert.Regexp(t, " ./loader\n.* ./server\n$", asked(), "the demo server is measured")
	assert.Equal(t, 125, code, "%s: it was not really built", output)
	s.run(t, nil, "--version")
	assert.NotContains(t, asked(), "./server")

	draw, err := os.ReadFile(filepath.Join(s.folder, ".build/draw"))
	require.NoError(t, err)
	want, err := os.ReadFile(lab.Root + "/loader/draw.sh")
	require.NoError(t, err)
	assert.Equal(t, string(want), string(draw), "the drawing program is built when it is first needed")

	s.write(t, "bin/go", "#!/bin/sh\necho leaklab/loader/config\necho 'x.go:1: undefined: x'\necho leaklab/loader\nexit 1\n")
	output, code = s.run(t, nil, "false")
	assert.Equal(t, 125, code)
	assert.Equal(t, "test-me.sh: building the loader, which takes longest the first time\nx.go:1: undefined: x\n", output)
}
