package environment

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"leaklab/loader/cgroup"
)

func TestOwnEnvironment(t *testing.T) {
	e := Read(os.Getpid())
	assert.Contains(t, e.Kernel, runtime.GOOS)
	assert.Positive(t, e.CPUs)
	assert.Greater(t, e.MemoryBytes, uint64(64<<20))
	if runtime.GOOS != "linux" {
		t.Skip("the server's program is read from /proc")
	}
	require.NotNil(t, e.Server.Go)
	assert.Equal(t, runtime.Version(), e.Server.Go.Version)

	unseen := Read(0)
	assert.Equal(t, Server{}, unseen.Server)
	assert.Equal(t, e.Kernel, unseen.Kernel)
}

func TestOnlySomeVariablesOfTheServerAreRead(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("they are read from /proc")
	}
	server := exec.Command("sleep", "1000")
	server.Env = []string{"GOGC=50", "GOMEMLIMIT=1GiB", "MALLOC_ARENA_MAX=2", "GODEBUG=", "PASSWORD=hunter2", "GOGCX=1", "AWS_MALLOC_=1", "GOMAXPROCS=3"}
	require.NoError(t, server.Start())
	defer func() { _ = server.Process.Kill(); _ = server.Wait() }()
	var read Environment
	require.Eventually(t, func() bool { // it has started before the kernel shows its environment
		read = Read(server.Process.Pid)
		return len(read.Server.Variables) != 0
	}, 5*time.Minute, 10*time.Millisecond)
	assert.Equal(t, map[string]string{"GOGC": "50", "GOMEMLIMIT": "1GiB", "MALLOC_ARENA_MAX": "2", "GODEBUG": "", "GOMAXPROCS": "3"}, read.Server.Variables)
	assert.Nil(t, read.Server.Go, "it is not written in Go")
}

func TestNoSuchProcess(t *testing.T) {
	assert.Equal(t, Server{}, Read(1<<22+1).Server)
}

func TestWantedVariables(t *testing.T) {
	assert.Empty(t, wantedVariables(""))
	assert.Equal(t, map[string]string{"GOGC": "a=b\n"}, wantedVariables("GOGC=a=b\n\x00NOTHING\x00\x00=x\x00"))
}

func TestBuildSettingsThatMayBePrivateAreLeftOut(t *testing.T) {
	build := describe(&buildinfo.BuildInfo{
		GoVersion: "go1.26.0", Path: "example.org/server", Main: debug.Module{Path: "example.org/server", Version: "v1.2.3"},
		Settings: []debug.BuildSetting{{Key: "-ldflags", Value: "-X main.key=secret"}, {Key: "-race", Value: "true"}, {Key: "-tags", Value: ""}},
	})
	assert.Equal(t, &GoBuild{Version: "go1.26.0", Package: "example.org/server", Module: "example.org/server v1.2.3",
		Settings: map[string]string{"-race": "true"}}, build)
}

func TestVersion(t *testing.T) {
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "3f2a"}
	for want, settings := range map[string][]debug.BuildSetting{
		Unknown:           nil,
		"3f2a":            {revision, {Key: "vcs.modified", Value: "false"}},
		"3f2a (modified)": {revision, {Key: "vcs.modified", Value: "true"}},
	} {
		assert.Equal(t, want, versionOf(&debug.BuildInfo{Settings: settings}, ""))
	}
	assert.Equal(t, "77ab (image)", versionOf(&debug.BuildInfo{}, "77ab"))
	assert.NotEmpty(t, Version())
}

func TestImageOf(t *testing.T) {
	sum := "sha256:" + strings.Repeat("0a", 32)
	for reference, digest := range map[string]string{
		"nginx": "", "example.org:5000/nginx:1.29": "", "nginx@" + sum: sum, "nginx:1.29@" + sum: sum, sum: sum,
		"nginx@sha256:0a": "", "nginx@" + sum + "0": "",
	} {
		assert.Equal(t, &Image{Reference: reference, Digest: digest}, ImageOf(reference))
	}
	assert.Nil(t, ImageOf(""))
}

func TestLimits(t *testing.T) {
	for name, test := range map[string]struct {
		groups string
		files  map[string]string
		want   Limits
	}{
		"none": {"0::/\n", map[string]string{"memory.max": "max\n", "cpu.max": "max 100000\n", "pids.max": "max\n"}, Limits{}},
		"version 2": {"0::/\n", map[string]string{"memory.max": "2147483648\n", "cpu.max": "150000 100000\n", "pids.max": "1024\n"},
			Limits{MemoryBytes: 2 << 30, CPUs: 1.5, Processes: 1024}},
		"the lowest of all above": {"0::/a/b\n", map[string]string{
			"a/memory.max": "1000\n", "a/b/memory.max": "2000\n", "a/pids.max": "9\n", "a/b/pids.max": "7\n", "a/b/cpu.max": "max 100000"},
			Limits{MemoryBytes: 1000, Processes: 7}},
		"version 1": {"4:memory:/x\n3:cpu,cpuacct:/x\n2:pids:/\n1:name=systemd:/\n", map[string]string{
			"memory/x/memory.limit_in_bytes": "4096\n", "memory/memory.limit_in_bytes": "9223372036854771712\n",
			"cpu,cpuacct/x/cpu.cfs_quota_us": "50000\n", "cpu,cpuacct/x/cpu.cfs_period_us": "100000\n",
			"cpu,cpuacct/cpu.cfs_quota_us": "-1\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n", "pids/pids.max": "10\n"},
			Limits{MemoryBytes: 4096, CPUs: 0.5, Processes: 10}},
		"malformed": {"0\n\n0::\n0::/../..\n", map[string]string{"memory.max": "-5", "cpu.max": "1", "pids.max": "x y"}, Limits{}},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			for path, content := range test.files {
				path = filepath.Join(folder, path)
				require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
				require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			}
			assert.Equal(t, test.want, limitsOf(cgroup.Parse(folder, test.groups)))
		})
	}
}
