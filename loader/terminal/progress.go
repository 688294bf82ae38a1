package terminal

import (
	"fmt"
	"sync"
	"time"

	"leaklab/loader/lab"
	"leaklab/loader/load"
)

const (
	progressInterval = 200 * time.Millisecond
	eraseLine        = "\r\x1b[K"
)

// Burst is load whose progress is shown.
type Burst struct {
	State    func() load.Burst    // of a load.Meter
	Of       int                  // iterations
	AtMost   bool                 // there may be fewer than Of
	Duration func() time.Duration // of the burst that runs
	Requests uint64               // of each burst, whatever its duration; 0 if Duration ends it
	Note     string               // stands behind the number of the iteration
}

// Progress keeps a line that shows the burst that runs, five times a second, until stop is called. The line goes away
// when the burst is over. bursts are those of servers that are loaded in turns. Only a terminal can show it.
func (t *Terminal) Progress(bursts ...Burst) (stop func()) {
	ended := make(chan struct{})
	var shown sync.WaitGroup
	shown.Go(func() {
		ticker := time.NewTicker(progressInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ended:
				t.show("")
				return
			case now := <-ticker.C:
				t.show(lineOf(bursts, now))
			}
		}
	})
	return sync.OnceFunc(func() {
		close(ended)
		shown.Wait()
	})
}

// lineOf is the progress line of the burst that runs; empty if none does.
func lineOf(bursts []Burst, now time.Time) string {
	for _, b := range bursts {
		if state := b.State(); state.Active {
			return b.line(state, now)
		}
	}
	return ""
}

func (b Burst) line(state load.Burst, now time.Time) string {
	elapsed := now.Sub(state.StartedAt)
	remaining := b.Duration() - elapsed
	if b.Requests > 0 {
		remaining = 0
		if state.Requests > 0 && state.Requests < b.Requests {
			remaining = time.Duration(float64(elapsed) * float64(b.Requests-state.Requests) / float64(state.Requests))
		}
	}
	return fmt.Sprintf("Iteration %s%s: %.1fs elapsed, %.1fs remaining, %d requests",
		lab.Place(state.Number, b.Of, b.AtMost), b.Note, elapsed.Seconds(), max(0, remaining).Seconds(), state.Requests)
}

// show replaces the progress line. An error of the terminal is left to the next block.
func (t *Terminal) show(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if line == "" && !t.progress {
		return
	}
	fmt.Fprint(t.out, eraseLine, line)
	t.progress = line != ""
}
