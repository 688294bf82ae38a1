// Command h3 is a server and a load generator of HTTP/3 by quic-go, for .ci/bench-h3:
//
//	h3 serve -at 127.0.0.1:4433
//	h3 load -at 127.0.0.1:4433 -connections 100 -streams 10 -duration 3s -api streams
//
// The load generator prints how many requests were answered, and in how many seconds. -profile names a file for a
// profile of its CPU time.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "h3:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if len(args) == 0 {
		return fmt.Errorf("expected serve or load")
	}
	flags := flag.NewFlagSet(args[0], flag.ExitOnError)
	at := flags.String("at", "127.0.0.1:4433", "address and UDP port of the server")
	switch args[0] {
	case "serve":
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		return serve(ctx, *at)
	case "load":
		plan := plan{}
		flags.IntVar(&plan.connections, "connections", 100, "connections")
		flags.IntVar(&plan.streams, "streams", 10, "requests in flight on each connection")
		flags.DurationVar(&plan.duration, "duration", 3*time.Second, "how long requests are sent")
		flags.StringVar(&plan.api, "api", "streams", "what sends a request: roundtrip, streams or raw")
		flags.StringVar(&plan.profile, "profile", "", "file for a profile of the CPU time")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		plan.at = *at
		return plan.load(ctx)
	}
	return fmt.Errorf("%q: expected serve or load", args[0])
}
