package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/barchart"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// atIteration is the last value that the newest chosen run has for each iteration.
func atIteration(series string) string { return ofNewest("max by (iteration) ", last(series)) }

func memoryPerIterationPanel() *barchart.PanelBuilder {
	return newBars("Memory per iteration", units.BytesIEC, "resident memory",
		bar{"start", "start", grey, atIteration("leaklab_iteration_rss_start_bytes")},
		bar{"end", "end", blue, atIteration("leaklab_iteration_rss_end_bytes")},
		bar{"peak", "peak", purple, atIteration("leaklab_iteration_rss_peak_bytes")}).
		Description("Resident memory before the load of each iteration, after it has settled, and the highest during it; " +
			"of the newest run that is chosen. Look at the ends: level after the first iterations is no leak, a staircase is one.").
		Min(0)
}

func leakedPerIterationPanel() *barchart.PanelBuilder {
	return newBars("Leaked per iteration", units.BytesIEC, "end minus start",
		bar{"leaked", "leaked", orange, atIteration("leaklab_iteration_rss_leaked_bytes")}).
		Description("What each iteration of the newest run that is chosen added to the resident memory " +
			"(end minus start; below zero: given back). Bars around zero after the first are noise; " +
			"bars that stay above zero are a leak.")
}

func residentMemoryPanel() *timeseries.PanelBuilder {
	const itself = "total, by the server's own account"
	return newLines("Resident memory over time, by kind", units.BytesIEC, "resident memory").
		Description("The server's memory seen from outside, once a second; each vertical line is the beginning of an iteration's load. "+
			"Steps that never come down between the lines are what the run is looking for; "+
			"growth in anonymous memory is the program's own.").
		WithTarget(overTime("kinds", "{{kind}}", ofChosen("max by (kind) ", "leaklab_server_resident_memory_bytes"))).
		WithTarget(overTime("itself", itself, whileChosen(`max(process_resident_memory_bytes{job="server"})`))).
		NoValue("no reading of the server's memory in this time range").
		Min(0).
		OverrideByName("total", look(blue, lineWidth(2), fillOpacity(10))).
		OverrideByName("anonymous", look(green)).
		OverrideByName("file", look(yellow)).
		OverrideByName("shared", look(purple)).
		OverrideByName(itself, look(grey, lineWidth(1), dashed()))
}

func goHeapPanel() *timeseries.PanelBuilder {
	return newLines("Go heap of the server", units.BytesIEC, "memory").
		Description("The server's heap as the Go runtime accounts for it; in use, idle and stacks together are about its resident memory. "+
			"If 'in use' climbs, the program keeps objects; if only 'idle' does, the runtime is holding memory back.").
		WithTarget(overTime("inuse", "in use", whileChosen(`max(go_memstats_heap_inuse_bytes{job="server"})`))).
		WithTarget(overTime("idle", "idle, not released", whileChosen(
			`max(go_memstats_heap_idle_bytes{job="server"} - go_memstats_heap_released_bytes{job="server"})`))).
		WithTarget(overTime("released", "released to the system", whileChosen(`max(go_memstats_heap_released_bytes{job="server"})`))).
		WithTarget(overTime("stacks", "stacks", whileChosen(`max(go_memstats_stack_inuse_bytes{job="server"})`))).
		NoValue(noGoMetrics).
		Min(0).
		OverrideByName("in use", look(green)).
		OverrideByName("idle, not released", look(yellow)).
		OverrideByName("released to the system", look(grey, dashed())).
		OverrideByName("stacks", look(purple))
}

func goroutinesPanel() *timeseries.PanelBuilder {
	return newLines("Goroutines of the server", units.Short, "goroutines").
		Description("Goroutines alive in the server. The number should fall back to the same few after each iteration; "+
			"one that climbs from iteration to iteration is a goroutine leak.").
		WithTarget(overTime("goroutines", "goroutines", whileChosen(`max(go_goroutines{job="server"})`))).
		NoValue(noGoMetrics).
		Min(0).
		OverrideByName("goroutines", look(blue))
}

func besideResidentMemoryPanel() *barchart.PanelBuilder {
	return newBars("Beside resident memory, per iteration", units.BytesIEC, "memory",
		bar{"live", "live heap", sage, atIteration("leaklab_iteration_server_live_heap_bytes")},
		bar{"file", "page cache", gold, atIteration(`leaklab_iteration_server_cgroup_bytes{kind="file"}`)},
		bar{"socket", "socket buffers", sapphire, atIteration(`leaklab_iteration_server_cgroup_bytes{kind="socket"}`)}).
		Description("What was read at the end of each iteration beside resident memory: the live heap of a Go server that shows it, " +
			"and the page cache and socket buffers of its control group, such as a container's. " +
			"A page cache that grows is files that are written, no leak of the heap; " +
			"the live heap grows only with what the program really keeps.").
		NoValue(notKnown).
		Min(0)
}

func openFilesPanel() *barchart.PanelBuilder {
	return newBars("Open files per iteration", units.Short, "open files",
		bar{"open files", "open files", lilac, atIteration("leaklab_iteration_server_open_files")}).
		Description("Files, sockets and other descriptors that the server's process tree had open at the end of each iteration, " +
			"when there is no load but the connections stay. Bars that grow are connections or files that are never closed.").
		NoValue(notKnown).
		Min(0)
}

func threadsPanel() *barchart.PanelBuilder {
	return newBars("Threads per iteration", units.Short, "threads",
		bar{"threads", "threads", amber, atIteration("leaklab_iteration_server_threads")}).
		Description("Threads of the server's process tree at the end of each iteration. " +
			"Bars that grow are threads that never end; each of them has a stack.").
		NoValue(notKnown).
		Min(0)
}
