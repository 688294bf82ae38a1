// Command calibrate shows how far the verdict can be trusted: it runs the real server and the real loader many
// times in each mode of the demo server, whose truth is known, and prints how often each verdict was given.
//
//	go run ./loader/verdict/calibrate                     records runs into a folder, and prints the tables
//	go run ./loader/verdict/calibrate -runs 0 -searches 0 prints the tables of the runs that are there
//	go run ./loader/verdict/calibrate -baseline           compares a server with itself, in two runs and in one with a
//	                                                      baseline, and prints how far the difference can be told
//
// It must be started at the top of the repository. Runs that are in the folder already are not repeated, so
// that it can be interrupted, and asked for more runs later.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
)

func main() {
	plan := plan{}
	flag.IntVar(&plan.runs, "runs", 200, "how many runs there should be of the modes that leak, and of those that do not")
	flag.IntVar(&plan.searches, "searches", 10, "how many runs there should be of each size when searching the smallest leak, or rounds with -baseline")
	flag.IntVar(&plan.parallel, "parallel", 1, "how many runs at a time")
	flag.StringVar(&plan.folder, "folder", filepath.Join("results", "calibration"), "where the runs are kept")
	tolerance := flag.Float64("tolerance", 4, "growth in bytes per request that nobody cares about")
	baseline := flag.Bool("baseline", false, "rounds of two runs, and of one run with a baseline, of a server without a leak")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *baseline {
		if err = recordRounds(ctx, plan.folder, plan.searches); err == nil {
			err = writeRounds(os.Stdout, plan.folder, *tolerance)
		}
	} else if err = record(ctx, plan); err == nil {
		err = writeTables(os.Stdout, plan.folder, *tolerance)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "calibrate:", err)
		os.Exit(1)
	}
}
