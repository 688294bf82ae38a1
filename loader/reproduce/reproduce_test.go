package reproduce

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/config"
	"leaklab/loader/record"
)

func recordedRun(o Origin, settings ...record.Setting) *Run {
	return &Run{Path: "results/first/run.json", Record: record.Run{Origin: string(o), Settings: settings}}
}

func TestRecordedSettingsWin(t *testing.T) {
	exported := environmentOf(map[string]string{
		"TRIES": "1", "URL_FILE": "/mine", "PORT": "4040", "RESULTS": "/tmp/new", "HEADERS": "X-Key: hunter2", "METHOD": "POST", "LEAK_BYTES": "1",
	})
	settings, err := recordedRun(Demo,
		record.Setting{Name: "TRIES", Value: "12", Default: "10"},
		record.Setting{Name: "WORKERS", Value: "100", Default: "100"},
		record.Setting{Name: "PORT", Value: "3030", Default: "3030"},
		record.Setting{Name: "HOST", Value: "127.0.0.2", Default: "127.0.0.1"},
		record.Setting{Name: "URL_FILE", Value: "/theirs"},
		record.Setting{Name: "RESULTS", Value: "/theirs", Default: "results"},
		record.Setting{Name: "SERVER_PID", Value: "77"},
		record.Setting{Name: "ALLOW_REMOTE", Value: "true"},
		record.Setting{Name: "HEADERS", Value: record.Hidden},
		record.Setting{Name: "LEAK_BYTES", Value: "64"},
		record.Setting{Name: "A_LATER_ONE", Value: "3", Default: "3"},
	).settings(exported)
	require.NoError(t, err)
	for name, want := range map[string]string{
		"TRIES": "12", "WORKERS": "100", "HOST": "127.0.0.2", "LEAK_BYTES": "64", // recorded
		"PORT": "4040", "URL_FILE": "/mine", // where things are now
		"RESULTS": "/tmp/new", "SERVER_PID": "", "METRICS_PORT": "", "ALLOW_REMOTE": "", // never the recorded one
		"HEADERS": "X-Key: hunter2", // not recorded, but needed
		"METHOD":  "", "LEAK": "",   // not set then
	} {
		value, known := settings[name]
		assert.True(t, known, name)
		assert.Equal(t, want, value, name)
	}
	assert.NotContains(t, settings, "A_LATER_ONE")
}

// The port of the recorded run may be taken by now.
func TestTheDemoServerShowsItsMetricsElsewhere(t *testing.T) {
	const recorded = "http://127.0.0.2:9101/metrics"
	again := recordedRun(Demo, record.Setting{Name: "HOST", Value: "127.0.0.2"}, record.Setting{Name: "METRICS_URL", Value: recorded})
	settings, err := again.settings(environmentOf(nil))
	require.NoError(t, err)
	assert.Regexp(t, `^http://127\.0\.0\.2:[12]\d{4}/metrics$`, settings["METRICS_URL"])
	settings, err = again.settings(environmentOf(map[string]string{"METRICS_URL": "http://here/metrics"}))
	require.NoError(t, err)
	assert.Equal(t, "http://here/metrics", settings["METRICS_URL"])
	settings, err = recordedRun(Demo).settings(environmentOf(nil))
	require.NoError(t, err)
	assert.Empty(t, settings["METRICS_URL"], "there was none")
	assert.NotContains(t, AtAnyPlace(again.Record).Settings, record.Setting{Name: "METRICS_URL", Value: recorded})
	launched := recordedRun(Launched, record.Setting{Name: "METRICS_URL", Value: recorded})
	settings, err = launched.settings(environmentOf(nil))
	require.NoError(t, err)
	assert.Equal(t, recorded, settings["METRICS_URL"])
	assert.Equal(t, launched.Record.Settings, AtAnyPlace(launched.Record).Settings)
}

