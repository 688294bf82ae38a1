package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"leaklab/loader/environment"
	"leaklab/loader/lab"
	"leaklab/loader/load"
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

	Way             string    `json:"way,omitempty"` // how the server came to be measured
	ServerCommand   string    `json:"server_command,omitempty"`
	ServerArguments []string  `json:"server_arguments,omitempty"` // of one that was started: its command, word for word
	MemorySource    string    `json:"memory_source"`
	Tries           int       `json:"tries"` // iterations, at most
	SettleSeconds   float64   `json:"settle_seconds"`
	Settings        []Setting `json:"settings"`
	Reproduce       string    `json:"reproduce"` // a line of shell

	Verdict     Verdict                 `json:"verdict"`
	Remarks     []string                `json:"remarks,omitempty"`  // what goes with the verdict
	Profiles    *Profiles               `json:"profiles,omitempty"` // nil if the server shows none
	Iterations  []Iteration             `json:"iterations"`
	Baseline    *Baseline               `json:"baseline,omitempty"`
	Environment environment.Environment `json:"environment"`
}

// Setting is one of the loader's, as text. The value of one that may be secret is Hidden.
type Setting struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Default string `json:"default"`
}

// Hidden stands for a value that is not written down.
const Hidden = "(set)"

// Verdict is a verdict.Verdict as run.json has it. The figures are 0 if Estimated is false.
type Verdict struct {
	Kind                      verdict.Kind    `json:"kind"`
	Shape                     verdict.Pattern `json:"shape"`
	ToleranceBytesPerRequest  float64         `json:"tolerance_bytes_per_request"`
	Estimated                 bool            `json:"estimated"`
	GrowthBytesPerRequest     float64         `json:"growth_bytes_per_request"`
	LowerBytesPerRequest      float64         `json:"lower_bytes_per_request"`
	UpperBytesPerRequest      float64         `json:"upper_bytes_per_request"`
	Confidence                float64         `json:"confidence"`
	ResolutionBytesPerRequest float64         `json:"resolution_bytes_per_request"`
	WarmUpIterations          int             `json:"warm_up_iterations"`
	JudgedFirst               int             `json:"judged_first"` // iteration, counted from 1
	JudgedLast                int             `json:"judged_last"`
	JudgedRequests            uint64          `json:"judged_requests"`
	RestartedBefore           int             `json:"restarted_before,omitempty"` // iteration
	GivenBackBytes            float64         `json:"given_back_bytes"`
	Sentence                  string          `json:"sentence"`
	Advice                    string          `json:"advice,omitempty"`
	Statistic                 string          `json:"statistic"`
}

func newVerdict(v verdict.Verdict, tolerance float64) Verdict {
	return Verdict{
		Kind: v.Kind, Shape: v.Pattern, ToleranceBytesPerRequest: tolerance, Estimated: v.Estimated,
		GrowthBytesPerRequest: v.Growth, LowerBytesPerRequest: v.Lower, UpperBytesPerRequest: v.Upper,
		Confidence: v.Confidence, ResolutionBytesPerRequest: v.Resolution,
		WarmUpIterations: v.WarmUp, JudgedFirst: v.Judged.First, JudgedLast: v.Judged.Last, JudgedRequests: v.JudgedRequests,
		RestartedBefore: v.RestartedBefore, GivenBackBytes: v.GivenBack,
		Sentence: v.Sentence, Advice: v.Advice, Statistic: v.Statistic,
	}
}

// judges says whether the growth of an iteration was judged.
func (v Verdict) judges(i Iteration) bool {
	return v.Estimated && i.Iteration >= v.JudgedFirst && i.Iteration <= v.JudgedLast
}

