package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"leaklab/loader/lab"
	"leaklab/loader/verdict"
)

// Record is an observer that keeps the report of a run up to date: run.json, report.md and report.html, and memory.svg
// and memory.png, which it has drawn. Each file is there in full, or as it was before, whenever the run is killed. It
// writes between iterations, where it disturbs no load: that takes about 10 ms without the pictures, which take ten
// times as long, and so are drawn now and then, and in the end (go test -bench Record ./loader/report). report.html
// draws by itself, each time.
type Record struct {
	folder string
	run    Run
	course func() []Point
	judged func() (verdict.Verdict, []string)
	draw   func(folder string) error
	// Of a baseline; nil without one.
	compared       func() verdict.Comparison
	baselineCourse func() []Point
}

// pictureEvery is how often the pictures are drawn: with one in so many reports.
const pictureEvery = 5

// Due says whether it is time to judge and to report the first so many iterations: after each of the first 100, then
// ten times less often for each power of ten, since both take the longer the more there are.
func Due(iterations int) bool { return iterations%step(iterations) == 0 }

// step is the number of iterations from one report to the next.
func step(iterations int) int {
	const eachUntil = 100
	step := 1
	for iterations > eachUntil*step {
		step *= 10
	}
	return step
}

// NewRecord writes the report of a run that begins. run is what is known by then, the verdict's tolerance included.
// course returns the samples of memory, and judged the verdict on the iterations so far, with remarks of the caller's
// own. draw draws the pictures of a folder, as Draw does; if it is another process that does, this one stays small.
func NewRecord(folder string, run Run, course func() []Point, judged func() (verdict.Verdict, []string), draw func(folder string) error) (*Record, error) {
	run.Format, run.State, run.Iterations = runFormat, Running, []Iteration{}
	r := &Record{folder: folder, run: run, course: course, judged: judged, draw: draw}
	return r, r.write()
}

// LoadBegins does nothing: the report is written between iterations.
func (r *Record) LoadBegins(int, time.Time) {}

// LoadEnded does nothing.
func (r *Record) LoadEnded() {}

// IterationEnded writes the report with the iteration. It has to be judged before.
func (r *Record) IterationEnded(i lab.Iteration) error {
	r.run.Iterations = append(r.run.Iterations, newIteration(i))
	if r.compared != nil { // the baseline's follows
		return nil
	}
	return r.keep()
}

// keep writes the report if it is due after so many iterations.
func (r *Record) keep() error {
	n := len(r.run.Iterations)
	if !Due(n) {
		return nil
	}
	err := r.write()
	if n%(pictureEvery*step(n)) == 0 {
		err = errors.Join(err, r.Draw())
	}
	return err
}

// Run is what the report says of the run so far.
func (r *Record) Run() Run { return r.run }

// SetProfiles has the report show what is known from the server's profiles, when it is written next.
func (r *Record) SetProfiles(profiles *Profiles) { r.run.Profiles = profiles }

// End writes the report of a run that is over; reason is why it ended early, or nil.
func (r *Record) End(reason error) error {
	r.run.State = Complete
	if reason != nil {
		r.run.State, r.run.Reason = EndedEarly, reason.Error()
	}
	return r.write()
}

// Draw has the pictures of the iterations so far drawn; none if there are none.
func (r *Record) Draw() error {
	if len(r.run.Iterations) == 0 {
		return nil
	}
	return r.draw(r.folder)
}

// write writes all but the pictures. What that took is given back at once, since the loader is to stay small.
func (r *Record) write() error {
	defer debug.FreeOSMemory()
	v, remarks := r.judged()
	r.run.Verdict, r.run.Remarks = newVerdict(v, r.run.Verdict.ToleranceBytesPerRequest), remarks
	var other []Point
	if r.compared != nil {
		c := r.compared()
		r.run.Baseline.Verdict, r.run.Baseline.Difference = newVerdict(c.Old, r.run.Verdict.ToleranceBytesPerRequest), newDifference(c)
		other = r.baselineCourse()
	}
	f := newFigure(r.run, r.course(), other)
	return errors.Join(
		replace(r.folder, "run.json", func(out io.Writer) error { return writeRun(out, r.run) }),
		replace(r.folder, "report.md", func(out io.Writer) error { return writeMarkdown(out, r.run) }),
		replace(r.folder, "report.html", func(out io.Writer) error { return writeHTML(out, r.run, f) }),
	)
}

// replace writes a file under another name and renames it then, so that nobody ever finds a part of it. Everybody may
// read it.
func replace(folder, name string, write func(io.Writer) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot write %s: %w", filepath.Join(folder, name), err)
		}
	}()
	var content bytes.Buffer
	if err := write(&content); err != nil {
		return err
	}
	file, err := os.CreateTemp(folder, "."+name+".*")
	if err != nil {
		return err
	}
	_, err = file.Write(content.Bytes())
	err = errors.Join(err, file.Chmod(0o644), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), filepath.Join(folder, name))
	}
	if err != nil {
		_ = os.Remove(file.Name())
	}
	return err
}
