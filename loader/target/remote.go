package target

import (
	"context"

	"github.com/shirou/gopsutil/v4/cpu"

	"leaklab/loader/memory"
	"leaklab/loader/scrape"
	"leaklab/loader/subject"
)

// remote measures a server by what plan.MetricsURL says of it: one whose process cannot be seen, or whose metric was chosen.
func remote(ctx context.Context, plan Plan) *Target {
	endpoint := endpointOf(plan)
	t := &Target{
		Description: "no process of it can be seen from here",
		Source:      "the metrics of " + scrape.Public(plan.MetricsURL),
		read:        endpoint.Read,
		endpoint:    endpoint,
	}
	if !plan.MetricsMemory.IsZero() {
		t.Description = "at " + plan.Address + ", where METRICS_MEMORY tells its memory"
	}
	if subject.IsLocal(ctx, plan.Host) {
		t.processors, _ = cpu.CountsWithContext(ctx, true) // 0 if it fails
	}
	return t
}

func endpointOf(plan Plan) *memory.Endpoint {
	return memory.NewEndpoint(plan.MetricsURL, plan.MetricsMemory, plan.MetricsRequests)
}

// CheckMetrics fails if a metric that was chosen is not at MetricsURL, and names its setting. The server has to run.
func (t *Target) CheckMetrics(ctx context.Context) error {
	if t.endpoint == nil {
		return nil
	}
	return t.endpoint.Check(ctx)
}

// FindMetrics finds the metric of resident memory at MetricsURL, and sets Source and Floor, if no process can be seen. It
// fails if there is none. The server has to run.
func (t *Target) FindMetrics(ctx context.Context) error {
	if t.endpoint == nil || t.PID != 0 {
		return nil
	}
	var err error
	t.Source, t.Floor, err = t.endpoint.Source(ctx, t.processors)
	return err
}