// Iteration is a row of iterations.csv, with the same names. What is not known is nil, or 0 processes.
type Iteration struct {
	Iteration            int       `json:"iteration"`
	StartedAt            time.Time `json:"started_at"`
	DurationSeconds      float64   `json:"duration_seconds"`
	Requests             uint64    `json:"requests"`
	Errors               uint64    `json:"errors"`
	RequestsPerSecond    float64   `json:"requests_per_second"`
	LatencyP50Seconds    float64   `json:"latency_p50_seconds"`
	LatencyP99Seconds    float64   `json:"latency_p99_seconds"`
	LatencyMaxSeconds    float64   `json:"latency_max_seconds"`
	RSSStartBytes        int64     `json:"rss_start_bytes"`
	RSSEndBytes          int64     `json:"rss_end_bytes"`
	RSSPeakBytes         int64     `json:"rss_peak_bytes"`
	AnonymousEndBytes    *uint64   `json:"anonymous_end_bytes,omitempty"`
	FileEndBytes         *uint64   `json:"file_end_bytes,omitempty"`
	SharedEndBytes       *uint64   `json:"shared_end_bytes,omitempty"`
	LiveHeapEndBytes     *uint64   `json:"live_heap_end_bytes,omitempty"`
	CgroupFileEndBytes   *uint64   `json:"cgroup_file_end_bytes,omitempty"`
	CgroupSocketEndBytes *uint64   `json:"cgroup_socket_end_bytes,omitempty"`
	OpenFiles            *uint64   `json:"open_files,omitempty"`
	Threads              *uint64   `json:"threads,omitempty"`
	Processes            int       `json:"processes,omitempty"`
	LatencyP90Seconds    float64   `json:"latency_p90_seconds"`
	LatencyP999Seconds   float64   `json:"latency_p999_seconds"`
	ErrorsConnect        uint64    `json:"errors_connect"`
	ErrorsTimeout        uint64    `json:"errors_timeout"`
	ErrorsReset          uint64    `json:"errors_reset"`
	ErrorsBadResponse    uint64    `json:"errors_bad_response"`
	ErrorsStatus4xx      uint64    `json:"errors_status_4xx"`
	ErrorsStatus5xx      uint64    `json:"errors_status_5xx"`
	ErrorsOther          uint64    `json:"errors_other"`
}

func newIteration(i lab.Iteration) Iteration {
	parts := Evidence(i).Parts
	part := func(p verdict.Part) *uint64 {
		if value, known := parts[p]; known {
			return &value
		}
		return nil
	}
	return Iteration{
		Iteration: i.Number, StartedAt: i.Load.StartedAt.UTC(), DurationSeconds: i.Load.Elapsed.Seconds(),
		Requests: i.Requests, Errors: i.Load.ErrorCount(), RequestsPerSecond: i.RequestsPerSecond(),
		LatencyP50Seconds: i.Load.Percentile(50).Seconds(), LatencyP90Seconds: i.Load.Percentile(90).Seconds(),
		LatencyP99Seconds: i.Load.Percentile(99).Seconds(), LatencyP999Seconds: i.Load.Percentile(99.9).Seconds(),
		LatencyMaxSeconds: i.Load.MaxLatency.Seconds(),
		RSSStartBytes:     i.Start.Total, RSSEndBytes: i.End.Total, RSSPeakBytes: i.Peak,
		AnonymousEndBytes: part(verdict.Anonymous), FileEndBytes: part(verdict.File), SharedEndBytes: part(verdict.Shared),
		LiveHeapEndBytes: part(verdict.LiveHeap), CgroupFileEndBytes: part(verdict.PageCache), CgroupSocketEndBytes: part(verdict.Sockets),
		OpenFiles: part(verdict.OpenFiles), Threads: part(verdict.Threads), Processes: i.End.Processes,
		ErrorsConnect: i.Load.Errors[load.Connect], ErrorsTimeout: i.Load.Errors[load.Timeout], ErrorsReset: i.Load.Errors[load.Reset],
		ErrorsBadResponse: i.Load.Errors[load.BadResponse], ErrorsStatus4xx: i.Load.Errors[load.Status4xx], ErrorsStatus5xx: i.Load.Errors[load.Status5xx], ErrorsOther: i.Load.Errors[load.Other],
	}
}

// LeakedBytes is the difference between the end and the start reading; negative when memory shrank.
func (i Iteration) LeakedBytes() int64 { return i.RSSEndBytes - i.RSSStartBytes }

// writeRun writes run.json.
func writeRun(out io.Writer, run Run) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(run)
}

// ReadRun reads run.json. Names that it does not know are ignored; what contradicts itself is an error.
func ReadRun(in io.Reader) (Run, error) {
	var run Run
	decoder := json.NewDecoder(in)
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

// check returns the first thing that cannot be.
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
	if err := checkIterations("iterations", r.Iterations); err != nil || r.Baseline == nil {
		return err
	}
	return r.Baseline.check()
}

// checkIterations returns the first thing that cannot be in the list of that name.
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
		last = i.Iteration
	}
	return nil
}
