package memory

import (
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
	residentMetric   = "process_resident_memory_bytes"
	endpointTimeout  = 2 * time.Second
	endpointMaxBytes = 16 << 20
)

// FromEndpoint returns a Reader that asks a Prometheus endpoint of the server for
// process_resident_memory_bytes. The server works to answer, so this disturbs it more than OfTree.
func FromEndpoint(url string) Reader {
	client := &http.Client{Timeout: endpointTimeout}
	return func(ctx context.Context) (Reading, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return Reading{}, err
		}
		request.Header.Set("Accept", string(expfmt.NewFormat(expfmt.TypeTextPlain)))
		response, err := client.Do(request)
		if err != nil {
			return Reading{}, err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return Reading{}, fmt.Errorf("%s answered %s", url, response.Status)
		}
		total, err := parseResident(io.LimitReader(response.Body, endpointMaxBytes))
		if err != nil {
			return Reading{}, fmt.Errorf("%s: %w", url, err)
		}
		return Reading{Total: total}, nil
	}
}

// parseResident returns the value of process_resident_memory_bytes, in bytes, from the Prometheus text format.
func parseResident(text io.Reader) (int64, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return 0, err
	}
	family := families[residentMetric]
	if len(family.GetMetric()) == 0 {
		return 0, errors.New("there is no " + residentMetric)
	}
	value := valueOf(family.GetMetric()[0])
	if !(value > 0 && value < 1<<62) {
		return 0, fmt.Errorf("%s is %v; expected a number of bytes", residentMetric, value)
	}
	return int64(value), nil
}

func valueOf(metric *dto.Metric) float64 {
	if metric.Gauge != nil {
		return metric.Gauge.GetValue()
	}
	return metric.Untyped.GetValue()
}
