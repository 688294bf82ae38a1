package run

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/config"
)

// A server inherits what the user has exported, and is told where to listen. The settings of a file or a flag are not its.
func TestWhatAServerInherits(t *testing.T) {
	cfg, err := config.Parse(map[string]string{
		"HOST": "localhost", "PORT": "4040", "WORKERS": "7", "TIMEOUT": "1s", "RATE": "5", "PROTOCOL": "h2c", "LEAK": "none", "LEAK_BYTES": "8",
		"METRICS_PORT": "9999", "METRICS_URL": "http://localhost:9555/metrics", "BASELINE": "/old/.build/server", "BASELINE_PORT": "4050",
	})
	require.NoError(t, err)
	exported := []string{"PATH=/bin", "WORKERS=3", "METRICS_PORT=9999", "PORT=80", "EMPTY="}
	inherited := []string{"PATH=/bin", "WORKERS=3", "PORT=80", "EMPTY="}
	p := planOf(cfg, []string{"./serve"}, exported)
	assert.Equal(t, append(inherited, "HOST=localhost", "PORT=4040"), p.server.target.Environment, "of two with the same name the last counts")
	assert.Equal(t, append(inherited, "HOST=localhost", "PORT=4050", "PROTOCOL=h2c", "LEAK=none", "LEAK_BYTES=8", "METRICS_PORT=0"),
		p.baseline.target.Environment, "it is the demo server")
	assert.Equal(t, []string{"PATH=/bin", "WORKERS=3", "METRICS_PORT=9999", "PORT=80", "EMPTY="}, exported)

	for _, command := range [][]string{{"/x/.build/server"}, {".build/server"}, {"env", "GOGC=50", "../.build/server"}} {
		p = planOf(cfg, command, nil)
		assert.Equal(t, []string{"HOST=localhost", "PORT=4040", "METRICS_PORT=9555", "PROTOCOL=h2c", "LEAK=none", "LEAK_BYTES=8"}, p.server.target.Environment)
	}
	for _, elsewhere := range []string{"", "http://localhost/metrics", "http://127.0.0.1:9555/metrics"} {
		cfg.MetricsURL = config.URL(elsewhere)
		assert.Equal(t, []string{"HOST=localhost", "PORT=4040", "PROTOCOL=h2c", "LEAK=none", "LEAK_BYTES=8"}, planOf(cfg, []string{".build/server"}, nil).server.target.Environment)
	}
}
