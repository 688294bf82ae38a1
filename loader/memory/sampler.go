package memory

import (
	"context"
	"errors"
	"sync"
	"time"
)

// SampleInterval is how often a Sampler reads: ten times a second.
const SampleInterval = 100 * time.Millisecond

// Sampler reads continually, for the peak and for live metrics.
type Sampler struct {
	read Reader

	mu     sync.Mutex
	latest Reading
	peak   int64
}

// NewSampler returns a Sampler that has not read yet.
func NewSampler(read Reader) *Sampler {
	return &Sampler{read: read}
}

// Run reads at every SampleInterval until ctx ends, and returns nil then, or the first error that is not
// passing: one that wraps ErrGone. Other failed readings are left out.
func (s *Sampler) Run(ctx context.Context) error {
	ticker := time.NewTicker(SampleInterval)
	defer ticker.Stop()
	for {
		if _, err := s.Read(ctx); errors.Is(err, ErrGone) {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
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
	return reading, nil
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
