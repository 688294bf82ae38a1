package run

import (
	"github.com/prometheus/procfs"

	"leaklab/loader/environment"
	"leaklab/loader/judge"
	"leaklab/loader/target"
	"leaklab/loader/verdict"
)

// limitsOf are how much a server may have of what is counted; those that are unknown are 0.
func limitsOf(t *target.Target, e environment.Environment) []judge.Limit {
	return []judge.Limit{
		{Part: verdict.OpenFiles, Most: int64(t.FilesLimit()), Of: "ulimit -n"},
		{Part: verdict.Threads, Most: e.Limits.Processes, Of: "its cgroup (pids.max)"},
		{Part: verdict.Mappings, Most: mappingsLimit(), Of: "vm.max_map_count"},
	}
}

// mappingsLimit is how many mappings a process may have; 0 if that is unknown.
func mappingsLimit() int64 {
	fs, err := procfs.NewFS(procfs.DefaultMountPoint)
	if err != nil {
		return 0
	}
	values, err := fs.SysctlInts("vm.max_map_count")
	if err != nil || len(values) != 1 {
		return 0
	}
	return int64(values[0])
}
