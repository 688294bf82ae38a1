package run

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"

	"leaklab/loader/environment"
	"leaklab/loader/judge"
	"leaklab/loader/target"
	"leaklab/loader/verdict"
)

func TestLimitsOfAServer(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("limits are read from /proc")
	}
	limits := limitsOf(&target.Target{}, environment.Environment{Limits: environment.Limits{Processes: 512}})
	assert.Contains(t, limits, judge.Limit{Part: verdict.OpenFiles, Of: "ulimit -n"}, "unknown without a process")
	assert.Contains(t, limits, judge.Limit{Part: verdict.Threads, Most: 512, Of: "its cgroup (pids.max)"})
	assert.Positive(t, mappingsLimit())
}
