package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

func cpuPanel() *timeseries.PanelBuilder {
	cpu := func(job string) string { return `rate(process_cpu_seconds_total{job="` + job + `"}[$__rate_interval])` }
	return newLines("CPU: loader and server", "suffix:cores", "CPU").
		Description("Processor cores used by each. The lab measures the server only as long as the loader is not at the limit of the machine: "+
			"the two lines together should stay below the number of cores.").
		WithTarget(overTime("server", "server", whileChosen("max("+cpu("server")+")"))).
		WithTarget(overTime("loader", "loader", ofChosen("max", cpu("loader")))).
		Min(0).
		OverrideByName("server", look(slate)).
		OverrideByName("loader", look(teal))
}

func loaderMemoryPanel() *timeseries.PanelBuilder {
	return newLines("Memory of the loader", units.Mebibytes, "memory").
		Description("The load generator's own memory, as it reports it. It should be level after the first iteration; "+
			"it is not part of what is measured.").
		WithTarget(overTime("rss", "resident", mebibytes(ofChosen("max", `process_resident_memory_bytes{job="loader"}`)))).
		WithTarget(overTime("heap", "Go heap in use", mebibytes(ofChosen("max", `go_memstats_heap_inuse_bytes{job="loader"}`)))).
		Min(0).
		OverrideByName("resident", look(teal)).
		OverrideByName("Go heap in use", look(brown))
}