func TestSettingsOfTheServerAreTodays(t *testing.T) {
	now := environmentOf(map[string]string{"LEAK": "none", "SERVER_IMAGE": "nginx:1.30"})
	for w, want := range map[Origin]map[string]string{
		Composed: {"LEAK": "none", "LEAK_BYTES": ""},
		Image:    {"SERVER_IMAGE": "nginx:1.30", "SERVER_ENV_FILE": ""},
		Launched: {},
		Attached: {},
	} {
		settings, err := recordedRun(w, record.Setting{Name: "LEAK", Value: "heap", Default: "heap"}, record.Setting{Name: "SERVER_IMAGE", Value: "nginx:1.29"}).settings(now)
		require.NoError(t, err)
		for name, value := range want {
			assert.Equal(t, value, settings[name], "%s: %s", w, name)
		}
		if w == Launched || w == Attached {
			assert.NotContains(t, settings, "LEAK", "it may mean something to that server")
		}
	}
}

func TestRunsThatCannotBeMadeAgain(t *testing.T) {
	_, err := recordedRun(Launched,
		record.Setting{Name: "LD_PRELOAD", Value: "/tmp/x.so"},
		record.Setting{Name: "BODY", Value: record.Hidden},
		record.Setting{Name: "BASIC_AUTH", Value: record.Hidden},
		record.Setting{Name: "METRICS_URL", Value: "http://me:xxxxx@host/metrics"},
	).settings(environmentOf(nil))
	assert.EqualError(t, err, `settings: LD_PRELOAD="/tmp/x.so": expected a setting that this leaklab has
BODY, BASIC_AUTH, METRICS_URL: expected in the environment, as it was for the recorded run: what may be secret is not written down`)

	trial := recordedRun(Composed, record.Setting{Name: "TRIES", Value: "12", Default: "10"}, record.Setting{Name: "LEAK", Value: "a b"})
	_, err = trial.Command(Attached)
	assert.ErrorContains(t, err, "  TRIES=12 LEAK='a b' docker compose run --rm --use-aliases loader reproduce /results/first")
	command, err := trial.Command(Composed)
	assert.NoError(t, err)
	assert.Nil(t, command)

	_, err = recordedRun(Launched).Command(Attached)
	assert.EqualError(t, err, "results/first/run.json: server_arguments is empty; expected the server's command")
	_, err = recordedRun("").Command(Attached)
	assert.EqualError(t, err, `results/first/run.json: way is ""; expected "launched", "demo", "composed", "image" or "attached"`)
	_, err = recordedRun(Demo).Command(Attached)
	assert.ErrorContains(t, err, "expected the demo server beside this program: ")
}

func TestRecordThatCannotBeRead(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "run.json")
	_, err := Open(folder)
	assert.EqualError(t, err, "expected the folder of a run, or its run.json: open "+file+": no such file or directory")
	for content, want := range map[string]string{
		`{"format":2}`:     "format is 2; expected 1",
		`{"format":1,"st`:  "the file ends in the middle",
		"iteration,rss\n1": "byte 1: invalid character 'i' looking for beginning of value",
	} {
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		for _, path := range []string{folder, file} {
			_, err := Open(path)
			assert.EqualError(t, err, file+": not a run.json: "+want)
		}
	}
}

// With a baseline, or with loaders in step, TRIES is a number where it is not set, and auto is refused.
func TestDefaultOfTriesIsWhatTheRunHas(t *testing.T) {
	for _, values := range []map[string]string{
		{"BASELINE": "old"}, {"ALIGN": "true", "METRICS_URL": "http://127.0.0.1:9101/metrics"}, {"MAX_TRIES": "50"},
	} {
		cfg, err := config.Parse(values)
		require.NoError(t, err)
		again := recordedRun(Launched, Launched.Settings(environmentOf(values), "keepalive", cfg.Tries)...)
		assert.NotRegexp(t, `\bTRIES=`, Launched.Line(again.Record.Settings, []string{"x"}))
		settings, err := again.settings(environmentOf(map[string]string{"TRIES": "7"}))
		require.NoError(t, err)
		same, err := config.Parse(settings)
		require.NoError(t, err)
		assert.Equal(t, cfg.Tries, same.Tries)
	}
}

func TestDefaultsOfAnotherVersion(t *testing.T) {
	before := recordedRun(Demo, record.Setting{Name: "TRIES", Value: "10", Default: "10"}, record.Setting{Name: "DURATION", Value: "3s", Default: "3s"})
	settings, err := before.settings(environmentOf(nil))
	require.NoError(t, err)
	assert.Equal(t, []string{"10", "3s"}, []string{settings["TRIES"], settings["DURATION"]})
}
