// Package scrape reads metrics of a server in the Prometheus text format: its memory, its requests, and what its runtime
// tells. It keeps only the metrics that it declares, and those that are chosen by hand.
package scrape

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const (
	timeout     = 2 * time.Second
	headerLimit = 64 << 10 // bytes of a response header
)

// client is Go's default client with two limits. It reads 64 KiB of header instead of 10 MiB. It does not ask for
// compressed responses, which the default client decompresses to any size.
var client = &http.Client{Transport: limited(http.DefaultTransport)}

func limited(transport http.RoundTripper) http.RoundTripper {
	standard, ok := transport.(*http.Transport)
	if !ok {
		return transport
	}
	clone := standard.Clone()
	clone.MaxResponseHeaderBytes = headerLimit
	clone.DisableCompression = true
	return clone
}

// Metrics are the metric families of an endpoint.
type Metrics map[Metric]*dto.MetricFamily

// Fetch reads the metrics at url, of those that are declared as a Metric or chosen. It fails unless a complete response
// with status 200 in the text format arrives within 2 s.
func Fetch(ctx context.Context, url string, chosen ...Selector) (Metrics, error) {
	return fetch(ctx, url, wanted(chosen...))
}

// fetch reads the metrics at url that are wanted.
func fetch(ctx context.Context, url string, wanted func(name string) bool) (Metrics, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body, err := Get(ctx, url, http.Header{
		"Accept":          {string(expfmt.NewFormat(expfmt.TypeTextPlain))},
		"Accept-Encoding": {"identity"}, // compression would take half a megabyte of the server's memory
	})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	text, err := filter(body, wanted)
	if err != nil {
		return nil, public(url, err)
	}
	metrics, err := Parse(bytes.NewReader(text))
	if err != nil {
		return nil, public(url, err)
	}
	return metrics, nil
}

// Get requests url and returns the body of the response, undecoded and of any length. The caller closes it. Get fails when
// the status is not 200. Errors do not contain what Public leaves out.
func Get(ctx context.Context, url string, header http.Header) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, public(url, err)
	}
	if header != nil {
		request.Header = header
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, public(url, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("%s answered %s", Public(url), response.Status), response.Body.Close())
	}
	return response.Body, nil
}

// Parse reads all metrics of text. It fails when text is not in the Prometheus text format.
func Parse(text io.Reader) (Metrics, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return nil, err
	}
	metrics := make(Metrics, len(families))
	for name, family := range families {
		metrics[Metric{name}] = family
	}
	return metrics, nil
}

// Value returns the value of the first series of a gauge, counter or untyped metric; false if there is none.
func (m Metrics) Value(metric Metric) (float64, bool) {
	series := m[metric].GetMetric()
	if len(series) == 0 {
		return 0, false
	}
	return valueOf(series[0])
}

// Sum returns the sum of the values of all series of a metric, such as those of several workers; false if there is none.
func (m Metrics) Sum(metric Metric) (sum float64, found bool) {
	for _, series := range m[metric].GetMetric() {
		if value, known := valueOf(series); known {
			sum, found = sum+value, true
		}
	}
	return sum, found
}

// valueOf returns the value of a series of a gauge, counter or untyped metric; false if it is of another type.
func valueOf(series *dto.Metric) (float64, bool) {
	switch {
	case series.Gauge != nil:
		return series.Gauge.GetValue(), true
	case series.Counter != nil:
		return series.Counter.GetValue(), true
	case series.Untyped != nil:
		return series.Untyped.GetValue(), true
	default:
		return 0, false
	}
}

// Label returns the value of a label of the first series of a metric; "" if there is none.
func (m Metrics) Label(metric Metric, name string) string {
	series := m[metric].GetMetric()
	if len(series) == 0 {
		return ""
	}
	return labelOf(series[0], name)
}
