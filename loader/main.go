// Command loader measures whether an HTTP server leaks memory: it drives the server through equal iterations
// of load and reads its resident memory before and after each.
//
//	loader -- COMMAND ARG...   starts the server with COMMAND, and stops it after the run
//	loader                     measures the server whose process is SERVER_PID, or METRICS_URL if no
//	                           process can be seen
//
// README.md lists the settings, which come from the environment.
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

// Exit codes, made for CI and git bisect run.
const (
	exitSettings = 2
	exitUnknown  = 125
)

const usage = `usage: loader -- COMMAND ARG...   start the server with COMMAND, measure it, stop it
       loader                     measure the running server whose process is SERVER_PID`

func main() {
	os.Exit(run(os.Args[1:]))
}

// run returns the exit code.
func run(args []string) int {
	command, err := commandOf(args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "loader: %v\n%s\n", err, usage)
		return exitSettings
	}
	cfg, err := config.FromEnvironment()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitSettings
	}
	ctx, stop := interruptible()
	defer stop()
	switch err := measure(ctx, cfg, command); {
	case errors.Is(err, errSettings):
		fmt.Fprintln(os.Stderr, err)
		return exitSettings
	case err != nil:
		fmt.Fprintln(os.Stderr, "loader:", err)
	}
	return exitUnknown
}

func commandOf(args []string) ([]string, error) {
	switch {
	case len(args) == 0:
		return nil, nil
	case args[0] == "--" && len(args) > 1:
		return args[1:], nil
	case args[0] == "--":
		return nil, errors.New("no command after \"--\"")
	default:
		return nil, fmt.Errorf("unexpected argument %q", args[0])
	}
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
