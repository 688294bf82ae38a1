package config

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func flagSet(t *testing.T, args ...string) *pflag.FlagSet {
	t.Helper()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	AddFlags(flags, Settings())
	require.NoError(t, flags.Parse(args))
	return flags
}

func TestFlagsWinOverTheEnvironmentAndTheEnvFile(t *testing.T) {
	unset(t, "WORKERS", "ENV_FILE", "CHECK_ENV_FILE", "TLS_INSECURE", "RATE")
	t.Setenv("TRIES", "3")
	t.Setenv("DURATION", "7s")
	path := envFile(t, "TRIES=10\nWORKERS=9\nDURATION=1s\nRATE=5\n")
	require.NoError(t, LoadFlags(flagSet(t, "--tries", "4", "--env-file="+path, "--tls-insecure", "--rate=")))
	for name, want := range map[string]string{"TRIES": "4", "WORKERS": "9", "DURATION": "7s", "TLS_INSECURE": "true", "RATE": ""} {
		assert.Equal(t, want, os.Getenv(name), name)
	}
	c, err := FromEnvironment()
	require.NoError(t, err)
	assert.Equal(t, Tries(4), c.Tries)
}

func TestLoadFlagsChecksTheFiles(t *testing.T) {
	unset(t, "ENV_FILE", "CHECK_ENV_FILE", "TRIES")
	assert.NoError(t, LoadFlags(flagSet(t)), "there is none")
	t.Setenv("ENV_FILE", envFile(t, "TIRES=1"))
	assert.ErrorContains(t, LoadFlags(flagSet(t)), ":1: TIRES: expected a setting; did you mean TRIES?")
	t.Setenv("ENV_FILE", "")
	t.Setenv("CHECK_ENV_FILE", envFile(t, "LEEK=1"))
	assert.ErrorContains(t, LoadFlags(flagSet(t)), ":1: LEEK: expected a setting; did you mean LEAK?")
	err := LoadFlags(flagSet(t, "--body", "hunter2\x00"))
	assert.ErrorContains(t, err, "BODY: expected a value without NUL")
	assert.NotContains(t, err.Error(), "hunter2")
}

func TestErrorsNameWhatWasTyped(t *testing.T) {
	flags := flagSet(t, "--tries", "x", "--headers=hunter2")
	message := "TRIES=\"x\": expected TRIES=1\nHEADERS: expected lines\nWORKERS=\"0\": expected more\nOTHER: TRIES=\"x\""
	assert.Equal(t, "--tries=\"x\": expected TRIES=1\n--headers: expected lines\nWORKERS=\"0\": expected more\nOTHER: TRIES=\"x\"", Typed(flags, message))
}

func TestEverySettingOfTheLoaderIsAFlag(t *testing.T) {
	flags := flagSet(t)
	for _, s := range Settings() {
		if s.Loader && s.Flag != "" {
			assert.NotNil(t, flags.Lookup(s.Flag), s.Name)
		}
	}
	page := Usage(Settings(), 100)
	for _, line := range []string{"Run:\n      --tries value", "(default auto)", "\nLoad:\n", "keepalive, churn", "--rate value", "(default 0)", "\nDemo server:\n", "(default heap)"} {
		assert.Contains(t, page, line)
	}
	assert.NotContains(t, page, "Docker:", "they are no flags")
	for line := range strings.Lines(page) {
		assert.LessOrEqual(t, len(line), 101, line)
	}
}

func TestNearestFlag(t *testing.T) {
	flags := flagSet(t)
	for name, want := range map[string]string{"tires": "tries", "worker": "workers", "server_pid": "server-pid", "nothing-like-it": ""} {
		assert.Equal(t, want, NearestFlag(flags, name), name)
	}
}

func TestDefaultsForTheDemoServer(t *testing.T) {
	for _, test := range []struct{ host, tls, url, wantTLS, wantURL string }{
		{"", "", "", "true", `http://127\.0\.0\.1:[12]\d{4}/metrics`},
		{"::1", "", "", "true", `http://\[::1\]:[12]\d{4}/metrics`},
		{"localhost", "", "", "true", `http://localhost:[12]\d{4}/metrics`},
		{"localhost", "false", "http://other/", "false", "http://other/"},
	} {
		t.Setenv("HOST", test.host)
		t.Setenv("TLS_INSECURE", test.tls)
		t.Setenv("METRICS_URL", test.url)
		require.NoError(t, DemoDefaults())
		assert.Equal(t, test.wantTLS, os.Getenv("TLS_INSECURE"))
		assert.Regexp(t, "^"+test.wantURL+"$", os.Getenv("METRICS_URL"))
	}
}

// Two demo servers that start at the same moment do not choose the same port.
func TestEachDemoServerHasItsOwnPort(t *testing.T) {
	seen := make(map[string]bool)
	for range 10 {
		seen[DemoMetrics(func(string) string { return "" })] = true
	}
	assert.Greater(t, len(seen), 5)
}
