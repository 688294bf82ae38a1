package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/barchart"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/trend"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

// atIteration is the last value that the newest chosen run has for each iteration.
func atIteration(series string) string { return ofNewest("max by (iteration) ", last(series)) }

func livePerIterationPanel() *barchart.PanelBuilder {
	return newBars("Live memory per iteration", units.Mebibytes, "live memory",
		bar{"live memory", mebibytes(atIteration("leaklab_iteration_live_bytes")), look(purple)}).
		Description("What the programs of the server still hold after a full collection at the end of each iteration, as their runtimes tell it. " +
			"Of the newest run that is chosen; empty if its live memory was not read. " +
			"Level bars after the first iterations are no leak, whatever resident memory does; a staircase is one.").
		Min(0)
}

func memoryPerIterationPanel() *barchart.PanelBuilder {
	mark := look(blue, fillOpacity(0), lineWidth(2)) // an outline, up to the peak
	return newBars("Memory per iteration", units.Mebibytes, "memory",
		bar{"start", mebibytes(atIteration("leaklab_iteration_rss_start_bytes")), look(grey)},
		bar{"end", mebibytes(atIteration("leaklab_iteration_rss_end_bytes")), look(blue)},
		bar{"peak", mebibytes(atIteration("leaklab_iteration_rss_peak_bytes")), mark},
		bar{"live heap", mebibytes(atIteration("leaklab_iteration_server_live_heap_bytes")), look(purple)}).
		Description("Resident memory before the load of each iteration, after it has settled, and the highest until then, as an outline; " +
			"beside it the live heap, if the server shows it. Of the newest run that is chosen. " +
			"Look at the ends: level after the first iterations is no leak, a staircase is one.").
		Min(0)
}

func leakedPerIterationPanel() *barchart.PanelBuilder {
	panel := newBarChart("Leaked per iteration", units.Mebibytes, "end minus start").
		Description("What each iteration of the newest run that is chosen added to the resident memory " +
			"(end minus start; below zero: given back), in the colour of the verdict so far. " +
			"Bars around zero after the first are noise; bars that stay above zero are a leak.").
		WithTarget(rows("leaked", unpadded(mebibytes(ofNewest("max by (iteration, series) ",
			`label_replace(`+last("leaklab_iteration_rss_leaked_bytes")+" * on (run) group_left (state) "+stateLabel+
				`, "series", "$1", "state", "(.*)")`))))).
		ColorScheme(fixed(grey)).
		Legend(legend(true))
	for _, state := range states {
		panel.OverrideByName(state, look(stateColors[state]))
	}
	return withMatrix(panel, iteration)
}

// elapsed is the label, and so the field of Grafana, with the seconds since a run began.
const elapsed = "elapsed"

func memoryOverTheRunPanel() *trend.PanelBuilder {
	fit := func(bound string) string {
		line := last(`leaklab_run_fitted_memory_bytes{bound="` + bound + `"}`)
		return mebibytes(ofNewest("max by (elapsed) ", "("+line+" == "+line+")"))
	}
	panel := newTrend("Memory over the run", units.Mebibytes, "resident memory").
		Description("Resident memory of each chosen run from its beginning on, with the shape of its load and its verdict. "+
			"Of the newest of them, the load is shaded, and the growth of what it holds is drawn as a line with its 95% interval. "+
			"Runs of one server should lie on each other; a fix shows as a curve that stays level where the one before climbs.").
		WithTarget(rows("memory", mebibytes(ofChosenEntries(elapsed, last("leaklab_run_resident_memory_bytes")))+
			"\nor "+named("fitted growth", fit("estimate"))+
			"\nor "+named("at least", fit("lower"))+
			"\nor "+named("at most", fit("upper"))+
			"\nor "+named("load", ofNewest("max by (elapsed) ", last("leaklab_run_load_active"))))).
		NoValue(noneOfRun).
		ColorScheme(shades(blue)).
		Min(0).
		XField(elapsed).
		OverrideByName(elapsed, properties(inUnit(units.NoUnit), property("custom.axisLabel", "seconds since the run began"))).
		OverrideByName("fitted growth", look(ink, lineWidth(1))).
		OverrideByName("at most", look(grey, lineWidth(1), property("custom.fillBelowTo", "at least"), fillOpacity(15))).
		OverrideByName("at least", look(grey, lineWidth(1))).
		OverrideByName("load", look(grey, lineWidth(0), fillOpacity(12), inUnit(units.Short), property("min", 0), property("max", 1),
			property("custom.lineInterpolation", common.LineInterpolationStepAfter), property("custom.axisPlacement", common.AxisPlacementHidden)))
	return withMatrix(panel, elapsed, "load").WithTransformation(number(corner(elapsed)))
}

func residentMemoryPanel() *timeseries.PanelBuilder {
	const itself = "total, by the server's own account"
	return newLines("Resident memory over time, by kind", units.Mebibytes, "resident memory").
		Description("The server's memory seen from outside, once a second. "+
			"Iterations, at the top of the page, marks where the load of each begins. "+
			"Growth in anonymous memory is the program's own.").
		WithTarget(overTime("kinds", "{{kind}}", mebibytes(ofChosen("max by (kind) ", "leaklab_server_resident_memory_bytes")))).
		WithTarget(overTime("itself", itself, whileChosen(mebibytes(`max(process_resident_memory_bytes{job="server"})`)))).
		Min(0).
		OverrideByName("total", look(blue, lineWidth(2), fillOpacity(10))).
		OverrideByName("anonymous", look(teal)).
		OverrideByName("file", look(brown)).
		OverrideByName("shared", look(pink)).
		OverrideByName(itself, look(grey, lineWidth(1), dashed()))
}

