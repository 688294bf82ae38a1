package report

import (
	"leaklab/loader/lab"
	"leaklab/loader/verdict"
)

// Evidence is what the verdict needs of an iteration.
func Evidence(i lab.Iteration) verdict.Iteration {
	parts := make(map[verdict.Part]uint64)
	known := func(part verdict.Part, value int64) {
		if value > 0 {
			parts[part] = uint64(value)
		}
	}
	if p := i.End.Parts; p != nil {
		parts[verdict.Anonymous], parts[verdict.File], parts[verdict.Shared] = uint64(p.Anonymous), uint64(p.File), uint64(p.Shared)
	}
	if c := i.End.Cgroup; c != nil {
		parts[verdict.PageCache], parts[verdict.Sockets] = uint64(c.File), uint64(c.Socket)
	}
	known(verdict.LiveHeap, i.End.LiveHeap)
	known(verdict.OpenFiles, int64(i.End.OpenFiles))
	known(verdict.Threads, int64(i.End.Threads))
	return verdict.Iteration{
		Requests:   i.Requests,
		StartBytes: uint64(i.Start.Total),
		EndBytes:   uint64(i.End.Total),
		Parts:      parts,
	}
}

// Evidence is what the verdict needs of the iterations of a run.
func (r Run) Evidence() []verdict.Iteration {
	var all []verdict.Iteration
	for _, i := range r.Iterations {
		parts := make(map[verdict.Part]uint64)
		for part, value := range map[verdict.Part]*uint64{
			verdict.Anonymous: i.AnonymousEndBytes, verdict.File: i.FileEndBytes, verdict.Shared: i.SharedEndBytes,
			verdict.LiveHeap: i.LiveHeapEndBytes, verdict.PageCache: i.CgroupFileEndBytes, verdict.Sockets: i.CgroupSocketEndBytes,
			verdict.OpenFiles: i.OpenFiles, verdict.Threads: i.Threads,
		} {
			if value != nil {
				parts[part] = *value
			}
		}
		all = append(all, verdict.Iteration{
			Requests: i.Requests, StartBytes: uint64(i.RSSStartBytes), EndBytes: uint64(i.RSSEndBytes), Parts: parts,
		})
	}
	return all
}

// partColumn is the column of a part in iterations.csv.
type partColumn struct {
	title string
	part  verdict.Part
}

func partColumns() []partColumn {
	return []partColumn{
		{"anonymous_end_bytes", verdict.Anonymous},
		{"file_end_bytes", verdict.File},
		{"shared_end_bytes", verdict.Shared},
		{"live_heap_end_bytes", verdict.LiveHeap},
		{"cgroup_file_end_bytes", verdict.PageCache},
		{"cgroup_socket_end_bytes", verdict.Sockets},
		{"open_files", verdict.OpenFiles},
		{"threads", verdict.Threads},
	}
}
