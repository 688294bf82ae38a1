package main

import (
	"net"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts call this program as loader, as they would in a shell.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"loader": main})
}

// TestCommandLine runs the scripts, each in an environment without settings.
func TestCommandLine(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               giveFreePort,
		Cmds:                map[string]func(ts *testscript.TestScript, neg bool, args []string){"exits": exits},
	})
}

// giveFreePort sets FREE to a port of this machine that is free.
func giveFreePort(env *testscript.Env) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	env.Setenv("FREE", strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
	return listener.Close()
}

// exits runs a program and checks its exit code: exits CODE loader ARG... The commands stdout and stderr look at what it
// printed.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE loader ARG...")
	}
	wanted, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	if exit, failed := err.(*exec.ExitError); failed {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if code != wanted {
		ts.Fatalf("exit code %d, expected %d", code, wanted)
	}
}
