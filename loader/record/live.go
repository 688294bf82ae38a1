package record

import (
	"fmt"
	"strings"
	"time"
)

// Live is how the live memory of the server was read, and what that has cost.
type Live struct {
	Setting  string   `json:"setting"`            // LIVE, or what its default was
	Runtimes []string `json:"runtimes,omitempty"` // that were asked
	// Said is what was put into the server's environment, opened in it or sent to it, a line each.
	Said   []string `json:"said,omitempty"`
	Forced string   `json:"forced,omitempty"` // how a full collection was forced
	// StoppedSeconds is how long the server stood still for one reading, at most.
	StoppedSeconds float64 `json:"stopped_seconds"`
	// RateChange is how the rate of requests has changed after the first iteration, which came before any reading: -0.1
	// is a tenth less. Nil if it is not known.
	RateChange *float64 `json:"rate_change,omitempty"`
	Failed     string   `json:"failed,omitempty"` // why live memory is not known, or not any more
	Offer      string   `json:"offer,omitempty"`  // what LIVE would tell of a server that was running before
}

// Sentences tell what the reading has cost, and why it ended; empty if there is nothing to tell.
func (l *Live) Sentences() []string {
	var all []string
	if l == nil {
		return nil
	}
	if l.Forced != "" {
		cost := fmt.Sprintf("Live memory was read after each iteration (%s): the server stood still for up to %s each time.",
			l.Forced, time.Duration(l.StoppedSeconds*float64(time.Second)).Round(time.Millisecond))
		// A rate that rises is that of a server that warms up, and says nothing of the cost.
		if l.RateChange != nil && *l.RateChange <= -0.005 {
			cost += fmt.Sprintf(" The rate of requests was %.0f%% lower afterwards than in the first iteration, before any reading.", -100**l.RateChange)
		}
		all = append(all, cost)
	}
	if l.Failed != "" && len(l.Runtimes) > 0 {
		all = append(all, fmt.Sprintf("Live memory could not be read any more (%s): the verdict rests on resident memory.", strings.TrimSuffix(l.Failed, ".")))
	}
	if l.Offer != "" {
		all = append(all, fmt.Sprintf("Live memory was not read, since the server was running before: %s.", l.Offer))
	}
	return all
}
