package memory

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// SampleInterval is how often a Sampler reads: ten times a second.
	SampleInterval = 100 * time.Millisecond
	// mostBusy is the share of the time, one in so many, that reading may take: a large server takes long to read,
	// and its memory is locked for so long.
	mostBusy = 20
)

// Sample is one reading of a Sampler.
type Sample struct {
	At        time.Time // when the reading was complete
	Iteration int       // whose load was running, counted from 1; 0 while the server rested
	Reading   Reading
}

// Sampler reads continually, for the peak and for live metrics.
type Sampler struct {
	// Observe, if not nil, is called with each sample, one call at a time and in order of time. Set it before the first
	// reading. It must not call methods of the Sampler.
	Observe func(Sample)

	read     Reader
	complete []func(context.Context, *Reading)

	mu        sync.Mutex
	latest    Reading
	peak      int64
	iteration int // see Mark
}

// NewSampler returns a Sampler that has not read yet. complete add to the readings that ReadAll takes.
func NewSampler(read Reader, complete ...func(context.Context, *Reading)) *Sampler {
	return &Sampler{read: read, complete: complete}
}

// Run reads at every SampleInterval, or less often if that takes long, until ctx ends, and returns nil then, or
// the first error that is not passing: one that wraps ErrGone. Other failed readings are left out.
func (s *Sampler) Run(ctx context.Context) error {
	for {
		begin := time.Now()
		if _, err := s.Read(ctx); errors.Is(err, ErrGone) {
			return err
		}
		took := time.Since(begin)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(SampleInterval, mostBusy*took) - took):
		}
	}
}

// ReadAll is Read with all that can be known: the control group, and what the server tells of itself.
func (s *Sampler) ReadAll(ctx context.Context) (Reading, error) {
	reading, err := s.Read(ctx)
	if err != nil {
		return Reading{}, err
	}
	for _, complete := range s.complete {
		complete(ctx, &reading)
	}
	return reading, nil
}

// Read takes a reading now and counts it among the samples.
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

// Mark sets the iteration that the samples from now on belong to: the one whose load runs, counted from 1, or 0 while
// the server rests.
func (s *Sampler) Mark(iteration int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.iteration = iteration
}

// Latest returns the newest sample; its Total is 0 before the first.
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
