package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestMisspeltNamesOfTheEnvironment(t *testing.T) {
	for name, want := range map[string]string{
		"TIRES": "TRIES", "TRIE": "TRIES", "TRIESS": "TRIES", "TREIS": "TRIES", "TRIEZ": "TRIES", "WORKER": "WORKERS", "WROKERS": "WORKERS",
		"SHAPES": "SHAPE", "SERVER_PDI": "SERVER_PID", "SERVERPID": "SERVER_PID", "REQUEST": "REQUESTS", "HEADER": "HEADERS", "MAX_TRY": "",
		"PROT": "PORT", "PORTS": "PORT", "HSOT": "HOST", "HOSTS": "HOST", "RATES": "RATE", "BOYD": "BODY", "LAEK": "LEAK", "LEAKS": "LEAK",
		"TRIES": "", "SERVER_PORT": "", "tires": "", "TIRE": "", "tries": "",
	} {
		var warnings []string
		if want != "" {
			warnings = []string{name + " in the environment is no setting; did you mean " + want + "?"}
		}
		assert.Equal(t, warnings, Misspelt([]string{name + "=hunter2"}), name)
	}
	assert.Equal(t, []string{
		"TIRES in the environment is no setting; did you mean TRIES?",
		"WORKER in the environment is no setting; did you mean WORKERS?",
	}, Misspelt([]string{"WORKER=1", "PATH=/bin", "TIRES=", "PORT=80"}))
}

// Names that shells, desktops, containers, CI and runtimes set, and that are close to settings.
const usual = `_ HOME PATH USER SHELL TERM LANG LANGUAGE LC_ALL PWD OLDPWD LOGNAME EDITOR VISUAL PAGER DISPLAY HOSTNAME HOSTTYPE MACHTYPE OSTYPE
MAIL TZ TMP TEMP TMPDIR SHLVL PS1 PS2 PS4 IFS COLUMNS LINES UID EUID PPID RANDOM SECONDS OPTIND BASH BASH_ENV LESS MORE MANPATH LS_COLORS
GOPATH GOROOT GOFLAGS GOBIN GOCACHE GOGC GOMEMLIMIT GOMAXPROCS GODEBUG JAVA_HOME NODE_ENV NODE_OPTIONS NODE_PATH PYTHONPATH VIRTUAL_ENV
HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY NO_COLOR CI GITHUB_TOKEN RUNNER_OS DOCKER_HOST KUBERNETES_PORT KUBERNETES_SERVICE_HOST
POST ROOT COST MOST LOST GHOST HOSTED DHOST LHOST DB_HOST RHOST XPORT SPORT PORT0 PORT1 PORT_0 LPORT RPORT DB_PORT FORT SORT
LEAN LEAF PEAK WEAK BREAK DATE GATE RATED CRATE BASE BODYS_ NOBODY BUDDY RESULT_DIR REQUEST_URI REQUEST_METHOD SERVER_NAME SERVER_ADDR
SERVER_SOFTWARE SERVER_PROTOCOL REMOTE_HOST DATABASE_URL METRICS METRICS_HOST TIMEOUT_MS SSH_TTY SSH_CLIENT XDG_SESSION_ID WINDOWID
METRICS_PATH IMAGE LOAD COMMAND BASELINES_DIR TRY RETRIES MAX_RETRIES PROTO SHAPING SETTINGS RELEASES_URL DEBUG VERBOSE`

func TestUsualNamesAreNoMisspeltSettings(t *testing.T) {
	for _, name := range strings.Fields(usual) {
		assert.Empty(t, Misspelt([]string{name + "=x"}), name)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"TRIES", "MAX_TRIES", "PORT", "HOST", "BASELINE_PORT"}
	for name, want := range map[string]string{
		"TIRES": "TRIES", "tries": "TRIES", "MAXTRIES": "MAX_TRIES", "POTR": "PORT", "BASE_LINE_PROT": "BASELINE_PORT", "A": "", "NOTHING": "", "GOGC": "",
	} {
		assert.Equal(t, want, nearest(name, names), name)
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "ab", 1}, {"abc", "xabc", 1}, {"abc", "axc", 1}, {"abcd", "badc", 2}, {"abc", "xyz", 3}} {
		assert.Equal(t, test.want, distance(test.a, test.b), test.a+" "+test.b)
		assert.Equal(t, test.want, distance(test.b, test.a), test.b+" "+test.a)
	}
}
