package main

import (
	"context"
	"strings"
	"time"

	"leaklab/loader/config"
	"leaklab/loader/lab"
	"leaklab/loader/profile"
	"leaklab/loader/record"
	"leaklab/loader/scrape"
)

// sitesNamed is how many call sites are named, of each kind of profile.
const sitesNamed = 3

// profiler is an observer that takes the server's profiles after its warm-up, and once more in the end.
type profiler struct {
	ctx      context.Context
	url      string // of /debug/pprof/; empty if the server has none
	folder   string
	report   *reporting
	before   profile.Snapshot
	err      error           // from saving it
	requests uint64          // since then
	found    record.Profiles // in the report as soon as there are any
}

// newProfiler returns one for PPROF_URL, or for the demo server, which shows its profiles beside its metrics. shown is
// what the server shows at METRICS_URL.
func newProfiler(ctx context.Context, cfg config.Config, shown scrape.Metrics, folder string, documents *reporting) *profiler {
	p := &profiler{ctx: ctx, url: string(cfg.PprofURL), folder: folder, report: documents}
	base, found := strings.CutSuffix(string(cfg.MetricsURL), "/metrics")
	if p.url == "" && found && shown.Label(scrape.DemoInfo, "leak") != "" {
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
		complain("loader: no profiles:", err)
		p.url = ""
		return
	}
	p.before = snapshot
	p.found.Files, p.err = snapshot.Save(p.folder, "warm")
	p.report.run.Profiles = &p.found
}

// IterationEnded counts the requests since the first profiles.
func (p *profiler) IterationEnded(i lab.Iteration) error {
	if i.Number > 1 {
		p.requests += i.Requests
	}
	return p.err
}

// finish takes the last profiles, and tells which call sites have grown since the first.
func (p *profiler) finish() error {
	if p.before == nil || p.requests == 0 || p.ctx.Err() != nil {
		return nil
	}
	after, err := profile.Fetch(p.ctx, p.url)
	if err != nil {
		complain("loader: no profiles in the end:", err)
		return nil
	}
	names, err := after.Save(p.folder, "end")
	if err != nil {
		return err
	}
	p.found.Files, p.found.Requests = append(p.found.Files, names...), p.requests
	for _, kind := range profile.Kinds() {
		sites, err := profile.Growth(p.before, after, kind, sitesNamed)
		if err != nil {
			return err
		}
		for _, site := range sites {
			p.found.Sites = append(p.found.Sites, p.describe(kind, site))
		}
	}
	return nil
}

// describe says by how much a call site grew.
func (p *profiler) describe(kind profile.Kind, site profile.Site) record.CallSite {
	s := record.CallSite{Kind: string(kind), Place: place(site.Line)}
	if site.Caller.Function != "" {
		caller := place(site.Caller)
		s.CalledBy = &caller
	}
	perRequest := float64(site.Growth) / float64(p.requests)
	if kind == profile.Heap {
		s.Bytes, s.BytesPerRequest = site.Growth, perRequest
	} else {
		s.Goroutines, s.GoroutinesPerRequest = site.Growth, perRequest
	}
	return s
}

func place(line profile.Line) record.Place {
	return record.Place{Function: line.Function, File: line.File, Line: line.Number}
}
