package scrape

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
)

// selectorLimit is the length of a Selector's text, in bytes, at most.
const selectorLimit = 1000

// Selector chooses series by hand: those of a metric that have the given labels. The zero Selector chooses none.
type Selector struct {
	name   string
	labels []label
}

type label struct{ name, value string }

// UnmarshalText reads NAME or NAME{label="value",...}, as the Prometheus text format has it. It fails for any other text.
func (s *Selector) UnmarshalText(text []byte) error {
	wrong := errors.New(`expected a metric, with labels as in container_memory_rss{name="web"} if it has several series`)
	if len(text) > selectorLimit || bytes.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return wrong
	}
	metrics, err := Parse(strings.NewReader(string(text) + " 1\n"))
	if err != nil || len(metrics) != 1 {
		return wrong
	}
	for metric, family := range metrics {
		series := family.GetMetric()
		if len(series) != 1 || series[0].TimestampMs != nil || !model.LegacyValidation.IsValidMetricName(metric.name) {
			return wrong
		}
		*s = Selector{name: metric.name}
		for _, pair := range series[0].GetLabel() {
			s.labels = append(s.labels, label{pair.GetName(), pair.GetValue()})
		}
	}
	return nil
}

// IsZero is true for a Selector that chooses none.
func (s Selector) IsZero() bool { return s.name == "" }

// String is the text that UnmarshalText reads.
func (s Selector) String() string {
	if len(s.labels) == 0 {
		return s.name
	}
	var labels []string
	for _, l := range s.labels {
		name := l.name
		if !model.LegacyValidation.IsValidLabelName(name) {
			name = strconv.Quote(name)
		}
		labels = append(labels, fmt.Sprintf("%s=%q", name, l.value))
	}
	return s.name + "{" + strings.Join(labels, ",") + "}"
}

// with is the Selector with one more label.
func (s Selector) with(name, value string) Selector {
	return Selector{name: s.name, labels: append(slices.Clone(s.labels), label{name, value})}
}

// matches is true for a series with the labels.
func (s Selector) matches(series *dto.Metric) bool {
	return !slices.ContainsFunc(s.labels, func(l label) bool { return labelOf(series, l.name) != l.value })
}

// series returns the series that a Selector chooses.
func (m Metrics) series(s Selector) []*dto.Metric {
	var chosen []*dto.Metric
	for _, series := range m[Metric{s.name}].GetMetric() {
		if s.matches(series) {
			chosen = append(chosen, series)
		}
	}
	return chosen
}

// Has is true if the page has series that a Selector chooses.
func (m Metrics) Has(chosen Selector) bool { return len(m.series(chosen)) > 0 }

// Alternatives lists the series of the metric of a Selector that matches none of them, as Selectors; empty if there is no
// such metric.
func (m Metrics) Alternatives(chosen Selector) string {
	var all []string
	for _, series := range m.counts(Selector{name: chosen.name}) {
		s := Selector{name: chosen.name}
		for _, pair := range series.GetLabel() {
			s = s.with(pair.GetName(), pair.GetValue())
		}
		all = append(all, s.String())
	}
	if all == nil {
		return ""
	}
	return "it has " + list(all)
}

// Similar lists the metrics at url whose names have one of the words in them. It fails when Fetch does.
func Similar(ctx context.Context, url string, words []string) (string, error) {
	const most, length = 1000, 200 // names, and bytes of one
	found := make(map[string]bool)
	_, err := fetch(ctx, url, func(name string) bool {
		like := func(word string) bool { return strings.Contains(name, word) }
		if len(found) < most && len(name) <= length && slices.ContainsFunc(words, like) {
			found[name] = true
		}
		return false
	})
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "it has none like it", nil
	}
	return "it has " + list(slices.Collect(maps.Keys(found))), nil
}

// What a list in an error has, at most.
const (
	listed      = 10  // entries
	entryLength = 200 // bytes of an entry
)

// list is a list of texts that a server has sent, for an error.
func list(all []string) string {
	slices.Sort(all)
	all = slices.Compact(all)
	more := ""
	if len(all) > listed {
		more = fmt.Sprintf(" and %d more", len(all)-listed)
		all = all[:listed]
	}
	for i, entry := range all {
		if len(entry) > entryLength {
			all[i] = strings.ToValidUTF8(entry[:entryLength], "") + "..."
		}
	}
	return strings.Join(all, ", ") + more
}

// labelOf returns the value of a label of a series; "" if it has none of that name.
func labelOf(series *dto.Metric, name string) string {
	for _, pair := range series.GetLabel() {
		if pair.GetName() == name {
			return pair.GetValue()
		}
	}
	return ""
}
