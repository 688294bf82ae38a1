// Package scrape reads metrics that a server shows in the Prometheus text format.
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
	headerLimit = 64 << 10 // bytes of an answer's header
)

// client is Go's default one, except that it takes less header, of which that takes 10 MiB, and does not ask for packed
// answers, which that unpacks to any size.
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

// Metrics are the metric families of an endpoint by name.
type Metrics map[string]*dto.MetricFamily

// Fetch reads those metrics at url that are asked for anywhere (see asked). It fails when there is no answer with
// status 200 in the text format within 2 s, or no end of it.
func Fetch(ctx context.Context, url string) (Metrics, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body, err := Get(ctx, url, http.Header{
		"Accept":          {string(expfmt.NewFormat(expfmt.TypeTextPlain))},
		"Accept-Encoding": {"identity"}, // compressing would take half a megabyte of the server's memory
	})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	text, err := filter(body)
	if err != nil {
		return nil, public(url, err)
	}
	metrics, err := Parse(bytes.NewReader(text))
	if err != nil {
		return nil, public(url, err)
	}
	return metrics, nil
}

// Get asks for url and returns the body of the answer, as it was sent and of any length, to be closed. It fails when
// the status is not 200.
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

// Parse reads metrics from text.
func Parse(text io.Reader) (Metrics, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(text)
}

// Value returns the value of the first series of the gauge, counter or untyped metric name, and whether there
// is one.
func (m Metrics) Value(name string) (float64, bool) {
	series := m[name].GetMetric()
	if len(series) == 0 {
		return 0, false
	}
	switch {
	case series[0].Gauge != nil:
		return series[0].Gauge.GetValue(), true
	case series[0].Counter != nil:
		return series[0].Counter.GetValue(), true
	case series[0].Untyped != nil:
		return series[0].Untyped.GetValue(), true
	default:
		return 0, false
	}
}

// Label returns the value of a label of the first series of the metric name; "" if there is none.
func (m Metrics) Label(name, label string) string {
	series := m[name].GetMetric()
	if len(series) == 0 {
		return ""
	}
	for _, pair := range series[0].GetLabel() {
		if pair.GetName() == label {
			return pair.GetValue()
		}
	}
	return ""
}
