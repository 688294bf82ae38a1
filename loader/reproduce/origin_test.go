package reproduce

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/config"
	"leaklab/loader/record"
)

func environmentOf(values map[string]string) func(string) string {
	return func(name string) string { return values[name] }
}

func valueOf(settings []record.Setting, name string) string {
	for _, s := range settings {
		if s.Name == name {
			return s.Value
		}
	}
	return "(missing)"
}

func TestSettingsThatMayBeSecretAreHidden(t *testing.T) {
	settings := Launched.Settings(environmentOf(map[string]string{
		"HEADERS": "Authorization: hunter2", "BASIC_AUTH": "me:hunter2", "BODY": "hunter2", "METRICS_URL": "http://me:hunter2@host/metrics",
		"OTHER": "hunter2", "TRIES": "12", "SHAPE": "keepalive,churn",
	}), "churn", 12)
	for _, s := range settings {
		assert.NotContains(t, s.Value, "hunter2", s.Name)
	}
	assert.Equal(t, "(set)", valueOf(settings, "HEADERS"))
	assert.Equal(t, "http://xxxxx@host/metrics", valueOf(settings, "METRICS_URL"))
	assert.Equal(t, "12", valueOf(settings, "TRIES"))
	assert.Equal(t, "auto", valueOf(settings, "DURATION"), "the default")
	assert.Equal(t, "churn", valueOf(settings, "SHAPE"), "that of this run")
	assert.Equal(t, "", valueOf(settings, "URL_FILE"))
	assert.Equal(t, "(missing)", valueOf(settings, "LEAK"), "another server")
	assert.Len(t, settings, reflect.TypeFor[config.Config]().NumField()-2-len(demoSettings), "each setting")

	settings = Demo.Settings(environmentOf(map[string]string{"HEADERS": "", "LEAK": "heap"}), "keepalive", config.Auto)
	assert.Equal(t, "", valueOf(settings, "HEADERS"), "not set")
	assert.Equal(t, "heap", valueOf(settings, "LEAK"))
	assert.Equal(t, "auto", valueOf(settings, "TRIES"))
}

// A run of another shape would refuse UNIQUE, and does not use it.
func TestUniqueIsRecordedOfTheShapeThatUsesIt(t *testing.T) {
	environment := environmentOf(map[string]string{"SHAPE": "churn,unique", "UNIQUE": "method"})
	for shape, want := range map[string]string{"unique": "SHAPE=unique UNIQUE=method .build/loader", "churn": "SHAPE=churn .build/loader"} {
		settings := Attached.Settings(environment, shape, config.Auto)
		assert.Equal(t, want, Attached.Line(settings, nil))
		again := make(map[string]string)
		for _, s := range settings {
			again[s.Name] = s.Value
		}
		_, err := config.Parse(again)
		assert.NoError(t, err)
	}
}

func TestReproduce(t *testing.T) {
	for _, test := range []struct {
		compose bool
		command []string
		values  map[string]string
		want    string
	}{
		{false, []string{"/x/.build/server"}, map[string]string{"TRIES": "12", "LEAK": "heap", "TLS_INSECURE": "true", "RESULTS": "/tmp/r", "BODY": "b"},
			"TRIES=12 LEAK=heap ./test-me.sh"},
		{false, []string{"python3", "-m", "http.server", "it's"}, map[string]string{"PORT": "8000", "REQUEST_PATH": "/a?b=c&d", "LEAK": "heap"},
			`PORT=8000 REQUEST_PATH='/a?b=c&d' ./test-me.sh python3 -m http.server 'it'\''s'`},
		{true, nil, map[string]string{"HOST": "server", "SERVER_PID": "shared", "METRICS_URL": "http://server:9101/metrics", "TLS_INSECURE": "true", "DURATION": "1s", "LEAK": "none"},
			"DURATION=1s LEAK=none docker compose up"},
		{true, nil, map[string]string{"HOST": "server", "PORT": "80", "SERVER_PID": "1", "SERVER_IMAGE": "nginx:1.29", "SERVER_ENV_FILE": "my env", "REQUEST_PATH": "/", "LEAK_BYTES": "64"},
			"SERVER_PORT=80 REQUEST_PATH=/ SERVER_IMAGE=nginx:1.29 SERVER_ENV_FILE='my env' docker compose -f docker-compose.yml -f compose/image.yml up"},
		{true, nil, map[string]string{"HOST": "server", "SERVER_PID": "1", "SERVER_IMAGE": "i@sha256:0a", "TLS_INSECURE": "true"},
			"SERVER_PORT=3030 TLS_INSECURE=true SERVER_IMAGE=i@sha256:0a docker compose -f docker-compose.yml -f compose/image.yml up"},
		{true, nil, map[string]string{"HOST": "server", "PORT": "80", "SERVER_PID": "shared", "SERVER_IMAGE": "nginx:1.29", "BASELINE": "nginx:1.28", "BASELINE_HOST": "baseline", "BASELINE_PORT": "80"},
			"SERVER_PORT=80 BASELINE=nginx:1.28 BASELINE_PORT=80 SERVER_IMAGE=nginx:1.29 docker compose -f docker-compose.yml -f compose/image.yml -f compose/baseline.yml up"},
		{true, nil, map[string]string{"HOST": "server", "PORT": "8080", "SERVER_PID": "shared", "SERVER_IMAGE": "tomcat:10", "SERVER_USER": "0:0"},
			"SERVER_PORT=8080 SERVER_IMAGE=tomcat:10 SERVER_USER=0:0 docker compose -f docker-compose.yml -f compose/image.yml -f compose/live.yml up"},
		{false, nil, map[string]string{"SERVER_PID": "77", "TLS_INSECURE": "true", "PORT": "80", "ALLOW_REMOTE": "true"},
			"PORT=80 TLS_INSECURE=true .build/loader"},
		{false, []string{"/x/.build/server", "a\nb", ""}, nil, "./test-me.sh /x/.build/server 'a\nb' ''"},
	} {
		origin := OriginOf(test.command, test.compose, test.values["SERVER_IMAGE"])
		settings := origin.Settings(environmentOf(test.values), "keepalive", 12)
		assert.Equal(t, test.want, origin.Line(settings, test.command))
	}
}
