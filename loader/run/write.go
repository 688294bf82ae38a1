package run

import (
	"errors"
	"time"

	"leaklab/loader/judge"
	"leaklab/loader/record"
	"leaklab/loader/report"
	"leaklab/loader/terminal"
	"leaklab/loader/verdict"
)

// write brings the record up to date with the verdict, and writes the report.
func (s *session) write() error {
	tolerance := s.plan.options.Tolerance
	var series, other []record.Point
	if s.watch != nil {
		series = s.samples.Series()
	}
	s.record.Verdict = record.NewVerdict(s.verdict(), tolerance)
	if s.judge == nil { // the run ends before it has begun
		return report.Write(s.folder, s.record, series, nil)
	}
	s.record.Remarks = s.judge.Remarks(int(s.openFiles.Load()), s.target.FilesLimit())
	s.record.Live = s.live.recorded()
	s.record.Remarks = append(s.record.Remarks, s.record.Live.Sentences()...)
	s.record.Profiles = s.profiles.profiles(s.record.Sites)
	if s.baseline != nil {
		c := s.baseline.paired.Comparison()
		s.record.Baseline.Verdict, s.record.Baseline.Difference = record.NewVerdict(c.Old, tolerance), record.NewDifference(c)
		judge.CompareSites(&s.record.Baseline.Difference, s.record.Baseline.Run(), s.record, "the baseline", "the suspect")
		other = s.baseline.samples.Series()
	}
	return report.Write(s.folder, s.record, series, other)
}

// print prints the verdict, and how the run compares with the baseline and with the run that it makes again, unless there
// is nothing to judge.
func (s *session) print() error {
	if s.judge.Iterations() == 0 {
		return s.printJSON()
	}
	end := terminal.End{
		Verdict: s.verdict(), Early: s.record.EarlyEnd(), Reason: s.record.Reason, Tolerance: s.plan.options.Tolerance, Remarks: s.record.Remarks, Results: s.shownFolder(),
		Growing: s.record.Sites, Dashboard: s.dashboard(time.Now()),
	}
	if s.record.Profiles != nil {
		end.Sites = s.record.Profiles.Lines()
	}
	return errors.Join(s.terminal.Verdict(end), s.printJSON(), s.comparison(), s.reproduction())
}

// verdict is the verdict so far. A run that ended before there was anything to judge needs no more iterations, but another
// end.
func (s *session) verdict() verdict.Verdict {
	v := verdict.Judge(nil, verdict.Options{})
	if s.judge != nil {
		v = s.judge.Verdict()
	}
	if s.record.State == record.EndedEarly && !v.Estimated {
		v.Advice, v.MoreIterations = "", 0
	}
	return v
}

// printJSON prints the outcome of the run as JSON, if that is asked for.
func (s *session) printJSON() error {
	if s.screen.JSON == nil {
		return nil
	}
	return terminal.WriteJSON(s.screen.JSON, s.record, s.shownFolder())
}
