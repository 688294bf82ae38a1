package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"leaklab/loader/chart"
	"leaklab/loader/record"
	"leaklab/loader/text"
)

//go:embed report.html.tmpl
var pageText string

var pageTemplate = template.Must(template.New("report.html").Funcs(template.FuncMap{
	"kibibytes":    func(bytes int64) int64 { return bytes / text.Kibibyte },
	"leaked":       func(i record.Iteration) int64 { return i.RSSEndBytes/text.Kibibyte - i.RSSStartBytes/text.Kibibyte },
	"baselineEnd":  baselineEnd,
	"optional":     optional,
	"stopped":      stopped,
	"milliseconds": func(seconds float64) string { return fmt.Sprintf("%.2f", 1000*seconds) },
}).Parse(pageText))

// page is what the template shows.
type page struct {
	Run             record.Run
	Compared        string // empty without a baseline
	ChangeClass     string
	Headline, Class string
	Site            string // that grows most; empty if it is not known
	Statements      []string
	Hidden          string
	Changed         []record.Setting
	Defaults        []record.Setting
	Surroundings    []record.Line
	Every           int
	Bars            drawing
	Legend          []chart.NamedPart // of bars that are split
	Live, Outside   *drawing          // nil if it is not known, or not what is judged
	Series          drawing
	Growths         []growthRow
	Sites           []siteRow
	SiteFiles       []record.ProfileFile
	Changes         []changeRow   // sites that differ from the baseline's
	LiveLines       []record.Line // how live memory was read, and what that cost
	HasLive         bool
}

// writeHTML writes report.html: one self-contained page, without any script.
func writeHTML(out io.Writer, run record.Run, f chart.Figure) error {
	changed, defaults := split(run.Settings)
	compared, change := "", ""
	if run.Baseline != nil {
		compared, change = run.Baseline.Difference.Headline(), strings.ReplaceAll(string(run.Baseline.Difference.Change), " ", "-")
	}
	var html strings.Builder
	err := pageTemplate.Execute(&html, page{
		Run: run, Compared: compared, ChangeClass: change, Headline: run.Verdict.Headline(), Class: strings.ReplaceAll(string(run.Verdict.Kind), " ", "-"),
		Statements: statements(run), Hidden: strings.Join(hiddenNames(run), " and "),
		Changed: changed, Defaults: defaults, Surroundings: run.Surroundings(),
		Every: f.Every, Bars: barDrawing(f), Legend: chart.Parts{}.Named(), Series: seriesDrawing(f),
		Live:    courseOf(f, f.Live, "live", "Live memory at the end of each iteration"),
		Outside: courseOf(f, f.Outside, "outside", "Memory outside the heap at the end of each iteration"),
		Growths: growths(run), Site: namedSite(run), Sites: siteRows(run), SiteFiles: siteFiles(run), Changes: changeRows(run), LiveLines: liveLines(run), HasLive: hasLive(run),
	})
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, text.Printable(html.String()))
	return err
}

// courseOf is nil if nothing of the course is known.
func courseOf(f chart.Figure, c chart.Course, id, about string) *drawing {
	if len(c.Ends) == 0 {
		return nil
	}
	d := courseDrawing(f, c, id, about)
	return &d
}
