package run

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/config"
)

// another is a value of a setting that is not its default, beside others that it needs.
type another struct {
	value  string
	beside map[string]string
}

// anotherValues has every setting of the loader that a plan is made from.
func anotherValues() map[string]another {
	baseline := map[string]string{"BASELINE": "old {port}"}
	shared := map[string]string{"HOST": "server", "SERVER_PID": "shared", "BASELINE": "nginx:1.28", "BASELINE_HOST": "old"}
	return map[string]another{
		"TRIES": {value: "11"}, "MAX_TRIES": {value: "50"}, "TOLERANCE": {value: "8"},
		"HOST": {value: "localhost"}, "PORT": {value: "4040"}, "ALLOW_REMOTE": {value: "true"}, "DURATION": {value: "1s"},
		"WORKERS": {value: "7"}, "REQUESTS": {value: "1000"}, "SETTLE": {value: "1s"}, "RELEASE": {value: "1s"},
		"TIMEOUT": {value: "1s"}, "START_TIMEOUT": {value: "1s"}, "SHAPE": {value: "churn"}, "PROTOCOL": {value: "h2c"},
		"TLS_INSECURE": {value: "true"}, "RATE": {value: "100"}, "REQUEST_PATH": {value: "/other"}, "URL_FILE": {value: "urls"}, "READY_PATH": {value: "/healthz"},
		"METHOD": {value: "PUT"}, "HEADERS": {value: "X-A: 1"}, "BASIC_AUTH": {value: "me:secret"}, "BODY": {value: "x"},
		"BODY_FILE": {value: "body"}, "BODY_BYTES": {value: "7"}, "PROTOSET": {value: "hello.protoset", beside: map[string]string{"PROTOCOL": "grpc"}},
		"LOAD_COMMAND": {value: "wrk {url}"},
		"ALIGN":        {value: "true", beside: map[string]string{"METRICS_URL": "http://127.0.0.1:9101/metrics"}},
		"BASELINE":     {value: "old"}, "BASELINE_HOST": {value: "older", beside: shared}, "BASELINE_PORT": {value: "4040", beside: baseline},
		"SCRAPE_WAIT": {value: "1s"}, "RESULTS": {value: "elsewhere"}, "METRICS_PORT": {value: "9999"}, "SERVER_PID": {value: "77"},
		"METRICS_URL": {value: "http://127.0.0.1:9101/metrics"}, "PPROF_URL": {value: "http://127.0.0.1:6060/debug/pprof/"},
		"GRAFANA_URL": {value: "http://127.0.0.1:3000"}, "SERVER_IMAGE": {value: "nginx:1.29"}, "HOST_RESULTS": {value: "/home/me/results"}, "LEAK": {value: "none"},
		"LIVE": {value: "jvm"}, "SITES": {value: "off"}, "LIVE_SNAPSHOT": {value: "true"}, "CONNECTIONS": {value: "fresh"}, "STREAMS": {value: "7"},
		"UNIQUE":           {value: "method", beside: map[string]string{"SHAPE": "unique"}},
		"METRICS_MEMORY":   {value: "process_working_set_bytes", beside: map[string]string{"METRICS_URL": "http://10.0.0.5:9101/metrics"}},
		"METRICS_REQUESTS": {value: `http_requests_total{app="web"}`, beside: map[string]string{"METRICS_URL": "http://127.0.0.1:9101/metrics"}},
	}
}

// unplanned are the settings that no plan is made from, with the reason.
func unplanned() map[string]string {
	const demos = "it is the demo server's, which reads it from its environment"
	return map[string]string{"LEAK_BYTES": demos, "LEAK_TTL": demos, "LEAK_ENTRIES": demos}
}

// compared is a plan without its functions, which Go cannot compare, and whether it had them.
type compared struct {
	plan                         plan
	refusesServer, refusesOthers bool
}

func comparablePlan(t *testing.T, settings map[string]string) compared {
	t.Helper()
	c := compared{plan: planned(t, settings)}
	c.refusesServer, c.plan.server.load.Control = c.plan.server.load.Control != nil, nil
	if b := c.plan.baseline; b != nil {
		c.refusesOthers, b.load.Control = b.load.Control != nil, nil
	}
	return c
}

func TestEverySettingChangesThePlan(t *testing.T) {
	all := anotherValues()
	for _, s := range config.Settings() {
		if !s.Loader || unplanned()[s.Name] != "" {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			other, listed := all[s.Name]
			if !listed {
				t.Fatalf("%s: expected another value in anotherValues, or a reason in unplanned", s.Name)
			}
			changed := maps.Clone(other.beside)
			if changed == nil {
				changed = make(map[string]string)
			}
			changed[s.Name] = other.value
			before := comparablePlan(t, other.beside)
			assert.Equal(t, before, comparablePlan(t, other.beside), "the same settings make the same plan")
			assert.NotEqual(t, before, comparablePlan(t, changed), "planOf in plan.go does not use %s", s.Name)
		})
	}
}
