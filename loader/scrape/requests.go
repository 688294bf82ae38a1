package scrape

import (
	"net/url"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// Counter is what counts the requests that a server has answered. It is not safe for concurrent use.
type Counter struct {
	Chosen Selector // by hand; the zero Selector: the first known counter is taken
	Page   string   // address of the page: requests for it are not counted, unless by Chosen

	taken string // the counter that was found: readings of another one could not be compared with its
}

// Requests returns the number of requests that the server reports as answered so far, and the counter that tells it. It
// sums up the series of that counter, but for those of outgoing calls and of requests for the page itself. False if the
// server shows none.
func (c *Counter) Requests(m Metrics) (total float64, name string, found bool) {
	if !c.Chosen.IsZero() {
		total, found = sum(m.counts(c.Chosen))
		return total, c.Chosen.String(), found
	}
	for _, counter := range requestCounters {
		for _, family := range []Metric{counter, {counter.name + "_count"}} {
			if c.taken != "" && c.taken != family.name || family == caddyRequests && len(valuesOf(m[family].GetMetric(), "handler")) > 1 {
				continue
			}
			incoming := slices.DeleteFunc(slices.Clone(m[family].GetMetric()), c.isOther)
			if total, found := sum(incoming); found {
				c.taken = family.name
				return total, family.name, true
			}
		}
	}
	return 0, "", false
}

// counts returns the series that a Selector chooses, which may name the count of a histogram or a summary, or leave _count
// out where the page declares no type.
func (m Metrics) counts(chosen Selector) []*dto.Metric {
	for _, name := range []string{chosen.name, chosen.name + "_count", strings.TrimSuffix(chosen.name, "_count")} {
		if all := m.series(Selector{name: name, labels: chosen.labels}); len(all) > 0 {
			return all
		}
	}
	return nil
}

// caddyRequests counts a request in each handler that it passes: the sum of several handlers is too high.
var caddyRequests = declare("caddy_http_requests_total")

// Labels that tell which way a call goes, and their values for calls that the server makes.
var (
	directions = []string{"direction", "kind", "side", "span_kind"}
	outgoing   = []string{"client", "egress", "out", "outbound", "outgoing", "span_kind_client"}
)

// Labels that name a listener, and listeners that proxies have for metrics and administration.
var (
	listeners = []string{"entrypoint", "envoy_http_conn_manager_prefix", "proxy"}
	internal  = []string{"admin", "metrics", "prometheus", "stats", "traefik"}
)

// isOther is true for a series of calls that the server makes, or of requests for its page of metrics.
func (c *Counter) isOther(series *dto.Metric) bool {
	page := ""
	if address, err := url.Parse(c.Page); err == nil {
		page = strings.TrimSuffix(address.Path, "/")
	}
	for _, pair := range series.GetLabel() {
		value := pair.GetValue()
		switch {
		case slices.Contains(directions, pair.GetName()) && slices.Contains(outgoing, strings.ToLower(value)):
			return true
		case slices.Contains(listeners, pair.GetName()) && slices.Contains(internal, strings.ToLower(value)):
			return true
		case page != "" && strings.TrimSuffix(strings.TrimPrefix(value, "GET "), "/") == page:
			return true
		}
	}
	return false
}

// sum adds up counters, or the counts of histograms and summaries.
func sum(series []*dto.Metric) (total float64, found bool) {
	for _, one := range series {
		switch {
		case one.Counter != nil:
			total += one.Counter.GetValue()
		case one.Histogram != nil:
			total += max(float64(one.Histogram.GetSampleCount()), one.Histogram.GetSampleCountFloat())
		case one.Summary != nil:
			total += float64(one.Summary.GetSampleCount())
		case one.Untyped != nil:
			total += one.Untyped.GetValue()
		default:
			continue
		}
		found = true
	}
	return total, found && total >= 0 && total < 1<<53
}
