package report

import (
	"fmt"
	"strings"

	"leaklab/loader/record"
	"leaklab/loader/text"
	"leaklab/loader/verdict"
)

// siteRow is a row of the table of sites. Names are those of the server.
type siteRow struct {
	Where, Class       string
	Growth, Low, High  string // bytes per request
	Objects, Estimated string
	Callers, Holders   []string
}

// siteRows are the sites that grow; none if there are none, or they are not known.
func siteRows(run record.Run) (rows []siteRow) {
	if run.Sites == nil {
		return nil
	}
	for _, s := range run.Sites.List {
		row := siteRow{
			Where: inLine(s.Where()), Class: inLine(s.Class),
			Growth: text.Fixed(s.BytesPerRequest.Estimate, 1), Low: text.Fixed(s.BytesPerRequest.Low, 1), High: text.Fixed(s.BytesPerRequest.High, 1),
			Estimated: s.Estimated(), Callers: inLines(s.Callers), Holders: inLines(s.Holders),
		}
		if s.ObjectsPerRequest != nil {
			row.Objects = text.Fixed(s.ObjectsPerRequest.Estimate, 2)
		}
		rows = append(rows, row)
	}
	return rows
}

// inLine is a name in one line, and not too long.
func inLine(name string) string { return text.Clip(strings.Join(strings.Fields(name), " "), mostValue) }

func inLines(names []string) (lines []string) {
	for _, name := range names {
		lines = append(lines, inLine(name))
	}
	return lines
}

// siteFiles are the profiles that were saved with the sites.
func siteFiles(run record.Run) (files []record.ProfileFile) {
	if run.Sites == nil {
		return nil
	}
	for _, f := range run.Sites.Files {
		files = append(files, record.ProfileFile{Name: inLine(f.Name), Open: inLine(f.Open)})
	}
	return files
}

// namedSite is the site that grows most in the memory that the verdict is on, if that is a leak; else empty.
func namedSite(run record.Run) string {
	if run.Verdict.Kind != verdict.Leak {
		return ""
	}
	return run.Sites.First(run.Verdict.Of)
}

// markdownSites writes the sites that grow, what they explain, and the profiles that were saved.
func markdownSites(b *strings.Builder, run record.Run) {
	if run.Sites == nil {
		return
	}
	b.WriteString("### Where live memory grows\n\n")
	if rows := siteRows(run); len(rows) > 0 {
		b.WriteString("| at | class | bytes/request | at least | at most | objects/request | | held by | called by |\n|---|---|--:|--:|--:|--:|---|---|---|\n")
		for _, r := range rows {
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", cell(r.Where), cell(r.Class), r.Growth, r.Low, r.High, r.Objects, r.Estimated,
				cell(strings.Join(r.Holders, "; ")), cell(strings.Join(r.Callers, "; ")))
		}
		b.WriteString("\n")
	}
	for _, statement := range run.Sites.Statements() {
		fmt.Fprintf(b, "%s\n\n", escape(statement))
	}
	files := siteFiles(run)
	if len(files) == 0 {
		return
	}
	b.WriteString("| profile in the folder of the run | opened by |\n|---|---|\n")
	for _, f := range files {
		fmt.Fprintf(b, "| %s | %s |\n", cell(f.Name), cell(f.Open))
	}
	b.WriteString("\n")
}

// changeRow is a row of the table of sites that differ between the server and its baseline.
type changeRow struct {
	Where, Change         string
	Old, New              string // bytes per request; empty where it is not listed
	Difference, Low, High string // bytes per request
}

// changeRows are the sites that differ; none without a baseline.
func changeRows(run record.Run) (rows []changeRow) {
	if run.Baseline == nil {
		return nil
	}
	for _, c := range run.Baseline.Difference.Sites {
		rows = append(rows, changeRow{
			Where: inLine(c.Site.Name()), Change: string(c.Change), Old: estimateOf(c.Old), New: estimateOf(c.New),
			Difference: text.Fixed(c.Difference.Estimate, 1), Low: text.Fixed(c.Difference.Low, 1), High: text.Fixed(c.Difference.High, 1),
		})
	}
	return rows
}

// estimateOf is empty where it is not known.
func estimateOf(growth *record.Interval) string {
	if growth == nil {
		return ""
	}
	return text.Fixed(growth.Estimate, 1)
}

// markdownChanges writes the sites that differ, or why that is not known.
func markdownChanges(b *strings.Builder, run record.Run) {
	if rows := changeRows(run); len(rows) > 0 {
		b.WriteString("| site | | baseline, bytes/request | suspect | difference | at least | at most |\n|---|---|--:|--:|--:|--:|--:|\n")
		for _, r := range rows {
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", cell(r.Where), r.Change, r.Old, r.New, r.Difference, r.Low, r.High)
		}
		b.WriteString("\n")
	}
	if unknown := run.Baseline.Difference.SitesUnknown; unknown != "" {
		fmt.Fprintf(b, "Sites are not compared: %s.\n\n", escape(unknown))
	}
}
