package exporter

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"leaklab/loader/verdict"
)

// State is how far a run has come, or how it ended.
type State string

// The states. A run that is complete has the state of its verdict, as has one that goes on as soon as growth can be
// estimated.
const (
	Waiting      State = "waiting"   // for the first load
	TooEarly     State = "too early" // to estimate growth
	Leak         State = "leak"
	NoLeak       State = "no leak"
	Inconclusive State = "inconclusive"
	Died         State = "died"        // the server
	Interrupted  State = "interrupted" // the loader, by a signal
	Failed       State = "failed"      // ended early for another reason
)

// States are all of them.
func States() []State {
	return []State{Waiting, TooEarly, Leak, NoLeak, Inconclusive, Died, Interrupted, Failed}
}

// End is how a run ended.
type End struct {
	// State is Died, Interrupted or Failed; empty for a run that is complete.
	State State
	// Reason is a word or two out of a fixed set, such as "killed (SIGKILL)". It becomes a label: it holds nothing that a
	// server or a load tool has printed.
	Reason string
	// Iteration is the one that was under way, or the last one of a run that is complete; 0 if there was none.
	Iteration int
}

// state is how far the run has come.
func (s *snapshot) state() State {
	switch {
	case s.end != nil && s.end.State != "":
		return s.end.State
	case s.end == nil && s.burst.Number == 0:
		return Waiting
	case s.end == nil && !s.verdict.Estimated:
		return TooEarly
	case s.verdict.Kind == verdict.Leak:
		return Leak
	case s.verdict.Kind == verdict.NoLeak:
		return NoLeak
	default:
		return Inconclusive
	}
}

func collectState(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
	now := s.state()
	for _, state := range States() {
		gauge(out, desc, one(state == now), string(state))
	}
}

func collectEnd(s *snapshot, desc *prometheus.Desc, out chan<- prometheus.Metric) {
	if s.end != nil {
		gauge(out, desc, 1, s.end.Reason, strconv.Itoa(s.end.Iteration))
	}
}
