package scrape

import dto "github.com/prometheus/client_model/go"

// Requests returns the number of requests that the server reports as answered so far, and the name of the counter. It
// sums up all series of the first known counter. False if the server shows none.
func (m Metrics) Requests() (total float64, name string, found bool) {
	for _, counter := range requestCounters {
		for _, family := range []Metric{counter, {counter.name + "_count"}} {
			if total, found := sum(m[family].GetMetric()); found {
				return total, family.name, true
			}
		}
	}
	return 0, "", false
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
