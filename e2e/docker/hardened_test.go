package docker

import (
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/e2e/dashboard"
	"leaklab/e2e/internal/lab"
)

func (l *composeLab) assertHardened() {
	l.t.Helper()
	services := strings.Fields(l.mustCompose(nil, "config", "--services"))
	assert.ElementsMatch(l.t, []string{"server", "loader", "processes", "prometheus", "grafana"}, services)
	for _, service := range services {
		c := l.inspect(service)
		assert.NotContains(l.t, []string{"", "0", "root"}, strings.Split(c.Config.User, ":")[0], "%s: user", service)
		assert.True(l.t, c.HostConfig.ReadonlyRootfs, "%s: read-only root", service)
		assert.False(l.t, c.HostConfig.Privileged, service)
		assert.Empty(l.t, c.HostConfig.CapAdd, service)
		assert.Equal(l.t, []string{"ALL"}, c.HostConfig.CapDrop, service)
		assert.Contains(l.t, c.HostConfig.SecurityOpt, "no-new-privileges:true", service)
		assert.Positive(l.t, c.HostConfig.Memory, "%s: memory limit", service)
		assert.Positive(l.t, c.HostConfig.PidsLimit, "%s: pids limit", service)
	}
	assert.Equal(l.t, "none", l.inspect("processes").HostConfig.NetworkMode)
}

// assertGrafanaIsOnlyLookedAt checks what Grafana is told. That it obeys is seen with the real one alone.
func (l *composeLab) assertGrafanaIsOnlyLookedAt() {
	l.t.Helper()
	told := l.inspect("grafana").Config.Env
	for _, setting := range []string{
		"GF_AUTH_ANONYMOUS_ENABLED=true", "GF_AUTH_ANONYMOUS_ORG_ROLE=Viewer", "GF_AUTH_BASIC_ENABLED=false", "GF_AUTH_DISABLE_LOGIN_FORM=true",
		"GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION=true", "GF_USERS_ALLOW_SIGN_UP=false", "GF_ANALYTICS_REPORTING_ENABLED=false",
		"GF_METRICS_ENABLED=false", "GF_PLUGINS_PUBLIC_KEY_RETRIEVAL_DISABLED=true", "GF_PLUGINS_PREINSTALL_DISABLED=true",
	} {
		assert.Contains(l.t, told, setting)
	}
	for _, setting := range told {
		assert.NotRegexp(l.t, "^GF_SECURITY_ADMIN_|_VIEWERS_CAN_EDIT=true|_EDITORS_CAN_ADMIN=true", setting)
	}
}

func (l *composeLab) assertOnlyTheDocumentedPortsArePublished() {
	l.t.Helper()
	for service, want := range map[string]map[string]string{
		"server": {"3030/tcp": l.server}, "loader": {}, "processes": {}, "prometheus": {"9090/tcp": l.prometheus}, "grafana": {"3000/tcp": l.grafana},
	} {
		published := map[string]string{}
		for port, bindings := range l.inspect(service).HostConfig.PortBindings {
			for _, binding := range bindings {
				published[port] = binding.HostIP + ":" + binding.HostPort
			}
		}
		assert.Equal(l.t, want, published, service)
	}
	addresses, err := net.InterfaceAddrs()
	require.NoError(l.t, err)
	for _, address := range addresses {
		if own, ok := address.(*net.IPNet); ok && !own.IP.IsLoopback() && own.IP.To4() != nil {
			for _, published := range []string{l.server, l.prometheus, l.grafana} {
				_, port, _ := net.SplitHostPort(published)
				conn, err := net.DialTimeout("tcp", net.JoinHostPort(own.IP.String(), port), time.Second)
				if assert.Error(l.t, err, "%s of %s is not HOST", port, own.IP) {
					continue
				}
				_ = conn.Close()
			}
		}
	}
	for address, path := range map[string]string{l.server: "/hello/warp", l.prometheus: "/-/ready", l.grafana: "/api/health"} {
		assert.Eventually(l.t, func() bool {
			resp, err := http.Get("http://" + address + path)
			if err != nil {
				return false
			}
			defer resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		}, time.Minute, 200*time.Millisecond, address+path)
	}
}

// assertGrafanaHasItsFiles checks that Grafana's user can read what it is provisioned with, where it looks for it.
func (l *composeLab) assertGrafanaHasItsFiles() {
	l.t.Helper()
	for inside, file := range map[string]string{
		"/etc/grafana/dashboards/leaklab.json":                 dashboard.File,
		"/etc/grafana/provisioning/dashboards/leaklab.yml":     lab.Root + "/grafana/provisioning/dashboards/leaklab.yml",
		"/etc/grafana/provisioning/datasources/prometheus.yml": lab.Root + "/grafana/provisioning/datasources/prometheus.yml",
		"/etc/grafana/provisioning/alerting/leak.yml":          lab.Root + "/grafana/provisioning/alerting/leak.yml",
	} {
		want, err := os.ReadFile(file)
		require.NoError(l.t, err)
		assert.Equal(l.t, string(want), l.mustCompose(nil, "exec", "--no-TTY", "grafana", "cat", inside), inside)
	}
}
