package run

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"leaklab/loader/lab"
	"leaklab/loader/load"
	"leaklab/loader/memory"
	"leaklab/loader/record"
	"leaklab/loader/terminal"
	"leaklab/loader/text"
)

// note writes a line to notes, whatever a server has put into it.
func note(notes io.Writer, words ...any) {
	fmt.Fprint(notes, text.Printable(fmt.Sprintln(words...)))
}

// settings are the lines of the block at the top.
func (s *session) settings() []record.Line {
	lines := []record.Line{
		{Name: "Server", Value: s.target.Description},
		{Name: "Memory", Value: s.target.Source + sharing(s.sampler.Latest())},
	}
	lines = append(lines, s.live.lines()...)
	lines = append(lines, []record.Line{
		{Name: "Request", Value: s.plan.asked()},
		{Name: "Load", Value: s.plan.pressure(s.shape, s.live.reads())},
		{Name: "Settle", Value: s.rests.String()},
		{Name: "Results", Value: s.shownFolder()},
	}...)
	if dashboard := s.dashboard(time.Time{}); dashboard != "" {
		lines = append(lines, record.Line{Name: "Grafana", Value: dashboard})
	}
	if s.baseline != nil {
		lines = slices.Insert(lines, 1, record.Line{Name: "Baseline", Value: s.baseline.target.Description + ", in turns with the server"})
	}
	return lines
}

// startProgress keeps a line that shows how far the load is, if the screen can show one. It ends with stopProgress.
func (s *session) startProgress(meter *load.Meter) {
	s.stopProgress = func() {}
	if !s.screen.Progress || s.plan.tool != nil { // which tells its progress to its log
		return
	}
	burst := terminal.Burst{
		State: meter.Burst, Of: s.plan.tries, AtMost: s.plan.auto, Requests: s.plan.server.load.Requests,
		Duration: func() time.Duration { return time.Duration(s.duration.Load()) },
	}
	bursts := []terminal.Burst{burst}
	if s.baseline != nil {
		burst.State, burst.Note = s.baseline.meter.Burst, ", baseline"
		bursts = append(bursts, burst)
	}
	s.stopProgress = s.terminal.Progress(bursts...)
	s.onClose(func() error { s.stopProgress(); return nil }) // if the run ends before its first iteration
}

// shownFolder is the folder of the run as who reads the screen finds it: in a container the host has another name for it.
func (s *session) shownFolder() string {
	if s.plan.hostResults == "" {
		return s.folder
	}
	return filepath.Join(s.plan.hostResults, filepath.Base(s.folder))
}

// asked tells what is requested, without what may be secret.
func (p *plan) asked() string {
	l := p.server.load
	server := l.Protocol.Scheme() + "://" + l.Address
	if p.request.urlFile != "" { // whose lines may have other methods
		return fmt.Sprintf("%s, as in %s (%s)", server, p.request.urlFile, l.Protocol)
	}
	return fmt.Sprintf("%s %s%s (%s)", p.request.method, server, p.request.path, l.Protocol)
}

// pressure tells what load of a shape there is, where live memory is read or not.
func (p *plan) pressure(shape string, readsLive bool) string {
	l := p.server.load
	burst := l.Duration.String()
	if p.growing && readsLive {
		burst = fmt.Sprintf("%s to %s", lab.GrowingDuration(1), lab.UsualDuration)
	}
	if l.Requests > 0 {
		burst = fmt.Sprintf("%d requests", l.Requests)
	}
	rate := "as fast as it answers"
	if l.Rate > 0 {
		rate = fmt.Sprintf("%g requests/s", l.Rate)
	}
	if shape == "unique" && !slices.Equal(p.request.unique, load.UsualDimensions()) {
		shape += " in " + strings.Join(p.request.unique, ", ")
	}
	text := fmt.Sprintf("%s, %s of %s, %d workers, %s", shape, p.iterations(), burst, l.Workers, rate)
	if p.tool != nil { // its arguments may be secret
		text = fmt.Sprintf("%s of LOAD_COMMAND, which is %s", p.iterations(), p.tool.Words[0])
	}
	if p.align > 0 {
		text += fmt.Sprintf(", together with other loaders every %s", p.align)
	}
	return text
}

func (p *plan) iterations() string {
	switch {
	case p.auto:
		return fmt.Sprintf("as many iterations as it takes, at most %d,", p.tries)
	case p.tries == 1:
		return "1 iteration"
	default:
		return fmt.Sprintf("%d iterations", p.tries)
	}
}

// sharing tells how many processes a reading is the sum of, and how it counts what they share.
func sharing(reading memory.Reading) string {
	switch {
	case reading.Processes < 2:
		return ""
	case reading.Proportional:
		return fmt.Sprintf(" (now %d processes; what they share is counted once)", reading.Processes)
	default:
		return fmt.Sprintf(" (now %d processes; what they share is counted for each)", reading.Processes)
	}
}
