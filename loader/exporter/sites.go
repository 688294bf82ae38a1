package exporter

import (
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"leaklab/loader/text"
	"leaklab/loader/verdict"
)

// Site is a place that memory belongs to, with its growth in bytes per request: the estimate and its 95% interval.
type Site struct {
	Name                 string
	Growth, Lower, Upper float64
}

const (
	// mostSites is how many sites there are series of: with three bounds each, fewer than ten series.
	mostSites = 3
	// mostSiteName is how many characters a label has, with the ellipsis of a name that is longer.
	mostSiteName = 120
)

// SetSites shows the sites that surely grow, the largest first: at most mostSites of them. Names come from the server:
// they are made printable, short and of one line, and of several with one label the first is shown.
func (e *Exporter) SetSites(sites []Site) {
	var shown []Site
	for _, s := range sites {
		s.Name = text.Clip(text.Printable(strings.Join(strings.Fields(s.Name), " ")), mostSiteName-1)
		if !slices.ContainsFunc(shown, func(other Site) bool { return other.Name == s.Name }) {
			shown = append(shown, s)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sites = shown[:min(len(shown), mostSites)]
}

func collectSites(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
	for _, site := range s.sites {
		bounds(verdict.PartGrowth{Growth: site.Growth, Lower: site.Lower, Upper: site.Upper}, desc, out, site.Name)
	}
}
