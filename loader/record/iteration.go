package record

import (
	"time"

	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/verdict"
)

// Iteration is an iteration as all files have it. Its fields are the one list of columns: their tags are the header of
// iterations.csv, the names in run.json (json), the parts that the verdict reads (part) and the table in docs/report.md
// (unit, doc). A new column is a field here, and its value in NewIteration. New fields go to the end. What is not known
// is nil, or 0 with omitempty, and an empty cell.
type Iteration struct {
	Iteration            int       `json:"iteration" needed:"true" doc:"number, counted from 1"`
	StartedAt            time.Time `json:"started_at" unit:"UTC" doc:"start of the load"`
	DurationSeconds      float64   `json:"duration_seconds" unit:"s" doc:"from the start of the load to the last response"`
	Requests             uint64    `json:"requests" needed:"true" doc:"requests that the growth is divided by"`
	Errors               uint64    `json:"errors" doc:"requests that failed, and responses with a status of 400 or more"`
	RequestsPerSecond    float64   `json:"requests_per_second" unit:"1/s" digits:"3" doc:"rate of responses under load"`
	LatencyP50Seconds    float64   `json:"latency_p50_seconds" unit:"s" doc:"median latency"`
	LatencyP99Seconds    float64   `json:"latency_p99_seconds" unit:"s" doc:"99th percentile of the latency"`
	LatencyMaxSeconds    float64   `json:"latency_max_seconds" unit:"s" doc:"largest latency"`
	RSSStartBytes        int64     `json:"rss_start_bytes" unit:"bytes" needed:"true" doc:"resident memory before the load"`
	RSSEndBytes          int64     `json:"rss_end_bytes" unit:"bytes" needed:"true" doc:"resident memory after the load and settling"`
	RSSPeakBytes         int64     `json:"rss_peak_bytes" unit:"bytes" doc:"highest resident memory from the start reading to the end of the load"`
	AnonymousEndBytes    *uint64   `json:"anonymous_end_bytes,omitempty" unit:"bytes" part:"anonymous memory" doc:"heaps, stacks and private mappings at the end"`
	FileEndBytes         *uint64   `json:"file_end_bytes,omitempty" unit:"bytes" part:"mapped files" doc:"mapped files at the end, programs and libraries among them"`
	SharedEndBytes       *uint64   `json:"shared_end_bytes,omitempty" unit:"bytes" part:"shared memory" doc:"shared memory and tmpfs at the end"`
	LiveHeapEndBytes     *uint64   `json:"live_heap_end_bytes,omitempty" unit:"bytes" part:"live heap" doc:"heap in use by the last garbage collection"`
	CgroupFileEndBytes   *uint64   `json:"cgroup_file_end_bytes,omitempty" unit:"bytes" part:"page cache" doc:"page cache of the server's control group, without shared memory and tmpfs"`
	CgroupSocketEndBytes *uint64   `json:"cgroup_socket_end_bytes,omitempty" unit:"bytes" part:"socket buffers" doc:"socket buffers of the server's control group"`
	OpenFiles            *uint64   `json:"open_files,omitempty" part:"open files" doc:"open descriptors at the end, sockets included"`
	Threads              *uint64   `json:"threads,omitempty" part:"threads" doc:"threads at the end"`
	Processes            int       `json:"processes,omitempty" doc:"processes of the server at the end"`
	LatencyP90Seconds    float64   `json:"latency_p90_seconds" unit:"s" doc:"90th percentile of the latency"`
	LatencyP999Seconds   float64   `json:"latency_p999_seconds" unit:"s" doc:"99.9th percentile of the latency"`
	ErrorsConnect        uint64    `json:"errors_connect" doc:"no connection within TIMEOUT"`
	ErrorsTimeout        uint64    `json:"errors_timeout" doc:"no complete response within TIMEOUT"`
	ErrorsReset          uint64    `json:"errors_reset" doc:"connection closed before the response was complete"`
	ErrorsBadResponse    uint64    `json:"errors_bad_response" doc:"not an HTTP response"`
	ErrorsStatus4xx      uint64    `json:"errors_status_4xx" doc:"responses with a 4xx status"`
	ErrorsStatus5xx      uint64    `json:"errors_status_5xx" doc:"responses with a 5xx status"`
	ErrorsOther          uint64    `json:"errors_other" doc:"failures that a load tool does not classify"`

	LiveEndBytes          *uint64  `json:"live_end_bytes,omitempty" unit:"bytes" part:"live memory" doc:"what the programs hold after a full collection, by their runtimes"`
	HeapCommittedEndBytes *uint64  `json:"heap_committed_end_bytes,omitempty" unit:"bytes" part:"committed heap" doc:"what the runtimes have committed for their heaps"`
	SwapEndBytes          *uint64  `json:"swap_end_bytes,omitempty" unit:"bytes" part:"swapped out" doc:"memory that is swapped out at the end"`
	LazyfreeEndBytes      *uint64  `json:"lazyfree_end_bytes,omitempty" unit:"bytes" part:"lazily freed" doc:"resident memory at the end that was given back, and that the kernel takes when it needs to (MADV_FREE)"`
	HugepagesEndBytes     *uint64  `json:"hugepages_end_bytes,omitempty" unit:"bytes" part:"huge pages" doc:"anonymous memory in huge pages at the end"`
	OutsideEndBytes       *uint64  `json:"outside_end_bytes,omitempty" unit:"bytes" part:"memory outside the heap" doc:"held after the collection outside the heaps, without pages of mapped files and shared segments"`
	MappedSizeEndBytes    *uint64  `json:"mapped_size_end_bytes,omitempty" unit:"bytes" part:"size of mapped files" doc:"size of the mapped files and shared segments at the end: the most that their pages can take"`
	LiveIdleBytes         *uint64  `json:"live_idle_bytes,omitempty" unit:"bytes" part:"live memory at rest" doc:"how far two readings of live memory in a row differed, without load; in the first row"`
	StoppedSeconds        *float64 `json:"stopped_seconds,omitempty" unit:"s" doc:"how long the server stood still for the reading of live memory, at most"`
	HugetlbEndBytes       *uint64  `json:"hugetlb_end_bytes,omitempty" unit:"bytes" part:"pages of hugetlbfs" doc:"pages of hugetlbfs at the end, which resident memory does not count"`
	UnmappedEndBytes      *uint64  `json:"unmapped_end_bytes,omitempty" unit:"bytes" part:"unmapped memory files" doc:"files in memory at the end (memfd, tmpfs), beyond the pages of them that a process maps: the kernel cannot take them back"`

	Restarts        *uint64    `json:"restarts,omitempty" part:"restarts" doc:"1 if the server restarted in the iteration, or in the rest before it"`
	WorkersReplaced *uint64    `json:"workers_replaced,omitempty" part:"workers replaced" doc:"worker processes that ended, and were replaced by others"`
	CPUSeconds      *float64   `json:"cpu_seconds,omitempty" unit:"s" doc:"processor time that the server used"`
	EndedAt         *time.Time `json:"ended_at,omitempty" unit:"UTC" doc:"time of the end reading"`

	// Workers are no column: they have a table beside, workers.csv.
	Workers []verdict.Worker `json:"workers,omitempty"`
}

