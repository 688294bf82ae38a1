package memory

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"
)

const (
	// SampleInterval is the time between readings of a Sampler.
	SampleInterval = 100 * time.Millisecond
	// mostBusy limits reading to one part in this many of the time. Reading a large server takes long, and locks its
	// address space meanwhile; reading one elsewhere keeps it from its other requests.
	mostBusy = 20
)

// Sample is one reading of a Sampler.
type Sample struct {
	At        time.Time // when the reading was complete
	Iteration int       // whose load was running, counted from 1; 0 while the server rested
	Reading   Reading
}

// Sampler reads memory continually, for the peak and for live metrics. It is safe for concurrent use.
type Sampler struct {
	// Observe, if not nil, is called with each sample, one call at a time and in order of time. Set it before the first
	// reading. It must not call methods of the Sampler.
	Observe func(Sample)
	// Local is true if the server does not take part in a reading. Run counts the processor time of readings then, where
	// the system tells it: on a busy machine a reading waits for a processor, which is no reason to read less. Set it
	// before Run.
	Local bool

	read     Reader
	complete []func(context.Context, *Reading)

	mu        sync.Mutex
	latest    Reading
	peak      int64
	iteration int // see Mark
}

// NewSampler returns a Sampler that has not read yet. The functions complete add figures to the readings of ReadAll.
func NewSampler(read Reader, complete ...func(context.Context, *Reading)) *Sampler {
	return &Sampler{read: read, complete: complete}
}

// Run reads at every SampleInterval, or less often if reading takes long. It returns nil when ctx ends, and an error that
// wraps ErrGone when the server has ended. It skips readings with other errors.
func (s *Sampler) Run(ctx context.Context) error {
	if s.Local {
		runtime.LockOSThread() // whose processor time is counted
		defer runtime.UnlockOSThread()
	}
	for {
		begin, used := time.Now(), threadTime()
		if _, err := s.Read(ctx); errors.Is(err, ErrGone) {
			return err
		}
		took := time.Since(begin)
		cost := took
		if now := threadTime(); s.Local && now > 0 {
			cost = now - used
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(SampleInterval-took, (mostBusy-1)*cost)):
		}
	}
}

// ReadAll takes a complete reading now, which is a sample as well: an exact one, with the control group and what the server
// reports. It returns the error of the Reader.
func (s *Sampler) ReadAll(ctx context.Context) (Reading, error) {
	reading, err := s.Read(completely(ctx))
	if err != nil {
		return Reading{}, err
	}
	for _, complete := range s.complete {
		complete(ctx, &reading)
	}
	return reading, nil
}

// Read takes a reading now, which is a sample as well. It returns the error of the Reader.
func (s *Sampler) Read(ctx context.Context) (Reading, error) {
	reading, err := s.read(ctx)
	if err != nil {
		return Reading{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest = reading
	s.peak = max(s.peak, reading.Total)
	if s.Observe != nil {
		s.Observe(Sample{At: time.Now(), Iteration: s.iteration, Reading: reading})
	}
	return reading, nil
}

// Mark sets the iteration of the samples from now on. It is the one whose load runs, counted from 1, or 0 while the
// server rests.
func (s *Sampler) Mark(iteration int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.iteration = iteration
}

// Latest returns the newest reading; its Total is 0 before the first.
func (s *Sampler) Latest() Reading {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.latest
}

// TakePeak returns the highest total, in bytes, since the last call.
func (s *Sampler) TakePeak() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	peak := s.peak
	s.peak = 0
	return peak
}
