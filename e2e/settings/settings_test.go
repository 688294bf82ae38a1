package settings

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/internal/lab"
)

// wrongValues are some of each setting, at the programs themselves; the tables in loader/config have more.
func wrongValues(folder string) map[string][]string {
	return map[string][]string{
		"TRIES":         {"0", "10001", "1.5", "many"},
		"MAX_TRIES":     {"0", "auto"},
		"TOLERANCE":     {"0", "-4", "NaN", "4 bytes"},
		"HOST":          {"http://localhost", "localhost:3030", "a b", "300.0.0.1", "a\nb"},
		"PORT":          {"0", "65536", "http", "80\r"},
		"DURATION":      {"3", "0s", "-3s", "1000h", "1ns", "soon"},
		"WORKERS":       {"0", "50001", "100k"},
		"REQUESTS":      {"-1", "1e6", "18446744073709551615"},
		"SETTLE":        {"500", "-1ms", "2h"},
		"RELEASE":       {"5", "-5s"},
		"TIMEOUT":       {"0", "10", "2h"},
		"START_TIMEOUT": {"0s", "30"},
		"SHAPE":         {"storm", "churn,churn", "churn,"},
		"UNIQUE":        {"paths", "path,path", "method"},
		"PROTOCOL":      {"http3", "HTTP1"},
		"TLS_INSECURE":  {"maybe"},
		"RATE":          {"-1", "fast", "1e8"},
		"REQUEST_PATH":  {"hello", "/a b", "/a\r\nX: y", "/%zz"},
		"URL_FILE":      {folder, "/dev/zero", "/does/not/exist", filepath.Join(folder, "empty"), filepath.Join(folder, "words")},
		"METHOD":        {"get", "GET /", "CONNECT"},
		"HEADERS":       {"hunter2", "A: b|hunter2", "A: hunter2\x1b[2J", "Content-Length: hunter2"},
		"BASIC_AUTH":    {"hunter2"},
		"BODY_FILE":     {folder, "/dev/zero", "/does/not/exist"},
		"BODY_BYTES":    {"-1", "64k"},
		"LOAD_COMMAND":  {"wrk 'hunter2", "/does/not/exist {url}", "wrk {URl} {hunter}", " "},
		"ALIGN":         {"yes"},
		"ALLOW_REMOTE":  {"maybe"},
		"BASELINE":      {"./old 'x", " ", "/does/not/exist"},
		"BASELINE_HOST": {"http://old"},
		"BASELINE_PORT": {"0", "65536"},
		"SCRAPE_WAIT":   {"15", "-1s"},
		"RESULTS":       {filepath.Join(folder, "words"), "a\r"},
		"METRICS_PORT":  {"0", "9102x"},
		"SERVER_PID":    {"0", "self"},
		"METRICS_URL":   {"server:9101", "ftp://server/", "http://:9101/", "ftp://me:hunter2@server/"},
		"GRAFANA_URL":   {"localhost:3000", "http://:3000/"},
		"PPROF_URL":     {"server:6060", "http://server:0/"},
		"LEAK":          {"all", "Heap"},
		"LEAK_BYTES":    {"-1", "64k", "262145"},
		"LEAK_TTL":      {"10", "999us", "61m"},
		"LEAK_ENTRIES":  {"0", "10000001", "1e3"},

		"METRICS_MEMORY":   {"a b", "{}", "1x", "process_resident_memory_bytes{app=web}"},
		"METRICS_REQUESTS": {"http_requests_total 5", "http_requests_total{code=~\"2..\"}"},
	}
}

// ofServer are the settings that mean the same to the demo server.
var ofServer = []string{"HOST", "PORT", "PROTOCOL", "LEAK", "LEAK_BYTES", "LEAK_TTL", "LEAK_ENTRIES"}

// refused runs a program with wrong settings, and returns what it says about them, a line each.
func refused(t *testing.T, settings []string, program string, arguments ...string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // it is to be refused, not to run
	defer cancel()
	cmd := exec.CommandContext(ctx, program, arguments...)
	cmd.Env = append(os.Environ(), settings...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run()
	assert.Equal(t, 2, cmd.ProcessState.ExitCode(), "%s: %s", settings, &stderr)
	assert.Empty(t, stdout.String())
	assert.NotContains(t, stderr.String(), "hunter2")
	return strings.Split(strings.TrimSuffix(stderr.String(), "\n"), "\n")
}

func TestEveryWrongValueIsNamedAndNothingIsStarted(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "empty"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "words"), []byte("hello\n"), 0o600))
	marker, results := filepath.Join(folder, "started"), filepath.Join(folder, "results")
	arguments := []string{"--", "touch", marker}
	expectation := regexp.MustCompile(`: (.*; )?(expected |missing unit, for example )`)
	tried, all := 0, []string{"RESULTS=" + results}
	for name, values := range wrongValues(folder) {
		for _, value := range values {
			tried++
			setting := name + "=" + value
			command := arguments
			if strings.HasPrefix(name, "LEAK") { // they are the demo server's
				command = []string{"--", lab.Server}
			}
			lines := refused(t, []string{"RESULTS=" + results, setting}, lab.Loader, command...)
			require.Len(t, lines, 1, setting)
			named := fmt.Sprintf("%s=%q", name, value)
			if name == "HEADERS" || name == "BASIC_AUTH" || name == "LOAD_COMMAND" || strings.Contains(value, "@") {
				named = name
			}
			rest, found := strings.CutPrefix(lines[0], named)
			assert.True(t, found, "%s: %s", setting, lines[0])
			assert.Regexp(t, expectation, rest)
			for _, one := range ofServer {
				if one == name {
					assert.Equal(t, lines, refused(t, []string{setting}, lab.Server), "the server says the same")
				}
			}
		}
		if name != "RESULTS" { // it is to be right, for the run to have somewhere to go
			all = append(all, name+"="+values[0])
		}
	}
	assert.GreaterOrEqual(t, tried, 60)
	t.Logf("%d wrong values", tried)

	lines := refused(t, all, lab.Loader, "--", lab.Server)
	assert.Len(t, lines, len(all)-1, "all at once: %s", lines)
	for _, setting := range all[1:] {
		name, _, _ := strings.Cut(setting, "=")
		assert.True(t, hasPrefix(lines, name), "%s in %s", name, lines)
	}
	assert.NoFileExists(t, marker)
	assert.NoDirExists(t, results)
}

