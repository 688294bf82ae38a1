package subject

import (
	"context"
	"fmt"
	"net"
	"time"
)

const (
	probeInterval = 20 * time.Millisecond
	// leastProbe is how long a probe may take though the limit has passed: one that is cut short would not tell what is wrong.
	leastProbe = time.Second
)

// WaitReady calls probe until it succeeds, and begins none after limit. It fails with probe's last error then, and with the
// cause of ctx when ctx ends first. The error calls the server who.
func WaitReady(ctx context.Context, limit time.Duration, who string, probe func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	end, _ := limited.Deadline()
	for {
		probing, cancel := context.WithTimeout(ctx, max(time.Until(end), leastProbe))
		err := probe(probing)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-limited.Done():
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return fmt.Errorf("%s is not ready after %s: %w", who, limit, err)
		case <-time.After(probeInterval):
		}
	}
}

// Listening is true if a process accepts connections at address (host:port) now.
func Listening(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