// NewIteration returns the row of an iteration that was measured. Its StartedAt is in UTC. The percentiles of one
// without latencies are 0.
func NewIteration(i lab.Iteration) Iteration {
	percentile := func(percent float64) float64 {
		if i.Load.Latency == nil {
			return 0
		}
		return i.Load.Percentile(percent).Seconds()
	}
	row := Iteration{
		Iteration: i.Number, StartedAt: i.Load.StartedAt.UTC(), DurationSeconds: i.Load.Elapsed.Seconds(),
		Requests: i.Requests, Errors: i.Load.ErrorCount(), RequestsPerSecond: i.RequestsPerSecond(),
		LatencyP50Seconds: percentile(50), LatencyP99Seconds: percentile(99),
		LatencyMaxSeconds: i.Load.MaxLatency.Seconds(),
		RSSStartBytes:     i.Start.Total, RSSEndBytes: i.End.Total, RSSPeakBytes: i.Peak,
		LiveHeapEndBytes: unlessZero(i.End.LiveHeap), OpenFiles: unlessZero(int64(i.End.OpenFiles)), Threads: unlessZero(int64(i.End.Threads)),
		Processes: i.End.Processes, Workers: workersOf(i),
		LatencyP90Seconds: percentile(90), LatencyP999Seconds: percentile(99.9),
		ErrorsConnect: i.Load.Errors[load.Connect], ErrorsTimeout: i.Load.Errors[load.Timeout], ErrorsReset: i.Load.Errors[load.Reset],
		ErrorsBadResponse: i.Load.Errors[load.BadResponse], ErrorsStatus4xx: i.Load.Errors[load.Status4xx],
		ErrorsStatus5xx: i.Load.Errors[load.Status5xx], ErrorsOther: i.Load.Errors[load.Other],
	}
	if !i.EndedAt.IsZero() {
		at := i.EndedAt.UTC()
		row.EndedAt = &at
	}
	if p := i.End.Parts; p != nil {
		row.AnonymousEndBytes, row.FileEndBytes, row.SharedEndBytes = known(p.Anonymous), known(p.File), known(p.Shared)
	}
	if c := i.End.Cgroup; c != nil {
		row.CgroupFileEndBytes, row.CgroupSocketEndBytes = known(c.File), known(c.Socket)
	}
	if h := i.End.Held; h != nil {
		row.SwapEndBytes, row.LazyfreeEndBytes, row.HugepagesEndBytes = known(h.Swapped), known(h.LazyFree), known(h.HugePages)
		row.MappedSizeEndBytes, row.HugetlbEndBytes, row.UnmappedEndBytes = known(h.MappedSize), known(h.HugeTLB), known(h.Unmapped)
	}
	if l := i.Live; l != nil {
		stopped := l.Stopped.Seconds()
		row.LiveEndBytes, row.HeapCommittedEndBytes, row.StoppedSeconds = known(l.Bytes), known(l.Committed), &stopped
		row.OutsideEndBytes, row.LiveIdleBytes = unlessNegative(l.Outside), unlessNegative(l.Idle)
	}
	if t := i.Turnover; t != nil {
		restarts := int64(0)
		if t.Restarted {
			restarts = 1
		}
		row.Restarts, row.WorkersReplaced = known(restarts), known(int64(t.Replaced))
	}
	if used, ok := i.CPU(); ok {
		seconds := used.Seconds()
		row.CPUSeconds = &seconds
	}
	return row
}

