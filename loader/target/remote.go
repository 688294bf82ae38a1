package target

import (
	"leaklab/loader/memory"
	"leaklab/loader/scrape"
)

// remote measures a server whose process cannot be seen, by what it says of itself at plan.MetricsURL.
func remote(plan Plan) *Target {
	return &Target{
		Description: "no process of it can be seen from here",
		read:        memory.FromEndpoint(plan.MetricsURL),
		Source:      "process_resident_memory_bytes of " + scrape.Public(plan.MetricsURL),
	}
}
