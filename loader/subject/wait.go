package subject

import (
	"context"
	"fmt"
	"net"
	"time"
)

const probeInterval = 20 * time.Millisecond

// WaitReady calls probe until it succeeds, for at most limit. It fails with probe's last error after that, and with the cause
// of ctx when ctx ends first. The error calls the server who.
func WaitReady(ctx context.Context, limit time.Duration, who string, probe func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := probe(limited)
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
