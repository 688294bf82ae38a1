package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"leaklab/loader/config"
)

// measureServer makes a run for each shape of load, one after the other, and returns the exit code: a leak in any
// of them is a leak, and only if all have none there is none. With a baseline a suspect that is worse counts as a leak.
// again is a run that is made again, or nil.
func measureServer(cfg config.Config, command []string, again *reproduction) int {
	ctx, stop := interruptible()
	defer stop()
	all := exitNoLeak
	for n, shape := range cfg.Shapes {
		code, err := measure(ctx, cfg, shape, command, again)
		switch {
		case errors.Is(err, errSettings) && n == 0 && ctx.Err() == nil:
			complain(err)
			return exitSettings
		case err != nil:
			complain("loader:", err)
		}
		if ctx.Err() != nil {
			return exitUnknown
		}
		if code == exitLeak || all == exitNoLeak {
			all = code
		}
	}
	return all
}

// interruptible returns a context that ends with the first SIGINT, SIGTERM or SIGHUP; a second one ends the
// process at once.
func interruptible() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		received := <-signals
		signal.Stop(signals)
		cancel(fmt.Errorf("interrupted (%s)", received))
	}()
	return ctx, func() { cancel(nil) }
}