func hasPrefix(lines []string, name string) bool {
	for _, line := range lines {
		if strings.HasPrefix(line, name+"=") || strings.HasPrefix(line, name+":") {
			return true
		}
	}
	return false
}

func TestSettingsThatDoNotGoTogether(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		settings []string
		want     string
	}{
		{[]string{"PORT=4000", "METRICS_PORT=4000"}, `METRICS_PORT="4000": expected another port than the server's PORT`},
		{[]string{"BODY=hunter2", "BODY_FILE=/etc/hosts"}, `BODY_FILE="/etc/hosts": expected nothing beside BODY; give one of the two`},
		{[]string{"BASIC_AUTH=me:hunter2", "HEADERS=Authorization: hunter2"}, `HEADERS: expected no Authorization beside BASIC_AUTH; give one of the two`},
		{[]string{"REQUESTS=1000000", "RATE=1"}, `RATE="1": expected at least 277.778, so that REQUESTS=1000000 take no longer than 1h0m0s`},
		{[]string{"LOAD_COMMAND=true", "SHAPE=churn"}, `SHAPE="churn": expected nothing: LOAD_COMMAND is the load`},
		{[]string{"LOAD_COMMAND=true", "UNIQUE=query"}, `UNIQUE="query": expected nothing: LOAD_COMMAND is the load`},
		{[]string{"UNIQUE=query", "SHAPE=churn,idle"}, `UNIQUE="query": expected SHAPE=unique as well`},
		{[]string{"LOAD_COMMAND=true {requests}"}, `REQUESTS="0": expected more than 0, since LOAD_COMMAND has {requests}`},
		{[]string{"ALIGN=true", "REQUESTS=7", "METRICS_URL=http://a/"}, `REQUESTS="7": expected 0 with ALIGN=true: all loaders begin and end together`},
		{[]string{"ALIGN=true"}, `METRICS_URL="": expected where the server counts its requests with ALIGN=true: all loaders begin and end together`},
	} {
		assert.Equal(t, []string{test.want}, refused(t, test.settings, lab.Loader, "--", "false"))
	}
	assert.Equal(t, []string{`METRICS_PORT="4000": expected another port than PORT`}, refused(t, []string{"PORT=4000", "METRICS_PORT=4000"}, lab.Server))
}

func TestWorkersThatNeedMoreFilesThanThereMayBe(t *testing.T) {
	t.Parallel()
	limited := []string{"-c", `ulimit -n 256 && exec "$@"`, "-", lab.Loader, "--", "false"}
	assert.Equal(t, []string{`WORKERS="193": expected at most 192 with SHAPE=keepalive, since this program may have 256 files open (ulimit -n)`},
		refused(t, []string{"WORKERS=193"}, "sh", limited...))
	assert.Equal(t, []string{`WORKERS="20": expected at most 19 with SHAPE=churn,idle, since this program may have 256 files open (ulimit -n)`},
		refused(t, []string{"WORKERS=20", "SHAPE=churn,idle"}, "sh", limited...))
}
func TestNothingIsStartedOrCreatedWithBadSettings(t *testing.T) {
	t.Parallel()
	marker := filepath.Join(t.TempDir(), "started")
	r := lab.Start(t, []string{"DURATION=3", "WORKERS=none", "REQUEST_PATH=hello"}, "touch", marker)
	assert.Equal(t, 2, r.ExitCode())
	assert.Equal(t, `DURATION="3": missing unit, for example "3s", or "auto"
WORKERS="none": expected a whole number (connections) from 1 to 50000
REQUEST_PATH="hello": expected a path that begins with "/", percent-encoded, without a host
`, r.Err.String())
	assert.Empty(t, r.Out.String())
	assert.NoFileExists(t, marker)
	assert.NoDirExists(t, r.Results)
}

func TestPortsInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	port := strconv.Itoa(taken.Addr().(*net.TCPAddr).Port)
	for _, setting := range []string{"PORT", "METRICS_PORT"} {
		r := lab.Start(t, []string{setting + "=" + port})
		assert.Equal(t, 2, r.ExitCode())
		assert.Regexp(t, fmt.Sprintf(`^%s="%s": .*process %d, ".*/settings\.test .*", listens .*: nothing was measured\n$`, setting, port, os.Getpid()), r.Err.String())
		assert.NoDirExists(t, r.Results)
	}
}

func TestWrongLoadCommand(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{
		"LOAD_COMMAND=hey -z {time} {url}":      `LOAD_COMMAND: {time} is no placeholder; expected {duration}, `,
		"LOAD_COMMAND=/does/not/exist -x {url}": `LOAD_COMMAND: expected a program that can be run: `,
	} {
		marker := filepath.Join(t.TempDir(), "started")
		r := lab.Start(t, []string{setting}, "touch", marker)
		assert.Equal(t, 2, r.ExitCode())
		assert.Contains(t, r.Err.String(), want)
		assert.NoFileExists(t, marker)
		assert.NoDirExists(t, r.Results)
	}
}
