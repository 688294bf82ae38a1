// Command loader measures whether an HTTP server leaks memory: it drives the server through equal iterations
// of load and reads its resident memory before and after each.
//
//	loader -- COMMAND ARG...   starts the server with COMMAND, and stops it after the run
//	loader                     measures the server whose process is SERVER_PID, or METRICS_URL if no
//	                           process can be seen
//	loader verdict FILE.csv    judges a recorded run
//	loader compare OLD NEW     says how two recorded runs differ
//	loader reproduce RUN       makes a recorded run again, and says what differs
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
	"leaklab/loader/text"
)

// Exit codes, made for CI and git bisect run.
const (
	exitNoLeak   = 0
	exitLeak     = 1
	exitSettings = 2
	exitUnknown  = 125
)

const usage = `usage: loader -- COMMAND ARG...   start the server with COMMAND, measure it, stop it
       loader                     measure the running server whose process is SERVER_PID
       loader verdict FILE.csv    judge a recorded run
       loader compare OLD NEW     compare two recorded runs, folders or tables
       loader reproduce RUN       make a recorded run again; RUN is its folder or run.json`

func main() {
	os.Exit(run(os.Args[1:]))
}

// run returns the exit code.
func run(args []string) int {
	if len(args) == 2 && args[0] == "reproduce" { // its settings win over those of the environment
		return reproduce(args[1])
	}
	cfg, err := config.FromEnvironment()
	switch {
	case len(args) == 0:
		err = errors.Join(err, checkHere(cfg, nil))
	case args[0] == "--" && len(args) > 1:
		err = errors.Join(err, checkHere(cfg, args[1:]))
	}
	switch {
	case err != nil:
		complain(err)
		return exitSettings
	case len(args) == 0:
		return measureServer(cfg, nil, nil)
	case args[0] == "--" && len(args) > 1:
		return measureServer(cfg, args[1:], nil)
	case args[0] == "verdict" && len(args) == 2:
		return judgeFile(cfg, args[1], os.Stdout)
	case args[0] == "compare" && len(args) == 3:
		return compareRuns(cfg, args[1], args[2], os.Stdout)
	default:
		fmt.Fprintf(os.Stderr, "loader: unexpected arguments %q\n%s\n", args, usage)
		return exitSettings
	}
}

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

// complain prints its arguments as a line on the standard error, whatever a server has put into them.
func complain(words ...any) {
	fmt.Fprint(os.Stderr, text.Printable(fmt.Sprintln(words...)))
}