// unlessNegative is a value that is negative when it is not known.
func unlessNegative(value int64) *uint64 {
	if value < 0 {
		return nil
	}
	return known(value)
}

// known is a value that was read.
func known(value int64) *uint64 {
	read := uint64(value)
	return &read
}

// unlessZero is a value that is 0 when it is not known.
func unlessZero(value int64) *uint64 {
	if value <= 0 {
		return nil
	}
	return known(value)
}

// Evidence is what the verdict reads of the iteration.
func (i Iteration) Evidence() verdict.Iteration {
	parts := make(map[verdict.Part]uint64)
	for _, column := range Columns() {
		if column.Part == "" {
			continue
		}
		if value, known := column.part(i); known {
			parts[column.Part] = value
		}
	}
	evidence := verdict.Iteration{Requests: i.Requests, StartBytes: uint64(i.RSSStartBytes), EndBytes: uint64(i.RSSEndBytes), Parts: parts, Workers: i.Workers}
	if i.EndedAt != nil && !i.StartedAt.IsZero() {
		evidence.StartSecond, evidence.EndSecond = Second(i.StartedAt), Second(*i.EndedAt)
	}
	return evidence
}

// Second is a time as the verdict reads it, in seconds, to the millisecond that tables hold.
func Second(at time.Time) float64 { return float64(at.UnixMilli()) / 1000 }

// LeakedBytes is the end reading less the start reading; negative when memory shrank.
func (i Iteration) LeakedBytes() int64 { return i.RSSEndBytes - i.RSSStartBytes }
