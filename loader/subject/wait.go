package subject

import (
	"context"
	"fmt"
	"net"
	"time"
)

const probeInterval = 20 * time.Millisecond

// WaitReady calls probe until it succeeds, for at most limit. It gives up when ctx ends. who is waited for.
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

// Listening tells whether somebody accepts connections at address (host:port) now.
func Listening(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
