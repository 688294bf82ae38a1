// Command calibrate measures the accuracy of the verdict: it runs the real server and the real loader many times in
// modes of the demo server, whose ground truth is known, and prints the frequency of each verdict.
//
//	go run ./loader/verdict/calibrate                     records runs into a folder, and prints the tables
//	go run ./loader/verdict/calibrate -runs 0 -searches 0 prints the tables of the runs recorded so far
//	go run ./loader/verdict/calibrate -baseline           compares a server with itself, in two runs and in one with a
//	                                                      baseline, and prints the resolution of the difference
//	go run ./loader/verdict/calibrate -runtimes           measures servers in other runtimes, whose truth is known, and
//	                                                      prints what live memory and what resident memory say
//	go run ./loader/verdict/calibrate -stock              does the same with servers as Debian has them
//	go run ./loader/verdict/calibrate -demo               does the same with modes of the demo server
//	go run ./loader/verdict/calibrate -auto               measures the servers in other runtimes with the loader's defaults,
//	                                                      and prints its verdicts and how long they took
//	go run ./loader/verdict/calibrate -smallest           measures servers that keep half a byte of a request
//	go run ./loader/verdict/calibrate -bisect             bisects repositories of 12 commits
//	go run ./loader/verdict/calibrate -sites              measures servers without sites and with them, in turns, and
//	                                                      prints what sites cost
//
// With -against LOADER another loader takes part in -auto, -smallest and -bisect, in turns.
//
// It must be started at the top of the repository. Recorded runs are not repeated, so that it can be interrupted and
// continued later. Runs of another build belong into another -folder.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
)

func main() {
	plan := plan{}
	flag.IntVar(&plan.runs, "runs", 200, "total runs of the modes that leak, and of those that do not")
	flag.IntVar(&plan.searches, "searches", 10, "runs of each size in the search for the smallest leak, or rounds with -baseline")
	flag.IntVar(&plan.parallel, "parallel", 1, "runs at a time")
	flag.StringVar(&plan.folder, "folder", filepath.Join("results", "calibration"), "folder of the recorded runs")
	tolerance := flag.Float64("tolerance", 4, "growth, in bytes per request, that still counts as \"no leak\"")
	baseline := flag.Bool("baseline", false, "record rounds of two runs, and of one run with a baseline, of a server without a leak")
	inRuntimes := flag.Bool("runtimes", false, "measure servers in several runtimes, whose truth is known")
	inStock := flag.Bool("stock", false, "measure servers as Debian has them")
	inDemo := flag.Bool("demo", false, "measure modes of the demo server, with live memory")
	each := flag.Int("each", 20, "runs of each server with -runtimes, -stock, -demo, -auto, -smallest or -sites, or rounds of -bisect; 0 prints those that are recorded")
	only := flag.String("only", "", "regular expression: the names of the servers to measure")
	shipped := flag.Bool("auto", false, "measure servers in several runtimes with the loader's defaults")
	halfByte := flag.Bool("smallest", false, "measure servers that keep half a byte of a request")
	bisect := flag.Bool("bisect", false, "bisect repositories whose server begins to leak")
	sites := flag.Bool("sites", false, "measure what naming sites costs servers in several runtimes")
	against := flag.String("against", "", "path of another loader, which takes part in turns in -auto, -smallest and -bisect")
	flag.Parse()
	names, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "calibrate:", err)
		os.Exit(2)
	}
	loaders, err := contenders(*against)
	if err != nil {
		fmt.Fprintln(os.Stderr, "calibrate: -against:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	measure := func(s suite) error {
		if err := recordSuite(ctx, s, plan.folder, *each, names); err != nil {
			return err
		}
		return writeSuite(os.Stdout, s, plan.folder, *tolerance)
	}
	contest := func(s suite) error {
		if err := recordContest(ctx, s, loaders, plan.folder, *each, names); err != nil {
			return err
		}
		return writeContest(os.Stdout, s, loaders, plan.folder)
	}
	switch {
	case *shipped:
		err = contest(asShipped())
	case *halfByte:
		err = contest(smallest())
	case *sites:
		all := withoutAndWith()
		if err = recordContest(ctx, costs(), all, plan.folder, *each, names); err == nil {
			err = writeCosts(os.Stdout, costs(), all[0], all[1], plan.folder)
		}
	case *bisect:
		if err = recordBisections(ctx, loaders, plan.folder, *each); err == nil {
			err = writeBisections(os.Stdout, loaders, plan.folder)
		}
	case *baseline:
		if err = recordRounds(ctx, plan.folder, plan.searches); err == nil {
			err = writeRounds(os.Stdout, plan.folder, *tolerance)
		}
	case *inRuntimes:
		err = measure(runtimes())
	case *inDemo:
		err = measure(demo())
	case *inStock:
		err = measure(stock())
	default:
		if err = makeRuns(ctx, plan); err == nil {
			err = writeTables(os.Stdout, plan.folder, *tolerance)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "calibrate:", err)
		os.Exit(1)
	}
}