func goHeapPanel() *timeseries.PanelBuilder {
	of := func(values string) string { return whileChosen(mebibytes("max(" + values + ")")) }
	return newLines("Go heap of the server", units.Mebibytes, "memory").
		Description("The server's heap as the Go runtime accounts for it; in use, idle and stacks together are about its resident memory. "+
			"If 'in use' climbs, the program keeps objects; if only 'idle' does, the runtime is holding memory back.").
		WithTarget(overTime("inuse", "in use", of(`go_memstats_heap_inuse_bytes{job="server"}`))).
		WithTarget(overTime("idle", "idle, not released", of(`go_memstats_heap_idle_bytes{job="server"} - go_memstats_heap_released_bytes{job="server"}`))).
		WithTarget(overTime("released", "released to the system", of(`go_memstats_heap_released_bytes{job="server"}`))).
		WithTarget(overTime("stacks", "stacks", of(`go_memstats_stack_inuse_bytes{job="server"}`))).
		Min(0).
		OverrideByName("in use", look(teal)).
		OverrideByName("idle, not released", look(brown)).
		OverrideByName("released to the system", look(grey, dashed())).
		OverrideByName("stacks", look(pink))
}

func goroutinesPanel() *timeseries.PanelBuilder {
	return newLines("Goroutines of the server", units.Short, "goroutines").
		Description("Goroutines alive in the server. The number should fall back to the same few after each iteration; "+
			"one that climbs from iteration to iteration is a goroutine leak.").
		WithTarget(overTime("goroutines", "goroutines", whileChosen(`max(go_goroutines{job="server"})`))).
		Min(0).
		Decimals(0).
		OverrideByName("goroutines", look(slate))
}

func besideResidentMemoryPanel() *barchart.PanelBuilder {
	return newBars("Beside resident memory, per iteration", units.Mebibytes, "memory",
		bar{"live heap", mebibytes(atIteration("leaklab_iteration_server_live_heap_bytes")), look(purple)},
		bar{"committed heap", mebibytes(atIteration("leaklab_iteration_heap_committed_bytes")), look(teal)},
		bar{"page cache", mebibytes(atIteration(`leaklab_iteration_server_cgroup_bytes{kind="file"}`)), look(brown)},
		bar{"socket buffers", mebibytes(atIteration(`leaklab_iteration_server_cgroup_bytes{kind="socket"}`)), look(slate)},
		bar{"tmpfs and shared memory of the group", mebibytes(atIteration(`leaklab_iteration_server_cgroup_bytes{kind="shared"}`)), look(pink)},
		bar{"unmapped memory files", mebibytes(atIteration(`leaklab_iteration_server_beside_rss_bytes{kind="unmapped"}`)), look(sand)},
		bar{"pages of hugetlbfs", mebibytes(atIteration(`leaklab_iteration_server_beside_rss_bytes{kind="hugetlb"}`)), look(mauve)},
		bar{"swapped out", mebibytes(atIteration(`leaklab_iteration_server_beside_rss_bytes{kind="swapped"}`)), look(grey)}).
		Description("What was read at the end of each iteration beside resident memory: the live heap of a Go server that shows it, " +
			"what the runtimes have committed for their heaps if live memory was read, " +
			"and the page cache, the socket buffers and the tmpfs of its control group, such as a container's. " +
			"A page cache that grows is files that are written, no leak of the heap. " +
			"Unmapped memory files (memfd, tmpfs) are held until they are deleted: the kernel cannot take them back. " +
			"Pages of hugetlbfs and what is swapped out are held too; " +
			"the live heap grows only with what the program really keeps.").
		Min(0)
}

func memoryByPartPanel() *barchart.PanelBuilder {
	live, outside := atIteration("leaklab_iteration_live_bytes"), atIteration("leaklab_iteration_outside_bytes")
	rest := "clamp_min(" + atIteration("leaklab_iteration_rss_end_bytes") + "\n- " + live + "\n- " + outside + ", 0)"
	return newBars("Memory by part, per iteration", units.Mebibytes, "memory",
		bar{"live memory", mebibytes(live), look(purple)},
		bar{"slack and files", mebibytes(rest), look(grey)},
		bar{"outside the heap", mebibytes(outside), look(brown)}).
		Description("What the resident memory at the end of each iteration consists of: live memory, which is held after a full collection; " +
			"memory outside the heap, such as stacks and buffers; and the rest, which is garbage, room that the runtime keeps, and pages of files. " +
			"Growth of the rest alone is no leak.").
		Stacking(common.StackingModeNormal).
		Min(0)
}

func stoppedPanel() *barchart.PanelBuilder {
	return newBars("Stopped for live memory, per iteration", units.Seconds, "stopped",
		bar{"stopped", atIteration("leaklab_iteration_stopped_seconds"), look(slate)}).
		Description("How long the server stood still, at most, for the full collection that tells live memory, after each iteration. " +
			"It is no part of the load: the rate is that of the time before.").
		Min(0)
}

func openFilesPanel() *barchart.PanelBuilder {
	return newBars("Open files per iteration", units.Short, "open files",
		bar{"open files", atIteration("leaklab_iteration_server_open_files"), look(slate)}).
		Description("Files, sockets and other descriptors that the server's process tree had open at the end of each iteration, " +
			"when there is no load but the connections stay. Bars that grow are connections or files that are never closed.").
		Min(0).
		Decimals(0)
}

func threadsPanel() *barchart.PanelBuilder {
	return newBars("Threads per iteration", units.Short, "threads",
		bar{"threads", atIteration("leaklab_iteration_server_threads"), look(slate)}).
		Description("Threads of the server's process tree at the end of each iteration. " +
			"Bars that grow are threads that never end; each of them has a stack.").
		Min(0).
		Decimals(0)
}
