//go:build pictures

// Command draw draws the pictures of a recorded run, or one of two runs. It is a program of its own, so that the loader
// need not hold what drawing takes:
//
//	go build -tags pictures -o .build/ ./loader/draw
//	.build/draw FOLDER               draws memory.svg and memory.png into it
//	.build/draw OLD NEW PICTURE      draws two runs into one picture, an .svg or a .png
package main

import (
	"fmt"
	"os"

	"leaklab/loader/report"
)

func main() {
	var err error
	switch len(os.Args) {
	case 2:
		err = report.Draw(os.Args[1])
	case 4:
		err = report.DrawComparison(os.Args[1], os.Args[2], os.Args[3])
	default:
		fmt.Fprintln(os.Stderr, "usage: draw FOLDER\n       draw OLD NEW PICTURE.svg|PICTURE.png")
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "draw:", err)
		os.Exit(2)
	}
}
