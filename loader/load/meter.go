package load

import (
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Reason is why a request counts as an error. The values are label values of leaklab_request_errors_total.
type Reason string

// The reasons. A request with a 4xx or 5xx status counts as answered and as an error.
const (
	Connect     Reason = "connect"      // no connection within TIMEOUT
	Timeout     Reason = "timeout"      // no complete response within TIMEOUT
	Reset       Reason = "reset"        // the server closed the connection before the response was complete
	BadResponse Reason = "bad_response" // not an HTTP response, or one without a clear end
	Status4xx   Reason = "status_4xx"
	Status5xx   Reason = "status_5xx"
	Other       Reason = "other" // reported by a load tool without a reason, or the request's body could not be read
)

// Reasons returns every Reason, in the order of reports.
func Reasons() []Reason {
	return []Reason{Connect, Timeout, Reset, BadResponse, Status4xx, Status5xx, Other}
}

// The range of the HDR histogram: 1 µs to 1 h, the longest TIMEOUT. Two significant digits keep values exact to 1%.
const (
	shortestLatency   = int64(time.Microsecond)
	longestLatency    = int64(time.Hour)
	significantDigits = 2
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(shortestLatency, longestLatency, significantDigits)
}

// Totals counts requests. The zero value is read-only.
type Totals struct {
	// Requests is the number of requests that were answered, with any status.
	Requests uint64
	// Codes counts responses by HTTP status code; 0 stands for an unknown status.
	Codes map[int]uint64
	// Errors counts failed requests, and responses with 4xx and 5xx, by reason.
	Errors map[Reason]uint64
	// BadResponse is what was bad in the first response that was, in a few words; empty if that is unknown.
	BadResponse string
	// Latency holds, in nanoseconds and exact to 1%, the time from the scheduled send time of a request until its response
	// is complete. So the figures have no coordinated omission.
	Latency *hdrhistogram.Histogram
	// MaxLatency and SumLatency are exact.
	MaxLatency, SumLatency time.Duration
}

func newTotals() Totals {
	return Totals{Codes: make(map[int]uint64), Errors: make(map[Reason]uint64), Latency: newHistogram()}
}

// ErrorCount is the number of errors over all reasons.
func (t *Totals) ErrorCount() uint64 {
	var n uint64
	for _, count := range t.Errors {
		n += count
	}
	return n
}

// Percentile returns the p-th percentile of latency, exact to 1%; 0 without responses.
func (t *Totals) Percentile(p float64) time.Duration {
	return min(time.Duration(t.Latency.ValueAtPercentile(p)), t.MaxLatency)
}

// untimed stands for the latency of what has none.
const untimed time.Duration = math.MinInt64

func (t *Totals) answered(code int, latency time.Duration) {
	t.Requests++
	t.Codes[code]++
	switch {
	case code >= 500:
		t.Errors[Status5xx]++
	case code >= 400:
		t.Errors[Status4xx]++
	}
	if latency == untimed {
		return
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
	if t.BadResponse == "" {
		t.BadResponse = other.BadResponse
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

// Meter counts the requests of a whole run and knows the current burst of load. It is safe for concurrent use. Its size
// depends neither on the number of requests nor on that of workers.
type Meter struct {
	mu        sync.Mutex
	past      Totals // of completed iterations
	recorders []*recorder
	silence   silence

	burst       Burst  // the last one; its Requests are not set
	beforeBurst uint64 // requests answered before it
}

// recordersPerCPU is the number of recorders per CPU. It keeps lock contention low; a recorder for each of thousands of
// workers would need most of the loader's memory.
const recordersPerCPU = 8

// recorder holds the counts of a shard of workers.
type recorder struct {
	mu     sync.Mutex
	totals Totals
	heard  uint64 // responses in the whole run
	late   string // what has not come in time, in the whole run; empty if that is unknown
}

// NewMeter returns a meter with all counts at 0.
func NewMeter() *Meter {
	m := &Meter{past: newTotals()}
	for range recordersPerCPU * runtime.GOMAXPROCS(0) {
		m.recorders = append(m.recorders, &recorder{totals: newTotals()})
	}
	return m
}

// recorder returns the recorder of a worker, numbered from 0.
func (m *Meter) recorder(worker int) *recorder {
	return m.recorders[worker%len(m.recorders)]
}

// answered counts a successful exchange. heard is false for one that ends without waiting for a response.
func (r *recorder) answered(code int, latency time.Duration, heard bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.totals.answered(code, latency)
	if heard {
		r.heard++
	}
}

// failed counts an exchange that failed with err.
func (r *recorder) failed(err error) {
	reason := classify(err)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.totals.Errors[reason]++
	if reason == BadResponse && r.totals.BadResponse == "" {
		r.totals.BadResponse = causeOf(err)
	}
	if reason == Timeout && r.late == "" {
		r.late = causeOf(err)
	}
}

// overdue counts a request that timed out before it was sent.
func (r *recorder) overdue() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.totals.Errors[Timeout]++
}

// Snapshot returns the counts since the start of the run.
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

// Requests returns the number of requests answered since the start of the run.
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

// Add counts an iteration of requests that another program sent, by HTTP status code and by reason of error, and returns
// their totals. Latencies are unknown.
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

// closeIteration returns the counts since the last call and adds them to past.
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
