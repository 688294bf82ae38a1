// Package report writes the documents of a run into its folder: run.json, report.md for an issue, and report.html, which
// draws its own charts. It decides nothing, and takes what it shows from package record and package chart.
package report

import (
	"errors"
	"io"
	"runtime/debug"

	"leaklab/loader/chart"
	"leaklab/loader/record"
)

// Write writes run.json, report.md and report.html into folder, each of them complete at any moment. series is resident
// memory over time, and baseline that of the baseline, if there is one. The memory that this takes is returned to the
// system at once, since the loader is to stay small. Errors name the files that could not be written.
func Write(folder string, run record.Run, series, baseline []record.Point) error {
	defer debug.FreeOSMemory()
	figure := chart.New(run, series, baseline)
	return errors.Join(
		record.Replace(folder, "run.json", run.Write),
		record.Replace(folder, "report.md", func(out io.Writer) error { return writeMarkdown(out, run) }),
		record.Replace(folder, "report.html", func(out io.Writer) error { return writeHTML(out, run, figure) }),
	)
}
