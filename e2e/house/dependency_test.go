package house

import (
	"encoding/json"
	"os/exec"
	"testing"

	"leaklab/e2e/internal/lab"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whoever runs the lab trusts what it is built from: a module that is not here has to be worth it. Next to each is what
// it is for.
func TestDependenciesAreFew(t *testing.T) {
	const assertions, settings, metrics = "tests", "settings", "metrics"
	for module, want := range map[string]map[string]string{
		"server": {
			"github.com/caarlos0/env/v10":         settings,
			"github.com/coder/websocket":          "WebSocket",
			"github.com/prometheus/client_golang": metrics,
			"github.com/stretchr/testify":         assertions,
			"google.golang.org/grpc":              "gRPC",
			"google.golang.org/protobuf":          "gRPC",
		},
		"loader": {
			"github.com/HdrHistogram/hdrhistogram-go": "latencies",
			"github.com/caarlos0/env/v10":             settings,
			"github.com/coder/websocket":              "WebSocket, live memory of Node.js",
			"github.com/google/pprof":                 "profiles",
			"github.com/ianlancetaylor/demangle":      "names of C++ and Rust",
			"github.com/prometheus/client_golang":     metrics,
			"github.com/prometheus/client_model":      metrics,
			"github.com/prometheus/common":            "metrics of the server",
			"github.com/prometheus/procfs":            "memory, on Linux",
			"github.com/rogpeppe/go-internal":         "tests: the command line",
			"github.com/shirou/gopsutil/v4":           "processes, on any system",
			"github.com/spf13/cobra":                  "command line",
			"github.com/spf13/pflag":                  "command line",
			"github.com/stretchr/testify":             assertions,
			"github.com/yuin/goldmark":                "tests: report.md as GitHub shows it",
			"go.yaml.in/yaml/v3":                      "tests: the settings in the compose file",
			"golang.org/x/net":                        "HPACK, for HTTP/2",
			"golang.org/x/sys":                        "the kernel's news of processes and connections",
			"golang.org/x/term":                       "tells a terminal from a file",
			"gonum.org/v1/gonum":                      "statistics",
			"gonum.org/v1/plot":                       "memory.svg and memory.png",
			"google.golang.org/grpc":                  "tests: a server of gRPC",
			"google.golang.org/protobuf":              "messages of gRPC",
		},
		"grafana/dashboard": {
			"github.com/grafana/grafana-foundation-sdk/go": "panels of the dashboard",
			"github.com/stretchr/testify":                  assertions,
		},
		"e2e": {
			"github.com/chromedp/cdproto":  "tests: report.html in a browser",
			"github.com/chromedp/chromedp": "tests: report.html in a browser",
			"github.com/stretchr/testify":  assertions,
			"go.yaml.in/yaml/v3":           "tests: the alert rule",
		},
	} {
		output, err := exec.Command("go", "mod", "edit", "-json", lab.Checkout(t)+"/"+module+"/go.mod").Output()
		require.NoError(t, err)
		var file struct {
			Require []struct {
				Path     string
				Indirect bool
			}
			Replace []any
		}
		require.NoError(t, json.Unmarshal(output, &file))
		assert.Empty(t, file.Replace, "%s: what is named is what is built", module)
		for _, dependency := range file.Require {
			if !dependency.Indirect {
				assert.Contains(t, want, dependency.Path, module)
				delete(want, dependency.Path)
			}
		}
		assert.Empty(t, want, "%s: not needed any more", module)
	}
}
