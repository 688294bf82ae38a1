package record

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"leaklab/loader/environment"
	"leaklab/loader/text"
)

// Line is a named value.
type Line struct{ Name, Value string }

// unknownDigest tells how to have the digest recorded.
const unknownDigest = "unknown; name the image by digest (SERVER_IMAGE=NAME@sha256:...) to record it"

// Names of lines that Deviations treats in its own way.
const (
	started         = "Started"
	buildSettings   = "Build settings"
	serverVariables = "Variables of the server"
)

// Surroundings are the lines about where the run took place. Values that are not known have no line.
func (r Run) Surroundings() []Line {
	e := r.Environment
	lines := []Line{
		{started, r.StartedAt.UTC().Format(timeFormat)},
		{"leaklab", r.LeaklabVersion},
		{"Server", r.ServerCommand},
		{"Memory is read from", r.MemorySource},
		{"Kernel", e.Kernel},
		{"CPU", strings.TrimSpace(fmt.Sprintf("%d × %s", e.CPUs, e.CPU))},
		{"Memory", size(int64(e.MemoryBytes))},
		{"Limits of the server", limits(e.Limits)},
	}
	if r.Baseline != nil {
		lines = slices.Insert(lines, 3, Line{"Baseline", r.Baseline.Command})
	}
	if i := e.Server.Image; i != nil {
		lines = append(lines, Line{"Image", i.Reference}, Line{"Its digest", cmp.Or(i.Digest, unknownDigest)})
	}
	if g := e.Server.Go; g != nil {
		lines = append(lines, Line{"Built with", g.Version}, Line{"Package", g.Package}, Line{"Module", g.Module},
			Line{buildSettings, pairs(g.Settings)})
	}
	lines = append(lines, Line{serverVariables, pairs(e.Server.Variables)})
	return slices.DeleteFunc(lines, func(l Line) bool { return l.Value == "" })
}

// size is empty for 0 bytes.
func size(bytes int64) string {
	if bytes == 0 {
		return ""
	}
	return text.MiB(bytes)
}

func limits(l environment.Limits) string {
	var all []string
	if l.MemoryBytes > 0 {
		all = append(all, text.MiB(l.MemoryBytes)+" of memory")
	}
	if l.CPUs > 0 {
		all = append(all, fmt.Sprintf("%.3g CPUs", l.CPUs))
	}
	if l.Processes > 0 {
		all = append(all, fmt.Sprintf("%d processes", l.Processes))
	}
	return strings.Join(all, ", ")
}

// pairs is NAME=VALUE for each, in the order of the names.
func pairs(values map[string]string) string {
	var all []string
	for name, value := range values {
		all = append(all, name+"="+value)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// Deviation is a setting, or a line of the surroundings, that is not the same in two runs. A missing one is empty.
type Deviation struct{ Name, Old, New string }

// Deviations are what differs in the settings and the surroundings of two runs, but for when they started. They are in
// the order of the old run; what only the new one has follows.
func Deviations(old, again Run) []Deviation {
	before, after := traits(old), traits(again)
	values := make(map[string]string)
	for _, line := range after {
		values[line.Name] = line.Value
	}
	var all []Deviation
	seen := make(map[string]bool)
	for _, line := range before {
		seen[line.Name] = true
		if values[line.Name] != line.Value {
			all = append(all, Deviation{line.Name, line.Value, values[line.Name]})
		}
	}
	for _, line := range after {
		if !seen[line.Name] && line.Value != "" {
			all = append(all, Deviation{line.Name, "", line.Value})
		}
	}
	return all
}

// traits are the settings and the surroundings of a run, a line each.
func traits(run Run) []Line {
	var all []Line
	for _, s := range run.Settings {
		all = append(all, Line{s.Name, s.Value})
	}
	build := make(map[string]string)
	if run.Environment.Server.Go != nil {
		build = run.Environment.Server.Go.Settings
	}
	for _, line := range run.Surroundings() {
		switch line.Name {
		case started:
		case buildSettings:
			all = append(all, linesOf("Built with ", build)...)
		case serverVariables:
			all = append(all, linesOf("Server's ", run.Environment.Server.Variables)...)
		default:
			all = append(all, line)
		}
	}
	return all
}

// linesOf are the values in the order of their names, which have the prefix.
func linesOf(prefix string, values map[string]string) []Line {
	var all []Line
	for _, name := range slices.Sorted(maps.Keys(values)) {
		all = append(all, Line{prefix + name, values[name]})
	}
	return all
}
