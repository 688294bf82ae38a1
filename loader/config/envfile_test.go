package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// envFile writes a file with content, and returns its path.
func envFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".env")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// unset takes settings out of the environment until the end of the test.
func unset(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		t.Setenv(name, "")
		require.NoError(t, os.Unsetenv(name))
	}
}

func TestEnvFileIsReadButDoesNotOverride(t *testing.T) {
	unset(t, "REQUEST_PATH", "LEAK_BYTES", "COMPOSE_FILE", "BODY")
	t.Setenv("TRIES", "3")
	t.Setenv("LEAK", "")
	path := envFile(t, byteOrderMark+"TRIES=10\n# comment\n\nREQUEST_PATH=/a?b=c d\nLEAK=heap\r\nLEAK_BYTES=\nCOMPOSE_FILE=a.yml\r\nBODY=#a=b\"")
	require.NoError(t, LoadEnvFile(path))
	assert.Equal(t, "3", os.Getenv("TRIES"), "what is exported wins")
	assert.Equal(t, "", os.Getenv("LEAK"), "also when it is empty")
	assert.Equal(t, "/a?b=c d", os.Getenv("REQUEST_PATH"))
	assert.Equal(t, "a.yml", os.Getenv("COMPOSE_FILE"), "line ends of Windows")
	assert.Equal(t, `#a=b"`, os.Getenv("BODY"), "without a line end")
	_, exported := os.LookupEnv("LEAK_BYTES")
	assert.True(t, exported)
}

func TestWrongLinesOfAnEnvFile(t *testing.T) {
	unset(t, "TRIES", "MAX_TRIES")
	path := envFile(t, `TRIES=10
rm -rf x
TRIES
=3
export LEAK=heap
1A=2
A-B=c
 LEAK=heap
LEAK =heap
TRIES=11
DURATION="3s"
HEADERS='A: b'
WORKERS=10 # connections
TIRES=hunter2
GOGC=50
BODY=`+"\x00"+`
MAX_TRIES=20
max_tries=7
`)
	const want = `:2: expected NAME=VALUE, found: rm -rf x
:3: expected NAME=VALUE, found: TRIES
:4: expected NAME=VALUE, found: 
:5: expected NAME=VALUE, found: export LEAK
:6: expected NAME=VALUE, found: 1A
:7: expected NAME=VALUE, found: A-B
:8: expected NAME=VALUE, found:  LEAK
:9: expected NAME=VALUE, found: LEAK 
:10: expected each NAME once, found: TRIES
:11: expected no quotes around a VALUE, and no comment after it, found: DURATION
:12: expected no quotes around a VALUE, and no comment after it, found: HEADERS
:13: expected no quotes around a VALUE, and no comment after it, found: WORKERS
:14: TIRES: expected a setting; did you mean TRIES?
:15: GOGC: expected a setting; what is for the server alone belongs into the shell
:16: expected no NUL in a VALUE, found: BODY
:18: max_tries: expected a setting; did you mean MAX_TRIES?`
	assert.EqualError(t, LoadEnvFile(path), strings.ReplaceAll("\n"+want, "\n:", "\n"+path+":")[1:])
	assert.Empty(t, os.Getenv("MAX_TRIES"), "nothing is set")
}

func TestNamesOfAnEnvFileThatComposeReads(t *testing.T) {
	unset(t, "TRIES")
	assert.NoError(t, CheckEnvFile(envFile(t, byteOrderMark+"DURATION=1s\n# a=b\n\nexport TRIES=\"10\" # x\r\nLEAK: heap\n TRIES = 5\nCOMPOSE_PROJECT_NAME=x\n")))
	assert.Empty(t, os.Getenv("TRIES"), "values are not taken")
	path := envFile(t, "TIRES='hunter2'\n\nWORKER=1")
	assert.EqualError(t, CheckEnvFile(path), path+":1: TIRES: expected a setting; did you mean TRIES?\n"+path+":3: WORKER: expected a setting; did you mean WORKERS?")
}

func TestEnvFileThatCannotBeRead(t *testing.T) {
	folder := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(folder, "missing"): "no such file or directory",
		folder:                           "it is not a regular file",
		os.DevNull:                       "it is not a regular file",
		envFile(t, strings.Repeat("#\n", mostEnvFile/2+1)): "it is larger than 1 MiB",
	} {
		for name, read := range map[string]func(string) error{"ENV_FILE": LoadEnvFile, "CHECK_ENV_FILE": CheckEnvFile} {
			err := read(path)
			assert.ErrorContains(t, err, name+`="`+path+`": expected a file that can be read: `)
			assert.ErrorContains(t, err, want)
		}
	}
}

func TestEnvFileThatOnlyItsOwnerMayRead(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read every file")
	}
	path := envFile(t, "TIRES=1")
	require.NoError(t, os.Chmod(path, 0))
	assert.NoError(t, CheckEnvFile(path), "Compose has read it")
	assert.ErrorContains(t, LoadEnvFile(path), "permission denied")
}

func FuzzEnvFile(f *testing.F) {
	f.Add("TRIES=10\r\n# x\nLEAK=\n")
	f.Add("A=\"\n=\n")
	f.Fuzz(func(t *testing.T, content string) {
		values, err := parseEnvFile("f", content)
		if err == nil {
			for _, v := range values {
				if !envName.MatchString(v.name) || strings.ContainsAny(v.value, "\x00\n") {
					t.Fatalf("%q=%q", v.name, v.value)
				}
			}
		}
	})
}
