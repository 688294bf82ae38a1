// Package record is what a run leaves behind: run.json, iterations.csv, samples.csv, and reading them back. It holds the
// one list of columns, which is the fields of Iteration. It decides nothing and shows nothing.
package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"leaklab/loader/environment"
	"leaklab/loader/lab"
	"leaklab/loader/verdict"
)

// runFormat is the version of the format of run.json. Names may be added to it without a new one.
const runFormat = 1

// State is how far a run has come.
type State string

// The states.
const (
	Running    State = "running" // or killed
	Complete   State = "complete"
	EndedEarly State = "ended early"
)

// Run is the content of run.json: all that a run has measured, and where and how.
type Run struct {
	Format         int       `json:"format"`
	LeaklabVersion string    `json:"leaklab_version"`
	StartedAt      time.Time `json:"started_at"`
	State          State     `json:"state"`
	Reason         string    `json:"reason,omitempty"` // why it ended early

	Origin          string    `json:"way,omitempty"` // how the server was found or started
	ServerCommand   string    `json:"server_command,omitempty"`
	ServerArguments []string  `json:"server_arguments,omitempty"` // the words of the command that started it, if one did
	MemorySource    string    `json:"memory_source"`
	Tries           int       `json:"tries"`                   // iterations
	TriesAtMost     bool      `json:"tries_at_most,omitempty"` // there may be fewer than Tries: the run ends when it is decided
	SettleSeconds   float64   `json:"settle_seconds"`          // from the end of a load to its end reading
	Settings        []Setting `json:"settings"`
	Reproduce       string    `json:"reproduce"` // a line of shell

	Verdict     Verdict                 `json:"verdict"`
	Remarks     []string                `json:"remarks,omitempty"`  // sentences beside the verdict
	Profiles    *Profiles               `json:"profiles,omitempty"` // nil if the server shows none
	Live        *Live                   `json:"live,omitempty"`     // nil if nothing was read or offered
	Sites       *Sites                  `json:"sites,omitempty"`    // nil if live memory is not known, or is not shown to grow
	Iterations  []Iteration             `json:"iterations"`
	Baseline    *Baseline               `json:"baseline,omitempty"`
	Environment environment.Environment `json:"environment"`
}

// Setting is a setting of the loader as text. The value of one that may be secret is Hidden.
type Setting struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Default string `json:"default"`
}

// Hidden stands for a value that is not written down.
const Hidden = "(set)"

// Write writes run.json, in the format of this version. A nil list of iterations is written as an empty one.
func (r Run) Write(out io.Writer) error {
	r.Format, r.Iterations = runFormat, listed(r.Iterations)
	if r.Baseline != nil {
		baseline := *r.Baseline
		baseline.Iterations = listed(baseline.Iterations)
		r.Baseline = &baseline
	}
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}

func listed(iterations []Iteration) []Iteration {
	if iterations == nil {
		return []Iteration{}
	}
	return iterations
}

// End notes that the run is over; reason is why it ended early, or nil.
func (r *Run) End(reason error) {
	r.State = Complete
	if reason != nil {
		r.State, r.Reason = EndedEarly, reason.Error()
	}
}

// EarlyEnd tells in a clause how far a run came that ended early; empty if it did not. Reason tells why.
func (r Run) EarlyEnd() string {
	if r.State != EndedEarly {
		return ""
	}
	return fmt.Sprintf("The run ended early, after %s", r.Progress())
}

// Progress is how many iterations there are, of how many.
func (r Run) Progress() string {
	return lab.Place(len(r.Iterations), r.Tries, r.TriesAtMost) + " iterations"
}

// Evidence is what the verdict reads of the iterations.
func (r Run) Evidence() []verdict.Iteration {
	var all []verdict.Iteration
	for _, i := range r.Iterations {
		all = append(all, i.Evidence())
	}
	return all
}

// ReadRun reads run.json. Names that it does not know are ignored; contradictions are errors, and so are more than 256 MiB.
func ReadRun(in io.Reader) (Run, error) {
	var run Run
	decoder := json.NewDecoder(&bounded{in: in, most: mostRunBytes, mostOfRow: mostRunBytes + 1})
	if err := decoder.Decode(&run); err != nil {
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		switch {
		case errors.Is(err, io.EOF):
			err = errors.New("the file is empty")
		case errors.Is(err, io.ErrUnexpectedEOF):
			err = errors.New("the file ends in the middle")
		case errors.As(err, &kind):
			err = fmt.Errorf("%s is a %s; expected a %s", kind.Field, kind.Value, kind.Type)
		case errors.As(err, &syntax):
			err = fmt.Errorf("byte %d: %w", syntax.Offset, err)
		}
		return Run{}, fmt.Errorf("not a run.json: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Run{}, fmt.Errorf("not a run.json: something follows its end, at byte %d", decoder.InputOffset())
	}
	if err := run.check(); err != nil {
		return Run{}, fmt.Errorf("not a run.json: %w", err)
	}
	return run, nil
}

// check returns the first contradiction.
func (r *Run) check() error {
	switch {
	case r.Format != runFormat:
		return fmt.Errorf("format is %d; expected %d", r.Format, runFormat)
	case r.State != Running && r.State != Complete && r.State != EndedEarly:
		return fmt.Errorf("state is %q; expected %q, %q or %q", r.State, Running, Complete, EndedEarly)
	}
	switch v := r.Verdict; {
	case v.Kind != verdict.Leak && v.Kind != verdict.NoLeak && v.Kind != verdict.Inconclusive:
		return fmt.Errorf("verdict.kind is %q; expected %q, %q or %q", v.Kind, verdict.Leak, verdict.NoLeak, verdict.Inconclusive)
	case v.LowerBytesPerRequest > v.UpperBytesPerRequest:
		return fmt.Errorf("verdict.lower_bytes_per_request is %g, above upper_bytes_per_request, %g", v.LowerBytesPerRequest, v.UpperBytesPerRequest)
	}
	if err := errors.Join(checkIterations("iterations", r.Iterations), r.Sites.check()); err != nil || r.Baseline == nil {
		return err
	}
	return r.Baseline.check()
}

// checkIterations returns the first contradiction in the list of that name.
func checkIterations(list string, iterations []Iteration) error {
	last := 0
	for n, i := range iterations {
		name := fmt.Sprintf("%s[%d]", list, n)
		switch {
		case i.Iteration <= last:
			return fmt.Errorf("%s.iteration is %d after %d; expected a higher number", name, i.Iteration, last)
		case i.RSSStartBytes < 0 || i.RSSEndBytes < 0 || i.RSSPeakBytes < 0 || max(i.RSSStartBytes, i.RSSEndBytes, i.RSSPeakBytes) > largestValue:
			return fmt.Errorf("%s: resident memory of %d, %d and %d bytes; expected 0 to %d", name, i.RSSStartBytes, i.RSSEndBytes, i.RSSPeakBytes, uint64(largestValue))
		case i.Requests > largestValue:
			return fmt.Errorf("%s.requests is %d; expected at most %d", name, i.Requests, uint64(largestValue))
		case i.DurationSeconds < 0:
			return fmt.Errorf("%s.duration_seconds is %g; expected 0 or more", name, i.DurationSeconds)
		}
		for _, w := range i.Workers {
			if w.Bytes > largestValue || !(w.Requests >= 0 && w.Requests <= largestValue) {
				return fmt.Errorf("%s.workers: %d bytes and %g requests; expected 0 to %d", name, w.Bytes, w.Requests, uint64(largestValue))
			}
		}
		last = i.Iteration
	}
	return nil
}
