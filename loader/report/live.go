package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"leaklab/loader/record"
	"leaklab/loader/text"
	"leaklab/loader/verdict"
)

// growthRow is a row of the table of what grows.
type growthRow struct {
	Part                 verdict.Part
	End                  string // MiB
	Growth, Lower, Upper string // bytes per request
	RestsOn              bool   // whether the verdict rests on it
}

// growths are the rows of the table of what grows; none without live memory.
func growths(run record.Run) []growthRow {
	if _, known := run.Verdict.GrowthOf(verdict.Live); !known || len(run.Iterations) == 0 {
		return nil
	}
	last := run.Iterations[len(run.Iterations)-1]
	var rows []growthRow
	for _, part := range []verdict.Part{verdict.Live, verdict.Slack, verdict.Outside, verdict.Held, verdict.Workers} {
		g, known := run.Verdict.GrowthOf(part)
		if !known {
			continue
		}
		row := growthRow{
			Part: part, Growth: perRequest(g.GrowthBytesPerRequest), Lower: perRequest(g.LowerBytesPerRequest), Upper: perRequest(g.UpperBytesPerRequest),
			RestsOn: part == run.Verdict.RestsOn(),
		}
		if bytes, known := last.EndBytes(part); known {
			row.End = fmt.Sprintf("%.3f", float64(bytes)/text.Mebibyte)
		}
		rows = append(rows, row)
	}
	return rows
}

func perRequest(bytes float64) string { return fmt.Sprintf("%.1f", bytes) }

// optional is a value in KiB; empty if it is not known.
func optional(bytes *uint64) string {
	if bytes == nil {
		return ""
	}
	return strconv.FormatUint(*bytes/text.Kibibyte, 10)
}

// stopped is how long the server stood still, in ms; empty if it did not.
func stopped(i record.Iteration) string {
	if i.StoppedSeconds == nil {
		return ""
	}
	return strconv.FormatFloat(1000**i.StoppedSeconds, 'f', 0, 64)
}

// hasLive tells if live memory of an iteration is known.
func hasLive(run record.Run) bool {
	for _, i := range run.Iterations {
		if i.LiveEndBytes != nil {
			return true
		}
	}
	return false
}

// liveLines are how live memory was read, and what that cost; none if nothing was done to the server.
func liveLines(run record.Run) []record.Line {
	live := run.Live
	if live == nil || len(live.Said)+len(live.Runtimes) == 0 {
		return nil
	}
	lines := []record.Line{{Name: "LIVE", Value: live.Setting}, {Name: "Runtimes", Value: strings.Join(live.Runtimes, ", ")}}
	for _, said := range live.Said {
		lines = append(lines, record.Line{Name: "Done to the server", Value: said})
	}
	lines = append(lines, record.Line{Name: "Collection forced by", Value: live.Forced})
	if live.StoppedSeconds > 0 {
		lines = append(lines, record.Line{Name: "Server stood still", Value: fmt.Sprintf("%.3f s at each reading, at most", live.StoppedSeconds)})
	}
	if live.RateChange != nil {
		lines = append(lines, record.Line{Name: "Requests/s", Value: fmt.Sprintf("%+.1f%% since the first iteration, before any reading of live memory", 100**live.RateChange)})
	}
	lines = append(lines, record.Line{Name: "Failed", Value: live.Failed})
	return slices.DeleteFunc(lines, func(line record.Line) bool { return line.Value == "" })
}
