package run

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/config"
	"leaklab/loader/reproduce"
	"leaklab/loader/verdict"
)

func TestOutcomes(t *testing.T) {
	for kind, outcome := range map[verdict.Kind]Outcome{verdict.NoLeak: NoLeak, verdict.Leak: Leak, verdict.Inconclusive: Unknown} {
		assert.Equal(t, outcome, OutcomeOf(kind))
	}
	for change, outcome := range map[verdict.Change]Outcome{
		verdict.Fixed: NoLeak, verdict.Better: NoLeak, verdict.Same: NoLeak, verdict.Worse: Leak, verdict.CannotTell: Unknown,
	} {
		assert.Equal(t, outcome, OutcomeOfChange(change))
	}
}

func TestHowARunIsJudged(t *testing.T) {
	p := planned(t, map[string]string{"TRIES": "20", "TOLERANCE": "8"})
	assert.Equal(t, verdict.Options{Tolerance: 8}, p.options)
	assert.Equal(t, 20, p.tries)
	assert.False(t, p.auto)
	p = planned(t, map[string]string{"TRIES": "auto", "MAX_TRIES": "50"})
	assert.Equal(t, verdict.Options{Tolerance: 4, MaxIterations: 50}, p.options)
	assert.Equal(t, 50, p.tries)
	assert.True(t, p.auto)
}

func TestWhereTheServerIs(t *testing.T) {
	cfg, err := config.Parse(map[string]string{"PORT": "4040"})
	require.NoError(t, err)
	p := planOf(cfg, []string{"./serve", "-x"}, nil)
	assert.Equal(t, reproduce.Launched, p.origin)
	assert.Equal(t, []string{"./serve", "-x"}, p.server.target.Command)
	assert.Equal(t, "127.0.0.1:4040", p.server.target.Address)
	assert.Equal(t, p.server.target.Address, p.server.load.Address)

	p = planned(t, map[string]string{"SERVER_PID": "77"})
	assert.Equal(t, reproduce.Attached, p.origin)
	assert.Equal(t, 77, p.server.target.PID)
	assert.Equal(t, `SERVER_PID="77"`, p.server.target.Setting)
	assert.Nil(t, p.server.target.Command)

	p = planned(t, map[string]string{"HOST": "server", "SERVER_PID": "shared", "SERVER_IMAGE": "nginx:1.29"})
	assert.Equal(t, reproduce.Image, p.origin)
	assert.True(t, p.server.target.Shared)
	assert.Zero(t, p.server.target.PID)
	assert.Equal(t, `SERVER_PID="shared"`, p.server.target.Setting)
}

func TestWhereTheBaselineIs(t *testing.T) {
	assert.Nil(t, planned(t, nil).baseline)
	p := planned(t, map[string]string{"PORT": "4040", "BASELINE": "old --listen {host}:{port}", "METRICS_URL": "http://127.0.0.1:9101/metrics"})
	require.NotNil(t, p.baseline)
	assert.Equal(t, []string{"old", "--listen", "127.0.0.1:4041"}, p.baseline.target.Command)
	assert.Equal(t, []string{"old", "--listen", "{host}:{port}"}, p.baseline.command)
	assert.Equal(t, "127.0.0.1:4041", p.baseline.load.Address)
	assert.Equal(t, []string{"HOST=127.0.0.1", "PORT=4041", "METRICS_PORT=0"}, p.baseline.target.Environment)
	assert.Empty(t, p.baseline.target.MetricsURL, "which are the server's")

	p = planned(t, map[string]string{"HOST": "server", "SERVER_PID": "shared", "BASELINE": "nginx:1.28", "BASELINE_HOST": "baseline", "BASELINE_PORT": "80"})
	assert.Nil(t, p.baseline.target.Command)
	assert.True(t, p.baseline.target.Shared)
	assert.Equal(t, "baseline:80", p.baseline.target.Address)
}

func TestHowOftenAlignedIterationsBegin(t *testing.T) {
	assert.Zero(t, planned(t, nil).align)
	assert.Equal(t, 5*time.Second, planned(t, map[string]string{"ALIGN": "true", "METRICS_URL": "http://127.0.0.1:9101/metrics"}).align)
}

func TestHowLongALoadToolMayRun(t *testing.T) {
	for command, want := range map[string]time.Duration{
		"wrk -d {duration} {url}": 2*15*time.Second + 2*time.Minute, "ab -t {seconds} {url}": 2*15*time.Second + 2*time.Minute, "./load.sh {url}": time.Hour,
	} {
		assert.Equal(t, want, planned(t, map[string]string{"LOAD_COMMAND": command, "DURATION": "10s", "TIMEOUT": "5s"}).tool.Limit, command)
	}
}
