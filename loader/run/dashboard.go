package run

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"leaklab/loader/chart"
	"leaklab/loader/exporter"
	"leaklab/loader/record"
	"leaklab/loader/text"
)

// How long a run that is over waits until its final metrics have been scraped: a run that was interrupted is to end soon.
const (
	finalScrapeLimit       = 10 * time.Second
	interruptedScrapeLimit = 2 * time.Second
)

// awaitFinalScrape waits until the dashboard can show how the run ended. ctx is the one that a signal ends; it is not the
// run's, which has ended with the server.
func (s *session) awaitFinalScrape(ctx context.Context) {
	waiting, stop := within(ctx, finalScrapeLimit, interruptedScrapeLimit)
	defer stop()
	s.endpoint.AwaitFinalScrape(waiting, finalScrapeLimit)
}

// within is a context that ends after limit, or afterSignal after ctx, which a signal ends, if that is earlier: whoever
// stops the loader kills what does not end soon.
func within(ctx context.Context, limit, afterSignal time.Duration) (context.Context, context.CancelFunc) {
	waiting, stop := context.WithTimeout(context.WithoutCancel(ctx), limit)
	context.AfterFunc(ctx, func() {
		select {
		case <-time.After(afterSignal):
			stop()
		case <-waiting.Done():
		}
	})
	return waiting, stop
}

// exportFit shows the line of the growth that is judged, the same as in the report.
func (s *session) exportFit() {
	run := s.record
	run.Verdict = record.NewVerdict(s.judge.Verdict(), s.plan.options.Tolerance)
	var line []exporter.Fitted
	for _, p := range chart.New(run, nil, nil).Fit {
		line = append(line, exporter.Fitted{
			Elapsed: p.X, Estimate: p.Middle * text.Mebibyte, Lower: p.Low * text.Mebibyte, Upper: p.High * text.Mebibyte,
		})
	}
	s.exporter.SetFit(line)
}

// beside is how much time the dashboard shows before and after a run.
const beside = 2 * time.Second

// dashboard is the address at which Grafana shows the run, at its own time: while it runs if end is zero. It is empty if
// there is no Grafana, or if the metrics have not been scraped, so that there is nothing to see.
func (s *session) dashboard(end time.Time) string {
	if s.plan.grafana == "" || !s.endpoint.Scraped() {
		return ""
	}
	milliseconds := func(t time.Time) string { return fmt.Sprint(t.UnixMilli()) }
	query := url.Values{"var-run": {filepath.Base(s.folder)}, "from": {milliseconds(s.started.Add(-beside))}}
	if end.IsZero() {
		query.Set("to", "now")
		query.Set("refresh", "5s")
	} else {
		query.Set("to", milliseconds(end.Add(beside)))
	}
	return s.plan.grafana + "/d/leaklab/leaklab?" + query.Encode()
}

// grafanaAddress is the address of Grafana for a browser on this machine, without what may be secret, and without a slash
// at the end: one that listens on all addresses is found on this machine.
func grafanaAddress(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsUnspecified() {
		u.Host = strings.TrimSuffix("localhost:"+u.Port(), ":")
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}).String()
}

// exportSites hands the sites that grow on to the metrics, when the run is over.
func (s *session) exportSites() {
	if s.record.Sites == nil {
		return
	}
	var sites []exporter.Site
	for _, site := range s.record.Sites.List {
		b := site.BytesPerRequest
		sites = append(sites, exporter.Site{Name: site.Name(), Growth: b.Estimate, Lower: b.Low, Upper: b.High})
	}
	s.exporter.SetSites(sites)
}
