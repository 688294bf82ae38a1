//go:build pictures

// Command draw draws the pictures of a recorded run, memory.svg and memory.png, into its folder. It is a program of its
// own, so that the loader need not hold what drawing takes:
//
//	go build -tags pictures -o .build/ ./loader/draw
//	.build/draw FOLDER
package main

import (
	"fmt"
	"os"

	"leaklab/loader/report"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: draw FOLDER")
		os.Exit(2)
	}
	if err := report.Draw(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "draw:", err)
		os.Exit(2)
	}
}
