package load

import (
	"runtime"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Reason says why a request counts as an error. The values are the labels of leaklab_request_errors_total.
type Reason string

// The reasons. A request that was answered with a 4xx or 5xx status is an answer and an error.
const (
	Connect     Reason = "connect"      // no connection within TIMEOUT
	Timeout     Reason = "timeout"      // no complete answer within TIMEOUT
	Reset       Reason = "reset"        // the server closed the connection before the answer was complete
	BadResponse Reason = "bad_response" // what came back is not an HTTP response
	Status4xx   Reason = "status_4xx"
	Status5xx   Reason = "status_5xx"
	Other       Reason = "other" // of a load tool that does not say more
)

// Reasons lists every Reason, in the order in which they are reported.
func Reasons() []Reason {
	return []Reason{Connect, Timeout, Reset, BadResponse, Status4xx, Status5xx, Other}
}

// Histogram range: 1 µs to 1 h (the longest TIMEOUT) with two significant digits, so that a value is exact
// to 1%.
const (
	shortestLatency   = int64(time.Microsecond)
	longestLatency    = int64(time.Hour)
	significantDigits = 2
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(shortestLatency, longestLatency, significantDigits)
}

// Totals counts requests. The zero value is not ready for use: see newTotals.
type Totals struct {
	// Requests that were answered, whatever the status.
	Requests uint64
	// Codes counts the answers by HTTP status code; 0 is of those whose status is not known.
	Codes map[int]uint64
	// Errors counts the requests that failed, and the answers with 4xx and 5xx, by reason.
	Errors map[Reason]uint64
	// Latency holds the time from sending a request, or from when it was due, until the end of its answer had come, in
	// nanoseconds, exact to 1%.
	Latency *hdrhistogram.Histogram
	// MaxLatency and SumLatency are exact.
	MaxLatency, SumLatency time.Duration
}

func newTotals() Totals {
	return Totals{Codes: make(map[int]uint64), Errors: make(map[Reason]uint64), Latency: newHistogram()}
}

// ErrorCount is the number of errors of all reasons.
func (t *Totals) ErrorCount() uint64 {
	var n uint64
	for _, count := range t.Errors {
		n += count
	}
	return n
}

// Percentile returns the latency that p percent of the answers did not exceed, exact to 1%; 0 without answers.
func (t *Totals) Percentile(p float64) time.Duration {
	return min(time.Duration(t.Latency.ValueAtPercentile(p)), t.MaxLatency)
}

func (t *Totals) answered(code int, latency time.Duration) {
	t.Requests++
	t.Codes[code]++
	switch {
	case code >= 500:
		t.Errors[Status5xx]++
	case code >= 400:
		t.Errors[Status4xx]++
	}
	_ = t.Latency.RecordValue(min(int64(latency), longestLatency)) // fails only above longestLatency
	t.MaxLatency = max(t.MaxLatency, latency)
	t.SumLatency += latency
}

func (t *Totals) add(other *Totals) {
	t.Requests += other.Requests
	for code, n := range other.Codes {
		t.Codes[code] += n
	}
	for reason, n := range other.Errors {
		t.Errors[reason] += n
	}
	t.Latency.Merge(other.Latency)
	t.MaxLatency = max(t.MaxLatency, other.MaxLatency)
	t.SumLatency += other.SumLatency
}

func (t *Totals) reset() {
	latency := t.Latency
	latency.Reset()
	clear(t.Codes)
	clear(t.Errors)
	*t = Totals{Codes: t.Codes, Errors: t.Errors, Latency: latency}
}

// Meter counts the requests of a whole run, and can be read while load is running. Its size depends neither on
// the number of requests nor on that of workers.
type Meter struct {
	mu        sync.Mutex
	past      Totals // the iterations that are over
	recorders []*recorder
	silence   silence // of the load that runs

	burst       Burst  // the last one; its Requests are not set
	beforeBurst uint64 // requests answered before it
}

// recordersPerCPU is how many recorders there are for each processor: enough that workers hardly ever wait
// for each other, while a recorder for each of thousands of workers would take most of the memory.
const recordersPerCPU = 8

// recorder is the share of some workers in the counts.
type recorder struct {
	mu     sync.Mutex
	totals Totals
	heard  uint64 // answers that came, of the whole run
}

// NewMeter returns a meter that has counted nothing yet.
func NewMeter() *Meter {
	m := &Meter{past: newTotals()}
	for range recordersPerCPU * runtime.GOMAXPROCS(0) {
		m.recorders = append(m.recorders, &recorder{totals: newTotals()})
	}
	return m
}

// recorder returns the recorder of a worker, which is counted from 0.
func (m *Meter) recorder(worker int) *recorder {
	return m.recorders[worker%len(m.recorders)]
}

// answered counts an exchange that went as it should. After some of them nothing has been heard of the server.
func (r *recorder) answered(code int, latency time.Duration, heard bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.totals.answered(code, latency)
	if heard {
		r.heard++
	}
}

func (r *recorder) failed(reason Reason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.totals.Errors[reason]++
}

// Snapshot returns the counts from the start of the run until now.
func (m *Meter) Snapshot() Totals {
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := newTotals()
	sum.add(&m.past)
	for _, r := range m.recorders {
		r.mu.Lock()
		sum.add(&r.totals)
		r.mu.Unlock()
	}
	return sum
}

// Requests returns the number of requests answered from the start of the run until now.
func (m *Meter) Requests() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.requests()
}

// requests is Requests for a caller that holds mu.
func (m *Meter) requests() uint64 {
	n := m.past.Requests
	for _, r := range m.recorders {
		r.mu.Lock()
		n += r.totals.Requests
		r.mu.Unlock()
	}
	return n
}

// Add counts an iteration of requests that another program has sent, with the answers by HTTP status code, and returns
// them. How long they took is not known.
func (m *Meter) Add(codes map[int]uint64, errors map[Reason]uint64) Totals {
	totals := newTotals()
	for code, n := range codes {
		totals.Codes[code] += n
		totals.Requests += n
	}
	for reason, n := range errors {
		totals.Errors[reason] += n
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.past.add(&totals)
	return totals
}

// closeIteration returns the counts since the last call and makes them part of the past.
func (m *Meter) closeIteration() Totals {
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := newTotals()
	for _, r := range m.recorders {
		r.mu.Lock()
		sum.add(&r.totals)
		r.totals.reset()
		r.mu.Unlock()
	}
	m.past.add(&sum)
	return sum
}
