package run

import (
	"context"
	"io"
	"slices"
	"strings"

	"leaklab/loader/lab"
	"leaklab/loader/profile"
	"leaklab/loader/record"
	"leaklab/loader/scrape"
)

// sitesNamed is how many call sites are named, of each kind of profile.
const sitesNamed = 3

// profiler takes the server's profiles after its warm-up, and once more in the end.
type profiler struct {
	url    string // of /debug/pprof/; empty if the server has none
	folder string
	notes  io.Writer

	before   profile.Snapshot
	err      error           // from saving it
	requests uint64          // since then
	found    record.Profiles // what is known so far
}

// pprofURL is PPROF_URL, or that of the demo server, which shows its profiles beside its metrics; empty if there is
// neither. shown is what the server shows at METRICS_URL.
func (m metricsPlan) pprofURL(shown scrape.Metrics) string {
	base, found := strings.CutSuffix(m.server, "/metrics")
	if m.pprof == "" && found && shown.Label(scrape.DemoInfo, "leak") != "" {
		return base + "/debug/pprof/"
	}
	return m.pprof
}

// afterLoad takes the first profiles after the load of the first iteration, and before its end reading, so that what they
// cost the server counts as warm-up. A server that has none is not asked again.
func (p *profiler) afterLoad(ctx context.Context) {
	if p.url == "" || p.before != nil || ctx.Err() != nil {
		return
	}
	snapshot, err := profile.Fetch(ctx, p.url)
	if err != nil {
		note(p.notes, "loader: no profiles:", err)
		p.url = ""
		return
	}
	p.before = snapshot
	p.found.Files, p.err = snapshot.Save(p.replace, "warm")
}

// replace writes a file of the run.
func (p *profiler) replace(name string, write func(io.Writer) error) error {
	return record.Replace(p.folder, name, write)
}

// add counts the requests since the first profiles.
func (p *profiler) add(i lab.Iteration) error {
	if i.Number > 1 {
		p.requests += i.Requests
	}
	return p.err
}

// profiles are what the report shows; nil if the server has shown none. The call sites of the heap are left out if sites of
// live memory are listed, which are read at each iteration.
func (p *profiler) profiles(sites *record.Sites) *record.Profiles {
	if p.before == nil {
		return nil
	}
	found := p.found
	if sites != nil && len(sites.List) > 0 {
		found.Sites = slices.DeleteFunc(slices.Clone(found.Sites), func(s record.CallSite) bool { return s.Kind == string(profile.Heap) })
	}
	return &found
}

// finish takes the last profiles, and tells which call sites have grown since the first.
func (p *profiler) finish(ctx context.Context) error {
	if p.before == nil || p.requests == 0 || ctx.Err() != nil {
		return nil
	}
	after, err := profile.Fetch(ctx, p.url)
	if err != nil {
		note(p.notes, "loader: no profiles in the end:", err)
		return nil
	}
	names, err := after.Save(p.replace, "end")
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

// describe tells by how much a call site grew.
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
