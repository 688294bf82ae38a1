package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"leaklab/loader/config"
	"leaklab/loader/lab"
	"leaklab/loader/profile"
	"leaklab/loader/scrape"
)

// sitesNamed is how many call sites are named, of each kind of profile.
const sitesNamed = 3

// profiler is an observer that takes the server's profiles after its warm-up, and once more in the end.
type profiler struct {
	ctx      context.Context
	url      string // of /debug/pprof/; empty if the server has none
	folder   string
	before   profile.Snapshot
	err      error  // from saving it
	requests uint64 // since then
}

// newProfiler returns one for PPROF_URL, or for the demo server, which shows its profiles beside its metrics. shown is
// what the server shows at METRICS_URL.
func newProfiler(ctx context.Context, cfg config.Config, shown scrape.Metrics, folder string) *profiler {
	p := &profiler{ctx: ctx, url: string(cfg.PprofURL), folder: folder}
	base, found := strings.CutSuffix(string(cfg.MetricsURL), "/metrics")
	if p.url == "" && found && shown.Label("leaklab_demo_info", "leak") != "" {
		p.url = base + "/debug/pprof/"
	}
	return p
}

func (p *profiler) LoadBegins(int, time.Time) {}

// LoadEnded takes the first profiles after the load of the first iteration, and before its end reading, so that what
// they cost the server counts as warm-up. A server that has none is not asked again.
func (p *profiler) LoadEnded() {
	if p.url == "" || p.before != nil || p.ctx.Err() != nil {
		return
	}
	snapshot, err := profile.Fetch(p.ctx, p.url)
	if err != nil {
		fmt.Fprintf(os.Stderr, "loader: no profiles: %v\n", err)
		p.url = ""
		return
	}
	p.before, p.err = snapshot, snapshot.Save(p.folder, "warm")
}

// IterationEnded counts the requests since the first profiles.
func (p *profiler) IterationEnded(i lab.Iteration) error {
	if i.Number > 1 {
		p.requests += i.Requests
	}
	return p.err
}

// finish takes the last profiles, and says in a line each which call sites have grown since the first.
func (p *profiler) finish() ([]string, error) {
	if p.before == nil || p.requests == 0 || p.ctx.Err() != nil {
		return nil, nil
	}
	after, err := profile.Fetch(p.ctx, p.url)
	if err != nil {
		fmt.Fprintf(os.Stderr, "loader: no profiles in the end: %v\n", err)
		return nil, nil
	}
	if err := after.Save(p.folder, "end"); err != nil {
		return nil, err
	}
	var lines []string
	for _, kind := range profile.Kinds() {
		sites, err := profile.Growth(p.before, after, kind, sitesNamed)
		if err != nil {
			return nil, err
		}
		for _, site := range sites {
			lines = append(lines, p.describe(kind, site))
		}
	}
	return lines, nil
}

// describe names a call site, and by how much it grew.
func (p *profiler) describe(kind profile.Kind, site profile.Site) string {
	perRequest := float64(site.Growth) / float64(p.requests)
	where := site.String()
	if caller := site.Caller.String(); caller != "" {
		where += ", called by " + caller
	}
	if kind == profile.Heap {
		return fmt.Sprintf("Live heap gained %.1f MiB, %.1f bytes/request, at %s.", float64(site.Growth)/(1<<20), perRequest, where)
	}
	return fmt.Sprintf("Goroutines gained %d, %.1f per 1,000 requests, at %s.", site.Growth, 1000*perRequest, where)
}
